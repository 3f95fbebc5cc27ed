/*
 * engine.c
 *		The frame of all engines: a recipe, and how it is followed.
 *
 * Only as much is asked of the catalogue as the answer needs: candidates come best
 * first, and the costly conditions are asked when one is about to be taken.  If too many of
 * those looked for could not be taken, the sources are asked to look further.
 */
#include "postgres.h"

#include "engines/engine.h"

#include "base/scratch.h"
#include "engines/answer.h"
#include "engines/diversity.h"
#include "engines/filter_check.h"
#include "engines/placement.h"
#include "engines/registry.h"
#include "engines/rule.h"
#include "engines/variant.h"
#include "exposures/request_id.h"
#include "miscadmin.h"

/*
 * Where there is a choice to make, it is among so many items at least, and so many for
 * each that is asked for.
 */
#define LEAST_CHOICE 100
#define CHOICE_FACTOR 5

/* Make an engine known, with the parameters that every engine has. */
void
EngineRegister(EngineRecipe *recipe)
{
	RequestNameEngine(recipe->code, recipe->name);
	recipe->id = RegistryAdd(recipe->name, recipe->preview, recipe->previewNeeds, recipe->parameters);
	RegistryAddParameters(recipe->id, &DiversityParameters);
}

/* Make the counters of all engines known. */
void
EngineInit(void)
{
	AnswerRegisterCounters(RegistryNames(), RegistryCount());
	VariantInit();
	RuleInit();
}

/* Choose the features that apply to a call. */
void
FeaturesChoose(const EngineContext *context, const FeatureSource *const *features, FeatureMatrix *matrix)
{
	matrix->columns = 0;
	for (int i = 0; features && features[i]; i++)
	{
		Assert(i < ENGINE_MAX_FEATURES);
		if (features[i]->applies(context))
			matrix->sources[matrix->columns++] = features[i];
	}
}

/* Fill the matrix of what is proposed. */
void
FeaturesFill(EngineContext *context, const Slate *slate, FeatureMatrix *matrix)
{
	matrix->values = palloc_extended(sizeof(double) * matrix->columns * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < matrix->columns; i++)
		matrix->sources[i]->fill(context, slate, matrix->values + i, matrix->columns);
}

/* True if rules change scores. */
static bool
IsBoosted(const EngineContext *context)
{
	return RuleCount(context, RULE_BOOST) + RuleCount(context, RULE_BURY) > 0;
}

/* Score what is proposed by the features that apply and the boosts of rules, and order it. */
static void
ScoreAndOrder(EngineContext *context, Slate *slate, const EngineRecipe *recipe, FeatureMatrix *matrix)
{
	bool		scored = recipe->scorer != NULL && matrix->columns > 0;
	bool		boosted = IsBoosted(context);

	if (scored)
	{
		FeaturesFill(context, slate, matrix);
		recipe->scorer->score(context, slate, matrix);
		pfree(matrix->values);
	}
	for (int i = 0; boosted && i < slate->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		CandidateBoost(context, &slate->candidates[i], RuleFactor(context, slate->candidates[i].itemKey), BOOST_RULES);
	}
	if (scored || boosted)
		SlateSort(slate);
}

/* How many candidates to look for at first. */
static int
FirstDepth(const EngineContext *context, const Slate *slate)
{
	/* looking again is costly in the past */
	if (ContextIsSelective(context) || context->past || slate->room > context->n)
		return ENGINE_MAX_ITEMS;
	return Min(ENGINE_MAX_ITEMS, context->n + ContextExcludedCount(context) + context->n / 2 + 10);
}

