/*
 * recommend.c
 *		What to show next: recommend, similar_items, trending, bought_together.
 *
 * recommend() looks at the person's last items, including those of events that no
 * processor has seen yet, and asks what other people went to next in sessions that
 * touched them (knn.c); similar_items() asks the same of one item.
 *
 * Everything is read under the statement's snapshot and nothing is written, so
 * engines run on a standby and inside the caller's transaction.
 */
#include "postgres.h"

#include "engines/recommend.h"

#include "base/argument.h"
#include "base/interval.h"
#include "compat.h"
#include "engines/bought.h"
#include "engines/engine.h"
#include "engines/explore.h"
#include "engines/rule.h"
#include "engines/sources.h"
#include "engines/visitor.h"
#include "fmgr.h"
#include "items/popular_use.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_recommend);
PG_FUNCTION_INFO_V1(personalize_similar_items);
PG_FUNCTION_INFO_V1(personalize_trending);
PG_FUNCTION_INFO_V1(personalize_bought_together);

/* A hundred years. */
#define MAX_HALF_LIFE (INT64CONST(36525) * USECS_PER_DAY)

static const CandidateSource *const neighbours[] = {&NeighbourSource, NULL};
static const CandidateSource *const trends[] = {&TrendingSource, NULL};
static const CandidateSource *const baskets[] = {&BasketSource, NULL};
static const FeatureSource *const favourites[] = {&FavouriteFeature, NULL};
static const EngineParameters *const personalParameters[] = {
	&NeighbourParameters, &FavouriteParameters, &BoughtParameters, &ExploreParameters, NULL
};
static const EngineParameters *const neighbourParameters[] = {&NeighbourParameters, NULL};
static const Fallback *const restOfTrends[] = {&RestOfTrendingFallback, NULL};
static const Fallback *const popular[] = {
	&PopularInCategoryFallback, &TrendingFallback, &CandidateFallback, &NewestFallback, NULL
};

/* What recommend() is asked. */
static void
PrepareRecommend(EngineContext *context)
{
	FunctionCallInfo fcinfo = context->fcinfo;

	ArgumentCheckSpan(fcinfo, 5, "exclude_seen");
	ArgumentCheckSpan(fcinfo, 10, "exclude_bought");
	VisitorLoad(context, 0, 7);
	if (context->visitor.personal && !PG_ARGISNULL(5))
		VisitorExcludeSeen(context, PG_GETARG_INTERVAL_P(5));
	BoughtExclude(context, PG_ARGISNULL(10) ? NULL : PG_GETARG_INTERVAL_P(10));
	if (!PG_ARGISNULL(9) && PG_GETARG_BOOL(9))
	{
		context->visitor.returns = KNN_RETURN_ALL;
		VisitorReadClicks(context);
	}
}

static EngineRecipe recommend = {
	.name = "recommend",
	.code = 1,
	.arguments = {.n = 1,.filter = 2,.candidates = 3,.exclude = 4,.explain = 6,.asOf = 8,.variant = 11,.user = 0},
	.parameters = personalParameters,
	.preview = "SELECT item_id, reason FROM personalize.recommend($1, $2)",
	.prepare = PrepareRecommend,
	.sources = neighbours,
	.features = favourites,
	.scorer = &FavouriteScorer,
	.fallbacks = popular,
	.finish = Explore
};

/* The engine behind recommend(). */
const EngineRecipe *
RecommendRecipe(void)
{
	return &recommend;
}

/*
 * recommend(user_id, n, filter, candidates, exclude, exclude_seen, explain, session_items, as_of,
 * allow_session_items, exclude_bought, variant)
 */
Datum
personalize_recommend(PG_FUNCTION_ARGS)
{
	return EngineAnswer(fcinfo, &recommend);
}

