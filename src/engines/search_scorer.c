/*
 * search_scorer.c
 *		What is made of the features of rank_search() and search_items().
 *
 * The score is a sum, weight times feature, of weights set by hand or learnt; or that of a
 * model of trees over features of the names it has.
 */
#include "postgres.h"

#include "engines/search_features.h"

#include "base/argument.h"
#include "base/choice.h"
#include "engines/answer.h"
#include "engines/sources.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(personalize_check_search_model);

/* What a person's history must add to be given as the reason. */
#define REASON_THRESHOLD 0.25

static Reason textMatch = {"text_match", REASON_PLAIN, 11};
static Reason popularFor = {"popular_for", REASON_OF_QUERY, 12};
static Reason fitsCategory = {"fits", REASON_OF_CATEGORY, 13};
static Reason explored = {"explored", REASON_PLAIN, 14};

const Reason *const TextMatchReason = &textMatch;

/* Each weight is a parameter, and so is the model that is used instead. */
static EngineParameter weights[SEARCH_FEATURE_COUNT];
const EngineParameters SearchWeights = {weights, SEARCH_FEATURE_COUNT};
static EngineParameter modelParameter = {
	.name = "model",.unit = "name",.text = true,
	.description = "the model that makes the score instead of the weights; none: the one that train_ranker() has made for the variant, if any"
};
const EngineParameters SearchModelParameter = {&modelParameter, 1};

/* Say why a candidate is where it is: what speaks loudest for it besides its text. */
static void
GiveReason(EngineContext *context, Candidate *candidate, const double *meanings)
{
	int			loudest = MEANS_QUERY;
	const ItemInfo *item;

	for (int m = MEANS_QUERY; m <= MEANS_CHANCE; m++)
		if (meanings[m] > meanings[loudest])
			loudest = m;
	candidate->reason = &textMatch;
	if (meanings[loudest] < REASON_THRESHOLD)
		return;
	if (loudest == MEANS_QUERY)
		candidate->reason = &popularFor;
	else if (loudest == MEANS_CHANCE)
		candidate->reason = &explored;
	else if (loudest == MEANS_SESSION)
	{
		candidate->reason = BecauseViewedReason;
		ItemScoresGet(QuestionOf(context)->neighbours, candidate->itemKey, &candidate->because);
	}
	else if ((item = ItemReaderGet(context->items, candidate->itemKey)) != NULL && item->category != NULL)
	{
		candidate->reason = &fitsCategory;
		candidate->category = DatumGetTextPCopy(PointerGetDatum(item->category));
	}
}

/* Name the features, for explanations. */
static void
NameFeatures(EngineContext *context, const FeatureMatrix *matrix)
{
	const char **names;

	context->featureCount = matrix->columns;
	names = palloc_array(const char *, matrix->columns);
	for (int f = 0; f < matrix->columns; f++)
		names[f] = matrix->sources[f]->name;
	context->featureNames = names;
}

/* The number of a feature by its name; an error that lists them. */
static int
FindFeature(const Model *model, const char *name)
{
	const char *names[SEARCH_FEATURE_COUNT];
	int			number;

	for (int i = 0; i < SEARCH_FEATURE_COUNT; i++)
		names[i] = SearchFeatureList[i].source.name;
	number = ChoiceFind(name, names, SEARCH_FEATURE_COUNT);
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has a feature \"%s\", which searches have not", model->name, name),
				 errhint("%s", ChoiceHint(name, "features of searches", names, SEARCH_FEATURE_COUNT))));
	return number;
}

/* Of each feature of a model, which of SearchFeatures it is. */
static int *
FindFeatures(const Model *model)
{
	int		   *numbers = palloc_array(int, Max(model->featureCount, 1));

	if (model->features == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the features of model \"%s\" have no names", model->name),
				 errhint("Train it on columns that are called as the features in docs/search.md are.")));
	for (int i = 0; i < model->featureCount; i++)
		numbers[i] = FindFeature(model, model->features[i]);
	return numbers;
}

