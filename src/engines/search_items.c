/*
 * search_items.c
 *		A search of the catalogue, in the order that suits a person.
 *
 * All items with a word of the query are scored by their texts.  The best that may be
 * shown are ranked as rank_search() ranks, the person's history included; what agrees
 * much worse with the query than the best item comes after them, by its texts alone, so
 * that no history brings it to the front.  A query without a word, as before the first key is pressed,
 * shows what is popular.
 */
#include "postgres.h"

#include "engines/search_items.h"

#include "base/key.h"
#include "base/topk.h"
#include "compat.h"
#include "engines/admission.h"
#include "engines/search_question.h"
#include "engines/sources.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_search_items);

#define ARGUMENT_FACETS 4
static const SearchArguments arguments = {.userId = 0,.query = 1,.sessionItems = -1,.model = -1};

/* As many items at least are ranked by more than their texts. */
#define MIN_RANKED 200

/* What has a smaller part of the query than this of the best item's comes after all others. */
#define STRONG_COVERED 0.4

/* What search_items() is asked. */
static void
PrepareSearchItems(EngineContext *context)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	SearchQuestion *question = QuestionBegin(context, &arguments, QUERY_IS_TYPED);

	question->facets = PG_ARGISNULL(ARGUMENT_FACETS) ? NULL :
		FacetBegin(context, PG_GETARG_ARRAYTYPE_P(ARGUMENT_FACETS));
	question->matchCount = RetrieveItems(QuestionWords(context), &question->params, QuestionQuery(context), &question->matches);
}

/* Put what agrees well with the query in front; returns the best score. */
static double
PutStrongFirst(SearchQuestion *question)
{
	double		most = 0;
	double		best = 0;

	for (int i = 0; i < question->matchCount; i++)
	{
		most = Max(most, question->matches[i].covered);
		best = Max(best, question->matches[i].score);
	}
	for (int i = 0; i < question->matchCount; i++)
	{
		TextMatch	match = question->matches[i];

		if (match.covered < STRONG_COVERED * most)
			continue;
		question->matches[i] = question->matches[question->strongCount];
		question->matches[question->strongCount++] = match;
	}
	return best;
}

/* Propose the item whose id the query is, if there is one. */
static void
ProposeId(EngineContext *context, Slate *slate, double score)
{
	const text *query = QuestionOf(context)->text;
	Candidate	proposal = {.score = score,.boost = 1,.reason = TextMatchReason};
	const ItemInfo *item;

	if (VARSIZE_ANY_EXHDR(query) < 1 || VARSIZE_ANY_EXHDR(query) > KEY_MAX_ID_BYTES)
		return;
	proposal.itemKey = KeyFromText(query);
	item = ItemReaderGet(context->items, proposal.itemKey);
	if (item != NULL && TextIsSame(item->itemId, query) && Admits(context, proposal.itemKey, ADMISSION_COSTLY))
		SlatePropose(slate, &proposal);
}

/* Matches from best to worst, as far as they are asked for. */
typedef struct MatchWalk
{
	TopkEntry  *entries;
	int			count;
	int			sorted;
	int			next;
} MatchWalk;

