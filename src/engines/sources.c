/*
 * sources.c
 *		Where candidates come from, and what fills a list that stays short.
 *
 * Scores of fallbacks are scaled to lie below what was taken before, so that the
 * order by score is the order of the ranks.
 */
#include "postgres.h"

#include "engines/sources.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "engines/admission.h"
#include "engines/answer.h"
#include "engines/rule.h"
#include "engines/visitor.h"
#include "items/popular.h"
#include "items/popular_use.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"


/* Baskets of an item that are looked at: the newest. */
#define MAX_BASKETS 500

static Reason becauseViewed = {"because_viewed", REASON_OF_ITEM, 1};
static Reason viewedBefore = {"viewed_before", REASON_ITSELF, 2};
static Reason similarTo = {"similar_to", REASON_OF_ITEM, 3};
static Reason boughtWith = {"bought_with", REASON_OF_ITEM, 4};
static Reason popularIn = {"popular_in", REASON_OF_CATEGORY, 5};
static Reason trending = {"trending", REASON_PLAIN, 6};
static Reason newest = {"newest", REASON_PLAIN, 7};
static Reason candidate = {"candidate", REASON_PLAIN, 8};

const Reason *const BecauseViewedReason = &becauseViewed;

static EngineParameter neighbourParameters[KNN_PARAM_COUNT];
const EngineParameters NeighbourParameters = {neighbourParameters, KNN_PARAM_COUNT};

static EngineParameter favouriteBoost = {
	.name = "favourite_boost",.unit = "part of the score",.minimum = 0,.maximum = 100,.standard = 0.5,
	.description = "what each favourite (item, brand, category) that an item agrees with adds to its score"
};
const EngineParameters FavouriteParameters = {&favouriteBoost, 1};

/* The neighbours' own parameters as those of engines. */
static void
CopyParameters(void)
{
	for (int i = 0; i < KNN_PARAM_COUNT; i++)
	{
		const KnnParamInfo *info = &knnParamInfo[i];

		neighbourParameters[i] = (EngineParameter) {
			.name = info->name,.unit = info->unit,.integer = info->integer,.minimum = info->minimum,
			.maximum = info->maximum,.standard = info->standard,.description = info->description
		};
	}
}

/* What a variant sets the parameters of the neighbours to. */
void
SourcesKnnParams(const Variant *variant, KnnParams *params)
{
	for (int i = 0; i < KNN_PARAM_COUNT; i++)
		KnnParamSet(params, &knnParamInfo[i], VariantGet(variant, &neighbourParameters[i]));
}

/* Make the reasons and parameters known. */
void
SourcesInit(void)
{
	Reason	   *const all[] = {
		&becauseViewed, &viewedBefore, &similarTo, &boughtWith, &popularIn, &trending, &newest, &candidate
	};

	for (int i = 0; i < lengthof(all); i++)
		ReasonRegister(all[i]);
	CopyParameters();
}

/* Ask the neighbours for so many items. */
int
SourcesAskNeighbours(EngineContext *context, int most, KnnItem **found)
{
	const Visitor *visitor = &context->visitor;
	int64	   *own;
	KnnQuery	query = {.items = visitor->items,.itemCount = visitor->itemCount,
		.longItems = visitor->longItems,.longItemCount = visitor->longCount,
		.now = context->now,.past = context->past,.history = context->sessions,
	.returns = visitor->returns,.maxResults = most};
	KnnParams	params;

	if (visitor->itemCount == 0)
		return 0;
	SourcesKnnParams(context->variant, &params);
	query.params = &params;
	if (visitor->personal)
	{
		query.excludedCount = VisitorOwnSessions(context, &own);
		query.excluded = own;
	}
	return KnnScore(ContextKnn(context), &query, found);
}

/* Propose what the neighbours say. */
static bool
ProposeNeighbours(EngineContext *context, Slate *slate, int depth)
{
	const Visitor *visitor = &context->visitor;
	int			most = Min(KNN_MAX_RESULTS, depth);
	KnnItem    *found;
	int			count = SourcesAskNeighbours(context, most, &found);

	for (int i = 0; i < count; i++)
	{
		Candidate	proposal = {.itemKey = found[i].itemKey,.score = found[i].score,.boost = 1,
		.found = &found[i],.because = found[i].because};

		proposal.reason = proposal.because == proposal.itemKey ? &viewedBefore :
			visitor->personal ? &becauseViewed : &similarTo;
		SlatePropose(slate, &proposal);
	}
	return count == most;
}

const CandidateSource NeighbourSource = {"neighbours", ProposeNeighbours};