/* Let the sources propose until the list is full or they have no more. */
static void
AskSources(EngineContext *context, Slate *slate, const EngineRecipe *recipe)
{
	const FeatureSource *sources[ENGINE_MAX_FEATURES];
	FeatureMatrix matrix = {.sources = sources};
	int			depth = FirstDepth(context, slate);
	bool		more = !slate->exhausted;

	/* what an earlier round had no room for */
	SlateTake(slate);
	FeaturesChoose(context, recipe->features, &matrix);
	while (more && !SlateIsFull(slate))
	{
		slate->exhausted = true;
		slate->count = slate->next = 0;
		for (int i = 0; recipe->sources && recipe->sources[i]; i++)
			slate->exhausted &= !recipe->sources[i]->propose(context, slate, depth);
		ScoreAndOrder(context, slate, recipe, &matrix);
		SlateTake(slate);
		more = !slate->exhausted && depth < ENGINE_MAX_ITEMS;
		depth = ENGINE_MAX_ITEMS;
	}
}

/* Let sources and fallbacks fill the room there is. */
static void
Fill(EngineContext *context, Slate *slate, const EngineRecipe *recipe)
{
	AskSources(context, slate, recipe);
	for (int i = 0; recipe->fallbacks && recipe->fallbacks[i] && !SlateIsFull(slate); i++)
		recipe->fallbacks[i]->fill(context, slate);
}

/*
 * Choose the answer among more than is asked for: the first n as they would be, and what
 * comes after them; returns how many of those taken, from the first, make it.  If caps leave
 * too few, look further.
 */
static int
Arrange(EngineContext *context, Slate *slate, const EngineRecipe *recipe)
{
	int			chosen;
	bool		mayBeMore;

	do
	{
		SlateWiden(slate, Min(ENGINE_MAX_ITEMS, Max(LEAST_CHOICE, CHOICE_FACTOR * slate->room)));
		Fill(context, slate, recipe);
		mayBeMore = SlateIsFull(slate) && slate->room < ENGINE_MAX_ITEMS;
		SlateRankTaken(slate, IsBoosted(context));
		chosen = DiversityChoose(context, slate);
	} while (chosen < context->n && mayBeMore);
	return chosen;
}

/* True if the answer is not simply the best there are. */
static bool
IsArranged(const EngineContext *context)
{
	return DiversityIsOn(context) || IsBoosted(context) ||
		RuleCount(context, RULE_SLOTS) + RuleCount(context, RULE_PIN) > 0;
}

/* Fill an empty slate with the answer. */
void
EngineFill(EngineContext *context, Slate *slate, const EngineRecipe *recipe)
{
	Placement  *placement = PlacementBegin(context);
	int			chosen;

	Fill(context, slate, recipe);
	chosen = IsArranged(context) ? Arrange(context, slate, recipe) : slate->takenCount;
	if (recipe->finish)
		chosen = recipe->finish(context, slate, chosen);
	if (placement != NULL)
		PlacementFinish(placement, slate, chosen);
	else
		slate->takenCount = chosen;
	FilterCheck(context);
}

/* Fill an empty slate with what is proposed, by score. */
void
EngineFillByScore(EngineContext *context, Slate *slate, const EngineRecipe *recipe)
{
	Fill(context, slate, recipe);
	SlateRankTaken(slate, IsBoosted(context));
}

/* Read the question of a call. */
EngineContext *
EnginePrepare(FunctionCallInfo fcinfo, const EngineRecipe *recipe)
{
	EngineContext *context = ContextBegin(fcinfo, recipe->id, &recipe->arguments);

	context->logScores = recipe->logScores;
	context->origin.engine = recipe->code;
	recipe->prepare(context);
	RuleEnter(context);
	return context;
}

/* Answer a call. */
Datum
EngineAnswer(FunctionCallInfo fcinfo, const EngineRecipe *recipe)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = ScratchTake();
	EngineContext *context;
	Slate	   *slate;

	MemoryContextSwitchTo(scratch);
	context = EnginePrepare(fcinfo, recipe);
	slate = SlateBegin(context);
	EngineFill(context, slate, recipe);
	AnswerReturn(slate, recipe->id, recipe->addColumns);
	if (recipe->close != NULL)
		recipe->close(context);
	ContextEnd(context);
	MemoryContextSwitchTo(caller);
	ScratchGiveBack(scratch);
	return (Datum) 0;
}