/* _check_search_model(model) */
Datum
personalize_check_search_model(PG_FUNCTION_ARGS)
{
	ArgumentCheckGiven(fcinfo, 0, "model");
	(void) FindFeatures(ModelFind(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_VOID();
}

/* The model that a variant names. */
const char *
SearchVariantModel(const Variant *variant)
{
	return VariantGetText(variant, &modelParameter);
}

/* The name of the one that is trained for it. */
const char *
SearchModelName(const Variant *variant)
{
	return psprintf("%s.%s", RegistryGet(variant->engine)->name, variant->name);
}

/* The model that makes the scores of a call; NULL: none. */
static const Model *
FindModel(const Variant *variant, const char *name)
{
	if (name == NULL)
		name = SearchVariantModel(variant);
	if (name != NULL)
		return ModelFind(name);
	/* what is shipped stays what it is */
	return variant->id == VARIANT_SHIPPED_ID ? NULL : ModelFindIfAny(SearchModelName(variant));
}

/* The features that count: for the sum, or for trees. */
static bool *
FindWanted(const double *chosen, const Model *trees, const int *numbers)
{
	bool	   *wanted = palloc_array(bool, SEARCH_FEATURE_COUNT);

	for (int i = 0; i < SEARCH_FEATURE_COUNT; i++)
		wanted[i] = chosen[i] != 0;
	for (int i = 0; trees && i < trees->featureCount; i++)
		wanted[numbers[i]] = true;
	return wanted;
}

/* What makes the scores of a variant, or of a call that names a model. */
static SearchRanker
ChooseRanker(const Variant *variant, const char *name)
{
	SearchRanker ranker = {0};
	const Model *model = FindModel(variant, name);
	double	   *chosen = palloc0_array(double, SEARCH_FEATURE_COUNT);
	const int  *numbers = model ? FindFeatures(model) : NULL;

	if (model == NULL || model->linear == NULL)
		for (int i = 0; i < SEARCH_FEATURE_COUNT; i++)
			chosen[i] = VariantGet(variant, &weights[i]);
	else
	{
		ranker.base = model->linear->intercept;
		for (int i = 0; i < model->featureCount; i++)
			chosen[numbers[i]] += model->linear->weights[i];
	}
	ranker.weights = chosen;
	ranker.wanted = FindWanted(chosen, model != NULL && model->trees != NULL ? model : NULL, numbers);
	ranker.trees = model != NULL && model->trees != NULL ? model : NULL;
	ranker.treeFeatures = numbers;
	return ranker;
}

/* The weights of a variant. */
void
SearchWeightsOf(const Variant *variant, double *weightsOf)
{
	SearchRanker ranker = ChooseRanker(variant, NULL);

	memcpy(weightsOf, ranker.weights, sizeof(double) * SEARCH_FEATURE_COUNT);
}

/* Choose what makes the scores. */
void
SearchChooseModel(EngineContext *context, const char *name)
{
	QuestionOf(context)->ranker = ChooseRanker(context->variant, name);
}

/* The scores by which a variant orders rows of all features. */
void
SearchScoreRows(const Variant *variant, const double *rows, int count, double *scores)
{
	SearchRanker ranker = ChooseRanker(variant, NULL);
	int			columns = ranker.trees ? ranker.trees->featureCount : 0;
	double	   *row = palloc_array(double, Max(columns, 1));

	for (int i = 0; i < count; i++)
	{
		const double *all = rows + (size_t) i * SEARCH_FEATURE_COUNT;

		scores[i] = ranker.base;
		for (int f = 0; f < SEARCH_FEATURE_COUNT; f++)
			scores[i] += ranker.weights[f] * all[f];
		for (int c = 0; c < columns; c++)
			row[c] = all[ranker.treeFeatures[c]];
		if (ranker.trees != NULL)
			ModelScore(ranker.trees, row, columns, 1, true, &scores[i]);
	}
}

/* Score by a model of trees; a feature that does not apply is 0. */
static void
ScoreByModel(EngineContext *context, Slate *slate, const FeatureMatrix *matrix)
{
	static const char *const explained[] = {"model"};
	const SearchRanker *ranker = &QuestionOf(context)->ranker;
	const Model *model = ranker->trees;
	int			columns = model->featureCount;
	double	   *rows = palloc_extended(sizeof(double) * Max((size_t) columns * slate->count, 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	double	   *scores = palloc_extended(sizeof(double) * Max(slate->count, 1), MCXT_ALLOC_HUGE);

	for (int c = 0; c < columns; c++)
		for (int f = 0; f < matrix->columns; f++)
			if (SearchFeatureNumber(matrix, f) == ranker->treeFeatures[c])
				for (int i = 0; i < slate->count; i++)
					rows[(size_t) i * columns + c] = matrix->values[(size_t) i * matrix->columns + f];
	ModelScore(model, rows, columns, slate->count, true, scores);
	for (int i = 0; i < slate->count; i++)
	{
		slate->candidates[i].score = scores[i];
		slate->candidates[i].contributions = context->explain ? &scores[i] : NULL;
	}
	context->featureNames = explained;
	context->featureCount = lengthof(explained);
	pfree(rows);
}

/* Add up weights times features; the score of a model of trees takes the place of the sum. */
static void
ScoreSearch(EngineContext *context, Slate *slate, const FeatureMatrix *matrix)
{
	const SearchQuestion *question = QuestionOf(context);

	NameFeatures(context, matrix);
	for (int i = 0; i < slate->count; i++)
	{
		const double *row = matrix->values + (size_t) i * matrix->columns;
		double	   *contributions = context->explain ? palloc_array(double, matrix->columns) : NULL;
		double		meanings[MEANS_CHANCE + 1] = {0};
		double		score = question->ranker.base;

		for (int f = 0; f < matrix->columns; f++)
		{
			int			number = SearchFeatureNumber(matrix, f);
			FeatureMeaning meaning = SearchFeatureList[number].meaning;
			double		part = question->ranker.weights[number] * row[f];

			score += part;
			/* what people click after other queries is no reason to name this one */
			if (meaning != MEANS_QUERY || question->counted)
				meanings[meaning] += part;
			if (contributions)
				contributions[f] = part;
		}
		slate->candidates[i].score = score;
		slate->candidates[i].contributions = contributions;
		GiveReason(context, &slate->candidates[i], meanings);
	}
	if (question->ranker.trees != NULL)
		ScoreByModel(context, slate, matrix);
}

const Scorer SearchScorer = {"search", ScoreSearch};

/* Make the reasons and parameters known. */
void
SearchScorerInit(void)
{
	Reason	   *const all[] = {&textMatch, &popularFor, &fitsCategory, &explored};
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	for (int i = 0; i < lengthof(all); i++)
		ReasonRegister(all[i]);
	for (int i = 0; i < SEARCH_FEATURE_COUNT; i++)
		weights[i] = (EngineParameter) {
			.name = psprintf("%s_weight", SearchFeatureList[i].source.name),.unit = "score a unit",.minimum = -100,.maximum = 100,
			.standard = SearchFeatureList[i].weight,.description = SearchFeatureList[i].description
		};
	MemoryContextSwitchTo(caller);
}