/* Propose a list of what is trending. */
static void
ProposeList(Slate *slate, PopularList list)
{
	EngineContext *context = slate->context;
	Candidate	proposal = {.boost = 1,.reason = context->category ? &popularIn : &trending,
	.category = context->category};

	for (int i = 0; i < list.count; i++)
	{
		proposal.itemKey = list.items[i].itemKey;
		/* it may have moved since the list was made */
		if (context->category != NULL && !ItemReaderIsOf(context->items, proposal.itemKey, context->category))
			continue;
		proposal.score = PopularScore(&list, i);
		SlatePropose(slate, &proposal);
	}
}

/* What trending() asks for. */
static PopularQuery
TrendingQuery(const EngineContext *context)
{
	PopularQuery query = {.category = context->category,.now = context->now,
	.halfLife = context->halfLife,.n = POPULAR_MAX_ITEMS};

	return query;
}

/* Ask for the list that is kept, or of the time asked for. */
static bool
ProposeTrending(EngineContext *context, Slate *slate, int depth)
{
	PopularQuery query = TrendingQuery(context);
	PopularList list;

	if (!context->hasAsOf)
		PopularUse(query.halfLife);
	if (context->hasAsOf || !PopularKept(&query, context->snapshot, &list))
		list = PopularTrending(&query);
	context->listCut = list.cut;
	if (!list.faded)
		ProposeList(slate, list);
	return false;
}

const CandidateSource TrendingSource = {"trending", ProposeTrending};

/* Ask for what comes after the end of a kept list. */
static void
FillRestOfTrending(EngineContext *context, Slate *slate)
{
	PopularQuery query = TrendingQuery(context);

	int			first = slate->count;

	if (!context->listCut)
		return;
	context->listCut = false;
	ProposeList(slate, PopularTrending(&query));
	for (int i = first; i < slate->count; i++)
		CandidateBoost(context, &slate->candidates[i], RuleFactor(context, slate->candidates[i].itemKey), BOOST_RULES);
	SlateTake(slate);
}

const Fallback RestOfTrendingFallback = {"rest_of_trending", FillRestOfTrending};

/* Items in the newest $2 baskets of each of $1 up to the day of $3, by the number of baskets. */
#define BASKET_SQL \
	"WITH shared AS (" \
	" SELECT o.item_key, b.item_key AS because, count(*) AS baskets" \
	" FROM (SELECT DISTINCT unnest($1) AS item_key) q," \
	" LATERAL (SELECT n.item_key, n.basket, n.day FROM personalize._basket n" \
	"  WHERE n.item_key = q.item_key AND n.count > 0 AND n.day <= ($3 AT TIME ZONE 'UTC')::date" \
	"  ORDER BY n.day DESC, n.basket DESC LIMIT $2) b" \
	" JOIN personalize._basket o ON o.basket = b.basket AND o.day = b.day AND o.count > 0" \
	" WHERE o.item_key <> ALL ($1) GROUP BY 1, 2)" \
	" SELECT item_key, sum(baskets)::float8," \
	" (array_agg(because ORDER BY baskets DESC, because))[1]" \
	" FROM shared GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10000"