/* Begin with some of the matches. */
static MatchWalk
WalkBegin(const TextMatch *matches, int count)
{
	MatchWalk	walk = {.count = count};

	walk.entries = palloc_extended(sizeof(TopkEntry) * Max(count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		walk.entries[i] = (TopkEntry) {.score = matches[i].score,.tie = matches[i].itemKey,.index = i};
	return walk;
}

/* The next best match; NULL: no more. */
static const TopkEntry *
WalkNext(MatchWalk *walk)
{
	CHECK_FOR_INTERRUPTS();
	if (walk->next == walk->count)
		return NULL;
	/* as many again as were sorted before: most often the first are enough */
	if (walk->next == walk->sorted)
		walk->sorted += TopkSort(walk->entries + walk->next, walk->count - walk->next, Max(MIN_RANKED, walk->sorted));
	return &walk->entries[walk->next++];
}

/* Propose the best of those that agree well, as far as they may be shown. */
static bool
ProposeFound(EngineContext *context, Slate *slate, int depth)
{
	SearchQuestion *question = QuestionOf(context);
	double		best = PutStrongFirst(question);
	int			wanted = Max(context->n + context->n / 2, MIN_RANKED);
	MatchWalk	walk = WalkBegin(question->matches, question->strongCount);
	const TopkEntry *entry;

	ProposeId(context, slate, best + 1);
	while (slate->count < wanted && (entry = WalkNext(&walk)) != NULL)
	{
		Candidate	proposal = {.itemKey = entry->tie,.score = entry->score,.boost = 1,.reason = TextMatchReason};

		if ((slate->count == 0 || slate->candidates[0].itemKey != entry->tie) &&
			Admits(context, entry->tie, ADMISSION_COSTLY))
			SlatePropose(slate, &proposal);
	}
	pfree(walk.entries);
	return false;
}

/* Fill up with what agrees less well, by text alone, scored below what there is. */
static void
FillWeak(EngineContext *context, Slate *slate)
{
	SearchQuestion *question = QuestionOf(context);
	double		below = slate->takenCount ? slate->taken[slate->takenCount - 1].score : 0;
	MatchWalk	walk = WalkBegin(question->matches + question->strongCount, question->matchCount - question->strongCount);
	const TopkEntry *entry;
	double		top = 0;

	while (!SlateIsFull(slate) && (entry = WalkNext(&walk)) != NULL)
	{
		Candidate	filler = {.itemKey = entry->tie,.boost = 1,.reason = TextMatchReason};

		top = Max(top, entry->score);
		filler.score = below - 1 - (top - entry->score);
		SlateTakeOne(slate, &filler);
	}
	pfree(walk.entries);
}

static const Fallback weak = {"weak matches", FillWeak};

static const CandidateSource foundSource = {"found", ProposeFound};
static const CandidateSource *const found[] = {&foundSource, NULL};

/* Show what is popular where there is no word to look for. */
static void
FillBrowsing(EngineContext *context, Slate *slate)
{
	if (QuestionOf(context)->query->count > 0)
		return;
	TrendingFallback.fill(context, slate);
	NewestFallback.fill(context, slate);
}

static const Fallback browsing = {"browsing", FillBrowsing};
static const Fallback *const fallbacks[] = {&weak, &browsing, NULL};

/* Count the items that have as many of the query's words as any has. */
static Jsonb *
CountFacets(EngineContext *context)
{
	SearchQuestion *question = QuestionOf(context);
	int			most = 0;

	/* what has been returned does not come back, but counts */
	KeySetInit(&context->shown, 0);
	for (int i = 0; i < question->matchCount; i++)
		most = Max(most, question->matches[i].words);
	for (int i = 0; i < question->matchCount; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (question->matches[i].words == most &&
			Admits(context, question->matches[i].itemKey, ADMISSION_CHEAP) &&
			Admits(context, question->matches[i].itemKey, ADMISSION_COSTLY))
			FacetAdd(question->facets, question->matches[i].itemKey);
	}
	return FacetFinish(question->facets);
}

/* Columns did_you_mean and, of the first row, facets. */
static void
AddColumns(EngineContext *context, int row, Datum *values, bool *nulls)
{
	const SearchQuestion *question = QuestionOf(context);

	values[0] = PointerGetDatum(question->query->didYouMean);
	nulls[0] = question->query->didYouMean == NULL;
	nulls[1] = row > 0 || question->facets == NULL;
	if (!nulls[1])
		values[1] = JsonbPGetDatum(CountFacets(context));
}

static EngineRecipe searchItems = {
	.name = "search_items",
	.code = 6,
	.arguments = {.n = 2,.filter = 3,.candidates = -1,.exclude = -1,.explain = 5,.asOf = 6,.variant = 7},
	.parameters = SearchParameters,
	.prepare = PrepareSearchItems,
	.sources = found,
	.features = SearchFeatures,
	.scorer = &SearchScorer,
	.logScores = true,
	.fallbacks = fallbacks,
	.addColumns = AddColumns,
	.preview = "SELECT item_id, reason FROM personalize.search_items($1, $5, $2)",
	.previewNeeds = ENGINE_ASKED_QUERY,
	.close = QuestionEnd
};

/* search_items(user_id, query, n, filter, facets, explain, as_of, variant) */
Datum
personalize_search_items(PG_FUNCTION_ARGS)
{
	return EngineAnswer(fcinfo, &searchItems);
}

/* Make the engine known. */
void
SearchItemsInit(void)
{
	EngineRegister(&searchItems);
}