/* What similar_items() is asked. */
static void
PrepareSimilarItems(EngineContext *context)
{
	int64	   *item = palloc(sizeof(int64));
	const ItemInfo *info;

	*item = ContextGetItemKey(context, 0);
	info = RuleExists() ? ItemReaderGet(context->items, *item) : NULL;
	if (info != NULL && info->category != NULL)
		context->category = DatumGetTextPCopy(PointerGetDatum(info->category));
	/* no item is like itself */
	KeySetAdd(&context->excluded, *item);
	VisitorGoBy(context, item, 1);
}

static EngineRecipe similarItems = {
	.name = "similar_items",
	.code = 2,
	.arguments = {.n = 1,.filter = 2,.candidates = 3,.exclude = 4,.explain = 5,.asOf = 6,.variant = 7,.user = -1},
	.parameters = neighbourParameters,
	.preview = "SELECT item_id, reason FROM personalize.similar_items($3[1], $2)",
	.previewNeeds = ENGINE_ASKED_ITEMS,
	.prepare = PrepareSimilarItems,
	.sources = neighbours,
	.fallbacks = popular
};

/* similar_items(item_id, n, filter, candidates, exclude, explain, as_of, variant) */
Datum
personalize_similar_items(PG_FUNCTION_ARGS)
{
	return EngineAnswer(fcinfo, &similarItems);
}

/* A half-life in microseconds. */
static int64
GetHalfLife(const EngineContext *context, int argument)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	Interval   *interval;
	int64		length;

	if (PG_ARGISNULL(argument))
		return POPULAR_HALF_LIFE;
	interval = PG_GETARG_INTERVAL_P(argument);
	length = IntervalLength(interval);
	if (length < USECS_PER_MINUTE || length > MAX_HALF_LIFE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("half_life \"%s\" is not between a minute and a hundred years",
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval))))));
	return length;
}

/* What trending() is asked. */
static void
PrepareTrending(EngineContext *context)
{
	FunctionCallInfo fcinfo = context->fcinfo;

	context->category = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	context->halfLife = GetHalfLife(context, 1);
}

static EngineRecipe trending = {
	.name = "trending",
	.code = 3,
	.arguments = {.n = 0,.filter = 3,.candidates = -1,.exclude = 4,.explain = 5,.asOf = 6,.variant = 7,.user = -1},
	.preview = "SELECT item_id, reason FROM personalize.trending($2, category => $4)",
	.prepare = PrepareTrending,
	.sources = trends,
	.fallbacks = restOfTrends
};

/* trending(n, half_life, category, filter, exclude, explain, as_of, variant) */
Datum
personalize_trending(PG_FUNCTION_ARGS)
{
	return EngineAnswer(fcinfo, &trending);
}

/* What bought_together() is asked. */
static void
PrepareBoughtTogether(EngineContext *context)
{
	int64	   *items;
	int			count;

	ArgumentCheckGiven(context->fcinfo, 0, "items");
	count = ContextGetKeys(context, 0, "items", &items);
	VisitorGoBy(context, items, count);
}

static EngineRecipe boughtTogether = {
	.name = "bought_together",
	.code = 4,
	.arguments = {.n = 1,.filter = 2,.candidates = 3,.exclude = 4,.explain = 5,.asOf = 6,.variant = 7,.user = -1},
	.preview = "SELECT item_id, reason FROM personalize.bought_together($3, $2)",
	.previewNeeds = ENGINE_ASKED_ITEMS,
	.prepare = PrepareBoughtTogether,
	.sources = baskets
};

/* bought_together(items, n, filter, candidates, exclude, explain, as_of, variant) */
Datum
personalize_bought_together(PG_FUNCTION_ARGS)
{
	return EngineAnswer(fcinfo, &boughtTogether);
}

/* Make the engines known. */
void
RecommendInit(void)
{
	ExploreInit();
	EngineRegister(&recommend);
	EngineRegister(&similarItems);
	EngineRegister(&trending);
	EngineRegister(&boughtTogether);
}