/* Ask for items in the newest baskets of the given ones, with the number of baskets. */
static bool
ProposeBaskets(EngineContext *context, Slate *slate, int depth)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, INT4OID, TIMESTAMPTZOID};
	const Visitor *visitor = &context->visitor;
	Datum	   *keys = palloc(sizeof(Datum) * Max(visitor->itemCount, 1));
	Datum		values[3];
	MemoryContext caller = CurrentMemoryContext;
	Candidate	proposal = {.boost = 1,.reason = &boughtWith};
	int			count;
	SpiUtilScope scope;

	for (int i = 0; i < visitor->itemCount; i++)
		keys[i] = Int64GetDatum(visitor->items[i]);
	values[0] = PointerGetDatum(construct_array(keys, visitor->itemCount, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = Int32GetDatum(MAX_BASKETS);
	values[2] = TimestampTzGetDatum(context->now);
	SpiUtilBegin(&scope);
	SpiUtilPrepareGeneric(&plan, BASKET_SQL, lengthof(types), types);
	count = (int) SpiUtilRun(&plan, BASKET_SQL, lengthof(types), types, values, NULL, true);
	for (int i = 0; i < count; i++)
	{
		MemoryContext spi;
		bool		isNull;

		proposal.itemKey = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
		proposal.score = DatumGetFloat8(SpiUtilValue(i, 2, &isNull));
		proposal.because = DatumGetInt64(SpiUtilValue(i, 3, &isNull));
		spi = MemoryContextSwitchTo(caller);
		SlatePropose(slate, &proposal);
		MemoryContextSwitchTo(spi);
	}
	SpiUtilEnd(&scope);
	return false;
}

const CandidateSource BasketSource = {"baskets", ProposeBaskets};

/* So many lists of a page are kept; a visitor has few categories. */
#define MAX_LISTS 16

/* Lists that were read for this call. */
typedef struct SourceLists
{
	int			count;
	text	   *categories[MAX_LISTS];	/* NULL: all */
	PopularList trending[MAX_LISTS];

	int			newestRead;		/* so many were asked for */
	PopularList newest;
	const text **newestCategories;
} SourceLists;

/* The lists of a call. */
static SourceLists *
GetLists(EngineContext *context)
{
	if (context->lists == NULL)
		context->lists = MemoryContextAllocZero(context->context, sizeof(SourceLists));
	return context->lists;
}

/* Read what is trending, as of the time asked for. */
static PopularList
ReadTrending(EngineContext *context, const text *category)
{
	PopularQuery query = {.category = category,.now = context->now,
	.halfLife = POPULAR_HALF_LIFE,.n = POPULAR_MAX_ITEMS};
	PopularList list;

	if (context->hasAsOf)
		return PopularTrending(&query);
	(void) PopularKept(&query, context->snapshot, &list);
	return list;
}

/* What is trending, read once a call. */
PopularList
SourcesTrending(EngineContext *context, const text *category)
{
	SourceLists *lists = GetLists(context);
	MemoryContext caller;
	PopularList list;

	for (int i = 0; i < lists->count; i++)
		if (category == NULL ? lists->categories[i] == NULL :
			lists->categories[i] != NULL && TextIsSame(lists->categories[i], category))
			return lists->trending[i];
	caller = MemoryContextSwitchTo(context->context);
	list = ReadTrending(context, category);
	if (lists->count < MAX_LISTS)
	{
		lists->trending[lists->count] = list;
		lists->categories[lists->count++] = category == NULL ? NULL : DatumGetTextPCopy(PointerGetDatum(category));
	}
	MemoryContextSwitchTo(caller);
	return list;
}

/* The newest items, read again only if more are asked for. */
PopularList
SourcesNewest(EngineContext *context, int n, const text ***categories)
{
	SourceLists *lists = GetLists(context);
	PopularList list;

	if (lists->newestRead < n)
	{
		MemoryContext caller = MemoryContextSwitchTo(context->context);
		int64	   *keys = palloc_array(int64, n);
		PopularItem *items = palloc_array(PopularItem, n);

		lists->newestRead = n;
		lists->newestCategories = palloc_array(const text *, n);
		lists->newest.count = ItemReaderNewest(context->items, keys, lists->newestCategories, n);
		for (int i = 0; i < lists->newest.count; i++)
			items[i] = (PopularItem) {keys[i], 1.0 / (i + 1)};
		lists->newest.items = items;
		lists->newest.left = 1;
		pfree(keys);
		MemoryContextSwitchTo(caller);
	}
	if (categories != NULL)
		*categories = lists->newestCategories;
	list = lists->newest;
	list.count = Min(list.count, n);
	return list;
}

/* Say which items of a list are about to be looked at: so many more than are taken. */
#define FILL_MORE 8
static void
ExpectItems(ItemReader *reader, PopularList list, int count)
{
	int64		keys[64];

	count = Min(Min(count + FILL_MORE, list.count), lengthof(keys));
	for (int i = 0; i < count; i++)
		keys[i] = list.items[i].itemKey;
	ItemReaderExpect(reader, keys, count);
}

/* Take up to limit items of a list, scored below what there is. */
static void
FillFromList(Slate *slate, PopularList list, const Reason *reason, const text *category, int limit)
{
	EngineContext *context = slate->context;
	double		top = slate->takenCount ? slate->taken[slate->takenCount - 1].score / 2 : 1;
	int			until = Min(slate->room, slate->takenCount + limit);
	Candidate	filler = {.boost = 1,.reason = reason,.category = category};

	ExpectItems(context->items, list, until - slate->takenCount);
	for (int i = 0; i < list.count && slate->takenCount < until; i++)
	{
		CHECK_FOR_INTERRUPTS();
		filler.itemKey = list.items[i].itemKey;
		/* it may have moved since the list was made */
		if (category != NULL && Admits(context, filler.itemKey, ADMISSION_CHEAP) &&
			!ItemReaderIsOf(context->items, filler.itemKey, category))
			continue;
		filler.score = top * PopularScore(&list, i) / PopularScore(&list, 0);
		SlateTakeOne(slate, &filler);
	}
}

/* Append a category that is not in the list yet. */
static void
AddCategory(text **categories, int *count, const text *category)
{
	for (int i = 0; i < *count; i++)
		if (TextIsSame(categories[i], category))
			return;
	if (*count < SOURCES_MAX_CATEGORIES)
		categories[(*count)++] = DatumGetTextPCopy(PointerGetDatum(category));
}

/* The visitor's categories: one for a favourite at least, then the items'. */
int
SourcesCategories(EngineContext *context, text **categories)
{
	const PreferenceList *preferences = context->preferences;
	const Visitor *visitor = &context->visitor;
	int			count = 0;

	for (int i = 0; preferences && i < preferences->count; i++)
	{
		if (preferences->preferences[i].subject == PREFERENCE_CATEGORY &&
			!preferences->preferences[i].hidden)
			AddCategory(categories, &count, preferences->preferences[i].value);
	}
	for (int i = 0; i < Min(visitor->itemCount, 16) && count < SOURCES_MAX_CATEGORIES; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, visitor->items[i]);

		if (item != NULL && item->category != NULL)
			AddCategory(categories, &count, item->category);
	}
	return count;
}

