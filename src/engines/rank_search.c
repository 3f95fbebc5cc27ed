/*
 * rank_search.c
 *		Search results that somebody has found, in the order that suits a person.
 *
 * The candidates are the application's.  Their text's score is what it says it is; if it
 * says nothing, what the catalogue's words say, and where these say nothing either, the
 * order in which they were given.
 */
#include "postgres.h"

#include "engines/rank_search.h"

#include <math.h>

#include "base/argument.h"
#include "base/topk.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "engines/search_question.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(personalize_rank_search);

/* Numbers of the arguments. */
#define ARGUMENT_ITEMS 2
#define ARGUMENT_SCORES 3
static const SearchArguments arguments = {.userId = 0,.query = 1,.sessionItems = 8,.model = 11};

/* Refuse a list that is not one, or too long. */
static void
CheckItems(const EngineContext *context)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	ArrayType  *items;
	int			count;

	ArgumentCheckGiven(fcinfo, ARGUMENT_ITEMS, "items");
	items = PG_GETARG_ARRAYTYPE_P(ARGUMENT_ITEMS);
	count = ArrayGetNItems(ARR_NDIM(items), ARR_DIMS(items));
	if (count > ENGINE_MAX_GIVEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("items has %d elements, more than %d", count, ENGINE_MAX_GIVEN),
				 errhint("Give the best by your own score: nobody looks at the others.")));
	if (ARR_NDIM(items) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("items must have one dimension, not %d", ARR_NDIM(items))));
}

/* The scores that were given, in the order of the items; NULL: none. */
static double *
ReadScores(const EngineContext *context, int count)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	Datum	   *values;
	bool	   *nulls;
	double	   *scores;
	int			found;

	if (PG_ARGISNULL(ARGUMENT_SCORES))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARGUMENT_SCORES), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, &nulls, &found);
	if (found != count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("scores has %d elements, items %d", found, count),
				 errhint("Give a score for each item, or NULL: then their order counts.")));
	scores = palloc_array(double, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("score %d must not be null", i + 1)));
		scores[i] = DatumGetFloat8(values[i]);
		if (!isfinite(scores[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("score %d must be finite, not \"%s\"", i + 1,
							DatumGetCString(DirectFunctionCall1(float8out, values[i])))));
	}
	return scores;
}

/* What rank_search() is asked. */
static void
PrepareRankSearch(EngineContext *context)
{
	SearchQuestion *question;

	CheckItems(context);
	question = QuestionBegin(context, &arguments, QUERY_IS_COMPLETE);
	question->count = context->candidateCount;
	question->itemKeys = context->candidateKeys;
	question->scores = ReadScores(context, question->count);
	question->givenOrder = question->scores == NULL;
}

/* The best score first, then as they were given. */
static int
CompareGiven(const void *left, const void *right)
{
	const TopkEntry *a = left;
	const TopkEntry *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->index - b->index;
}

/* Put the given items in the order of their scores, if they have some. */
static TopkEntry *
OrderGiven(const SearchQuestion *question)
{
	TopkEntry  *entries = palloc_array(TopkEntry, Max(question->count, 1));

	for (int i = 0; i < question->count; i++)
		entries[i] = (TopkEntry) {.score = question->scores ? question->scores[i] : 0,.index = i};
	if (question->scores != NULL)
		qsort(entries, question->count, sizeof(TopkEntry), CompareGiven);
	return entries;
}

/* Propose what was given: of an item given twice its best score or first place. */
static bool
ProposeGiven(EngineContext *context, Slate *slate, int depth)
{
	SearchQuestion *question = QuestionOf(context);
	TopkEntry  *entries = OrderGiven(question);
	TextMatch  *matches = NULL;
	KeySet		known;

	KeySetInit(&known, question->count);
	ItemReaderExpect(context->items, question->itemKeys, question->count);
	if (question->scores == NULL)
	{
		matches = palloc_array(TextMatch, Max(question->count, 1));
		QuestionMatches(context, question->itemKeys, question->count, matches);
	}
	for (int i = 0; i < question->count; i++)
	{
		int			given = entries[i].index;
		Candidate	proposal = {.itemKey = question->itemKeys[given],.boost = 1,.reason = TextMatchReason,.given = i + 1,
		.score = matches ? matches[given].score : question->scores[given]};

		if (KeySetAdd(&known, proposal.itemKey))
			SlatePropose(slate, &proposal);
	}
	return false;
}

static const CandidateSource givenSource = {"given", ProposeGiven};
static const CandidateSource *const given[] = {&givenSource, NULL};

static EngineRecipe rankSearch = {
	.name = "rank_search",
	.code = 5,
	.arguments = {.n = 4,.every = ARGUMENT_ITEMS,.filter = 5,.candidates = ARGUMENT_ITEMS,.exclude = 6,.explain = 7,.asOf = 9,
	.variant = 10},
	.parameters = SearchParameters,
	.prepare = PrepareRankSearch,
	.sources = given,
	.features = SearchFeatures,
	.scorer = &SearchScorer,
	.logScores = true,
	/* without candidates, those of the catalogue's own search */
	.preview = "SELECT item_id, reason FROM personalize.rank_search($1::text, $5, coalesce($3::text[],"
	" ARRAY(SELECT s.item_id FROM personalize.search_items($1::text, $5, 100) AS s ORDER BY s.rank)), n => $2)",
	.previewNeeds = ENGINE_ASKED_QUERY,
	.close = QuestionEnd
};

/* rank_search(user_id, query, items, scores, n, filter, exclude, explain, session_items, as_of, variant, model) */
Datum
personalize_rank_search(PG_FUNCTION_ARGS)
{
	return EngineAnswer(fcinfo, &rankSearch);
}

/* Make the engine known. */
void
RankSearchInit(void)
{
	SearchQuestionInit();
	SearchScorerInit();
	EngineRegister(&rankSearch);
}
