/*
 * engine.c
 *		The frame of all engines: a recipe, and how it is followed.
 *
 * Only as much is asked of the catalogue as the answer needs: candidates come best
 * first, and the costly rules are asked when one is about to be taken.  If too many of
 * those looked for could not be taken, the sources are asked to look further.
 */
#include "postgres.h"

#include "engines/engine.h"

/* As many engines there can be. */
#define MAX_ENGINES 16

static const char *engineNames[MAX_ENGINES];
static int	engineCount = 0;

/* Make an engine known. */
void
EngineRegister(EngineRecipe *recipe)
{
	if (engineCount == MAX_ENGINES)
		elog(ERROR, "too many engines");
	recipe->id = engineCount;
	engineNames[engineCount++] = recipe->name;
}

/* Make the counters of all engines known. */
void
EngineInit(void)
{
	AnswerRegisterCounters(engineNames, engineCount);
}

/* The features that apply to a call. */
static void
ChooseFeatures(const EngineContext *context, const EngineRecipe *recipe, FeatureMatrix *matrix)
{
	matrix->columns = 0;
	for (int i = 0; recipe->features && recipe->features[i]; i++)
	{
		Assert(i < ENGINE_MAX_FEATURES);
		if (recipe->features[i]->applies(context))
			matrix->sources[matrix->columns++] = recipe->features[i];
	}
}

/* Score what is proposed by the features that apply, and order it. */
static void
ScoreAndOrder(EngineContext *context, Slate *slate, const EngineRecipe *recipe, FeatureMatrix *matrix)
{
	if (recipe->scorer == NULL || matrix->columns == 0)
		return;
	matrix->values = palloc_extended(sizeof(double) * matrix->columns * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < matrix->columns; i++)
		matrix->sources[i]->fill(context, slate, matrix->values + i, matrix->columns);
	recipe->scorer->score(context, slate, matrix);
	pfree(matrix->values);
	SlateSort(slate);
}

/* How many candidates to look for at first. */
static int
FirstDepth(const EngineContext *context)
{
	/* looking again is costly in the past */
	if (ContextIsSelective(context) || context->past)
		return ENGINE_MAX_ITEMS;
	return Min(ENGINE_MAX_ITEMS, context->n + context->excluded.count + context->n / 2 + 10);
}

/* Let the sources propose until the list is full or they have no more. */
static void
AskSources(EngineContext *context, Slate *slate, const EngineRecipe *recipe)
{
	const FeatureSource *sources[ENGINE_MAX_FEATURES];
	FeatureMatrix matrix = {.sources = sources};
	int			depth = FirstDepth(context);
	bool		more = true;

	ChooseFeatures(context, recipe, &matrix);
	while (more && !SlateIsFull(slate))
	{
		more = false;
		for (int i = 0; recipe->sources && recipe->sources[i]; i++)
			more |= recipe->sources[i]->propose(context, slate, depth);
		ScoreAndOrder(context, slate, recipe, &matrix);
		SlateTake(slate);
		more &= depth < ENGINE_MAX_ITEMS;
		depth = ENGINE_MAX_ITEMS;
	}
}

/* Answer a call. */
Datum
EngineAnswer(FunctionCallInfo fcinfo, const EngineRecipe *recipe)
{
	EngineContext *context = ContextBegin(fcinfo, &recipe->arguments);
	Slate	   *slate = SlateBegin(context);

	recipe->prepare(context);
	AskSources(context, slate, recipe);
	for (int i = 0; recipe->fallbacks && recipe->fallbacks[i] && !SlateIsFull(slate); i++)
		recipe->fallbacks[i]->fill(context, slate);
	AnswerReturn(slate, recipe->id, recipe->addColumns);
	if (recipe->finish != NULL)
		recipe->finish(context);
	ContextEnd(context);
	return (Datum) 0;
}