/* Fill up with what is popular in the categories, each having its share. */
static void
FillPopularInCategory(EngineContext *context, Slate *slate)
{
	text	   *categories[SOURCES_MAX_CATEGORIES];
	int			count;

	/* what is offered comes back, whatever it is offered after */
	for (int i = 0; i < context->visitor.itemCount && !context->hasCandidates; i++)
		KeySetAdd(&context->excluded, context->visitor.items[i]);
	count = SourcesCategories(context, categories);
	for (int i = 0; i < count && !SlateIsFull(slate); i++)
	{
		int			left = slate->room - slate->takenCount;
		int			share = (left + count - i - 1) / (count - i);

		FillFromList(slate, SourcesTrending(context, categories[i]), &popularIn, categories[i], share);
	}
}

const Fallback PopularInCategoryFallback = {"popular_in_category", FillPopularInCategory};

/* Fill up with what is trending. */
static void
FillTrending(EngineContext *context, Slate *slate)
{
	FillFromList(slate, SourcesTrending(context, NULL), &trending, NULL, slate->room);
}

const Fallback TrendingFallback = {"trending", FillTrending};

/* Fill up with what is trending in the category of the question. */
static void
FillCategory(EngineContext *context, Slate *slate)
{
	if (context->category != NULL)
		FillFromList(slate, SourcesTrending(context, context->category), &popularIn, context->category, slate->room);
}

const Fallback CategoryFallback = {"category", FillCategory};

/* Fill up with the candidates as they were given. */
static void
FillCandidates(EngineContext *context, Slate *slate)
{
	double		below = slate->takenCount ? slate->taken[slate->takenCount - 1].score : 1;
	Candidate	filler = {.boost = 1,.reason = &candidate};

	for (int i = 0; i < context->candidateCount && !SlateIsFull(slate); i++)
	{
		filler.itemKey = context->candidateKeys[i];
		filler.score = below / (i + 2);
		SlateTakeOne(slate, &filler);
	}
}

const Fallback CandidateFallback = {"candidates", FillCandidates};

/* Fill up with the newest of the catalogue. */
static void
FillNewest(EngineContext *context, Slate *slate)
{
	int			depth = ContextIsSelective(context) ? POPULAR_MAX_ITEMS :
		Min(POPULAR_MAX_ITEMS, slate->room + context->shown.count + ContextExcludedCount(context));

	if (!context->hasCandidates)
		FillFromList(slate, SourcesNewest(context, depth, NULL), &newest, NULL, slate->room);
}

const Fallback NewestFallback = {"newest", FillNewest};

/* True if the person has favourites. */
static bool
HasFavourites(const EngineContext *context)
{
	return context->preferences != NULL && context->preferences->count > context->preferences->hiddenCount;
}

/* How many of item, brand and category are favourites. */
static void
FillFavourites(EngineContext *context, const Slate *slate, double *column, int stride)
{
	const PreferenceList *preferences = context->preferences;

	for (int i = 0; i < slate->count; i++)
	{
		int64		key = slate->candidates[i].itemKey;
		const ItemInfo *info = preferences->kinds[false] > 0 ? ItemReaderGet(context->items, key) : NULL;

		column[(size_t) i * stride] = PreferenceFavours(preferences, key, info);
	}
}

const FeatureSource FavouriteFeature = {"favourites", HasFavourites, FillFavourites};

/* Raise the source's score. */
static void
ScoreFavourites(EngineContext *context, Slate *slate, const FeatureMatrix *matrix)
{
	double		boost = VariantGet(context->variant, &favouriteBoost);

	for (int i = 0; i < slate->count; i++)
		CandidateBoost(context, &slate->candidates[i], 1 + boost * matrix->values[(size_t) i * matrix->columns], BOOST_FAVOURITES);
}

const Scorer FavouriteScorer = {"favourites", ScoreFavourites};
