/*
 * explore.c
 *		A share of the answer for items that nobody has met yet.
 *
 * Neighbours and what is popular know an item only once people have met it.  So of the
 * last places of an answer some are for new items of the visitor's categories, each
 * visitor meeting others, and others every hour.  Which, and how many where the share is
 * no whole number, is drawn by a hash of the visitor and the hour: who asks again gets
 * the same answer, and so does who asks as_of that hour later.  They are there whatever
 * diversity and caps say, for they are to be met.
 */
#include "postgres.h"

#include "engines/explore.h"

#include <math.h>

#include "base/interval.h"
#include "base/key.h"
#include "base/topk.h"
#include "engines/admission.h"
#include "engines/answer.h"
#include "engines/sources.h"
#include "utils/timestamp.h"

/* So many of the newest items of a category are drawn from. */
#define POOL_OF_CATEGORY 64

/* A draw has as many bits as a double. */
#define DRAW_SCALE 9007199254740992.0

static EngineParameter parameters[] = {
	{.name = "exploration",.unit = "share of places",.minimum = 0,.maximum = 1,.standard = 0.05,
	.description = "how much of an answer is for new items of the visitor's categories; 0: nothing"},
	{.name = "new_item_age",.unit = "days",.minimum = 0,.maximum = 366,.standard = 14,
	.description = "how long after its created_at an item is new"}
};
#define EXPLORATION (&parameters[0])
#define NEW_ITEM_AGE (&parameters[1])
const EngineParameters ExploreParameters = {parameters, lengthof(parameters)};

Reason ReasonNewIn = {"new_in", REASON_OF_CATEGORY, 10};

/* New items of the visitor's categories. */
typedef struct Pool
{
	int			count;
	int64		keys[SOURCES_MAX_CATEGORIES * POOL_OF_CATEGORY];
	const text *categories[SOURCES_MAX_CATEGORIES * POOL_OF_CATEGORY];
	KeySet		all;
} Pool;

/* Make the reason known. */
void
ExploreInit(void)
{
	ReasonRegister(&ReasonNewIn);
}

/* Begin to draw for the visitor and the hour. */
static void
BeginDraws(const EngineContext *context, KeyHashing *draws)
{
	const Visitor *visitor = &context->visitor;
	uint64		parts[3];

	/* who is not known is the item that was looked at */
	parts[0] = visitor->hasKey;
	parts[1] = (uint64) (visitor->hasKey ? visitor->userKey : visitor->itemCount > 0 ? visitor->items[0] : 0);
	parts[2] = (uint64) IntervalPeriods(context->now, USECS_PER_HOUR);
	KeyHashBegin(draws, parts, lengthof(parts));
}

/* What they draw for an item (0: for the call), from 0 to less than 1. */
static double
Draw(const KeyHashing *draws, int64 itemKey)
{
	return (double) (KeyHashWith(draws, (uint64) itemKey) >> 11) / DRAW_SCALE;
}

/* How many places new items have. */
static int
CountPlaces(const EngineContext *context, const KeyHashing *draws)
{
	return (int) floor(context->n * VariantGet(context->variant, EXPLORATION) + Draw(draws, 0));
}

/* Collect new items of the visitor's categories, but what the visitor has met. */
static void
FillPool(EngineContext *context, Pool *pool)
{
	const Visitor *visitor = &context->visitor;
	TimestampTz since = context->now - (int64) (VariantGet(context->variant, NEW_ITEM_AGE) * USECS_PER_DAY);
	text	   *categories[SOURCES_MAX_CATEGORIES];
	int64		keys[POOL_OF_CATEGORY];
	int			categoryCount = SourcesCategories(context, categories);
	KeySet		met;

	KeySetInit(&met, visitor->itemCount + visitor->longCount);
	for (int i = 0; i < visitor->itemCount; i++)
		KeySetAdd(&met, visitor->items[i]);
	for (int i = 0; i < visitor->longCount; i++)
		KeySetAdd(&met, visitor->longItems[i]);
	KeySetInit(&pool->all, POOL_OF_CATEGORY);
	pool->count = 0;
	for (int c = 0; c < categoryCount; c++)
	{
		int			count = ItemReaderNewestOf(context->items, categories[c], since, context->now, keys, POOL_OF_CATEGORY);

		for (int i = 0; i < count; i++)
		{
			if (KeySetHas(&met, keys[i]) || !KeySetAdd(&pool->all, keys[i]))
				continue;
			pool->keys[pool->count] = keys[i];
			pool->categories[pool->count++] = categories[c];
		}
	}
}

/* Draw items that conditions admit; returns how many. */
static int
DrawItems(EngineContext *context, const KeyHashing *draws, const Pool *pool, int places, Candidate *drawn)
{
	TopkEntry  *order = palloc_array(TopkEntry, Max(pool->count, 1));
	int			sorted;
	int			count = 0;

	for (int i = 0; i < pool->count; i++)
	{
		order[i].score = Draw(draws, pool->keys[i]);
		order[i].tie = pool->keys[i];
		order[i].index = i;
	}
	/* the first are nearly always enough */
	sorted = TopkSort(order, pool->count, 2 * places + 8);
	for (int i = 0; i < pool->count && count < places; i++)
	{
		int64		key;

		if (i == sorted)
			sorted += TopkSort(order + i, pool->count - i, pool->count - i);
		key = pool->keys[order[i].index];
		if (!Admits(context, key, ADMISSION_CHEAP) || !Admits(context, key, ADMISSION_COSTLY))
			continue;
		drawn[count++] = (Candidate) {.itemKey = key,.boost = 1,.explored = true,.reason = &ReasonNewIn,
		.category = pool->categories[order[i].index]};
	}
	return count;
}

/* Let a share of the answer be new items of the visitor's categories. */
int
Explore(EngineContext *context, Slate *slate, int chosen)
{
	KeyHashing	draws;
	int			places;
	Pool	   *pool;
	Candidate  *drawn;

	BeginDraws(context, &draws);
	places = CountPlaces(context, &draws);

	/* what is offered comes back */
	if (places == 0 || context->hasCandidates || VariantGet(context->variant, EXPLORATION) == 0)
		return chosen;
	pool = palloc(sizeof(Pool));
	FillPool(context, pool);
	/* what was taken besides the answer may be drawn */
	KeySetInit(&context->shown, context->n);
	for (int i = 0; i < chosen; i++)
	{
		KeySetAdd(&context->shown, slate->taken[i].itemKey);
		/* those that are there for another reason are met, too */
		slate->taken[i].explored = KeySetHas(&pool->all, slate->taken[i].itemKey);
		places -= slate->taken[i].explored;
	}
	if (places <= 0)
		return chosen;
	drawn = palloc_array(Candidate, places);
	return SlateEndWith(slate, chosen, drawn, DrawItems(context, &draws, pool, places, drawn), &pool->all);
}
