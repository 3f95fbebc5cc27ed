/*
 * engine.c
 *		What all engines have in common: arguments, acceptance and rows.
 *
 * An engine proposes items, best first, and each proposal is accepted or not:
 * an item comes back once, only if the catalogue does not say otherwise, if it
 * is a candidate where candidates are given, and if the filter agrees.  When
 * the proposals run out, popular items fill the list, and their reason says so.
 *
 * Scores are comparable within one reason.  Those of fill-ups are scaled to lie
 * below what was proposed before, so that the order by score is the order of
 * the ranks.
 */
#include "postgres.h"

#include "engine.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "counter.h"
#include "event_time.h"
#include "funcapi.h"
#include "key.h"
#include "miscadmin.h"
#include "personalize.h"
#include "popular.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Categories that are used to fill up: favourites first, then those of items. */
#define FILL_CATEGORIES 4

/* What each favourite that an item agrees with adds to its score, as a part of it. */
#define FAVOURITE_BOOST 0.5

static const char *const reasonNames[REASON_COUNT] = {
	"because_viewed", "viewed_before", "similar_to", "bought_with", "popular_in",
	"trending", "newest", "candidate"
};

static const char *const lackNames[] = {NULL, "new_user", "no_consent"};

/*
 * What is counted, per engine: calls, calls without a row, stale ones, those
 * that lacked a user or consent, and the items returned for each reason.
 */
typedef enum EngineMeasure
{
	MEASURE_CALLS,
	MEASURE_EMPTY,
	MEASURE_STALE,
	MEASURE_LACK,				/* new_user, no_consent */
	MEASURE_REASON = MEASURE_LACK + 2
} EngineMeasure;
#define MEASURE_COUNT (MEASURE_REASON + REASON_COUNT)

static const char *const measureNames[ENGINE_COUNT * MEASURE_COUNT] = {
#define ENGINE_MEASURES(engine) \
	"engine." engine ".calls", "engine." engine ".empty", "engine." engine ".stale", \
	"engine." engine ".new_user", "engine." engine ".no_consent", \
	"engine." engine ".because_viewed", "engine." engine ".viewed_before", \
	"engine." engine ".similar_to", \
	"engine." engine ".bought_with", "engine." engine ".popular_in", \
	"engine." engine ".trending", "engine." engine ".newest", "engine." engine ".candidate"
	ENGINE_MEASURES("recommend"),
	ENGINE_MEASURES("similar_items"),
	ENGINE_MEASURES("trending"),
	ENGINE_MEASURES("bought_together")
};
static int	firstMeasure;

/* Columns of a row. */
typedef enum EngineColumn
{
	COLUMN_RANK,
	COLUMN_ITEM_ID,
	COLUMN_ITEM_KEY,
	COLUMN_SCORE,
	COLUMN_REASON,
	COLUMN_REQUEST_ID,
	COLUMN_EXPLANATION
} EngineColumn;
#define COLUMN_COUNT (COLUMN_EXPLANATION + 1)

/* Make the counters known. */
void
EngineInit(void)
{
	firstMeasure = CounterRegister(measureNames, lengthof(measureNames));
}

/* An argument that may be missing or null. */
static bool
HasArgument(FunctionCallInfo fcinfo, int argument)
{
	return argument >= 0 && !PG_ARGISNULL(argument);
}

/* The key of an id, which is remembered if the key does not tell it. */
static int64
KeepId(Engine *engine, text *id)
{
	int64		key = KeyFromText(id);

	if (KeyIsNumber(key))
		return key;
	if (engine->givenCount == engine->givenCapacity)
	{
		engine->givenCapacity = Max(16, 2 * engine->givenCapacity);
		engine->given = engine->given == NULL ?
			palloc(sizeof(EngineGiven) * engine->givenCapacity) :
			repalloc_huge(engine->given, sizeof(EngineGiven) * engine->givenCapacity);
	}
	engine->given[engine->givenCount].key = key;
	engine->given[engine->givenCount++].id = id;
	engine->givenSorted = false;
	return key;
}

/* Order given ids by key. */
static int
CompareGiven(const void *left, const void *right)
{
	int64		a = ((const EngineGiven *) left)->key;
	int64		b = ((const EngineGiven *) right)->key;

	return (a > b) - (a < b);
}

/* The id behind a key: the catalogue's, or as the caller has given it. */
static text *
FindId(Engine *engine, int64 key)
{
	text	   *id = ItemReaderId(engine->items, key);
	EngineGiven *given;

	if (id != NULL || engine->givenCount == 0)
		return id;
	if (!engine->givenSorted)
		qsort(engine->given, engine->givenCount, sizeof(EngineGiven), CompareGiven);
	engine->givenSorted = true;
	given = bsearch(&key, engine->given, engine->givenCount, sizeof(EngineGiven), CompareGiven);
	return given ? given->id : NULL;
}

/* The keys of an array of ids, without its nulls. */
int
EngineGetKeys(Engine *engine, int argument, int64 **keys)
{
	FunctionCallInfo fcinfo = engine->fcinfo;
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			found = 0;

	*keys = NULL;
	if (!HasArgument(fcinfo, argument))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &values, &nulls, &count);
	*keys = palloc_extended(sizeof(int64) * Max(count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			(*keys)[found++] = KeepId(engine, DatumGetTextPP(values[i]));
	}
	return found;
}

/* The key of an id argument. */
int64
EngineGetKey(Engine *engine, int argument)
{
	FunctionCallInfo fcinfo = engine->fcinfo;

	if (!HasArgument(fcinfo, argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("item_id must not be null")));
	return KeepId(engine, PG_GETARG_TEXT_PP(argument));
}

/* Make a set of an array of keys. */
static void
MakeSet(KeySet *set, const int64 *keys, int count)
{
	KeySetInit(set, count);
	for (int i = 0; i < count; i++)
		KeySetAdd(set, keys[i]);
}

/* How many items are asked for. */
static int
GetCount(FunctionCallInfo fcinfo, int argument)
{
	int			n;

	if (!HasArgument(fcinfo, argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("n must not be null")));
	n = PG_GETARG_INT32(argument);
	if (n < 1 || n > ENGINE_MAX_ITEMS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n \"%d\" is not between 1 and %d", n, ENGINE_MAX_ITEMS)));
	return n;
}

/* The time the answer is for. */
static TimestampTz
GetNow(FunctionCallInfo fcinfo, int argument, bool *given)
{
	TimestampTz asOf;

	*given = HasArgument(fcinfo, argument);
	if (!*given)
		return GetCurrentTimestamp();
	asOf = PG_GETARG_TIMESTAMPTZ(argument);
	if (TIMESTAMP_NOT_FINITE(asOf))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must be finite")));
	return asOf;
}

/* Read the common arguments. */
Engine *
EngineBegin(FunctionCallInfo fcinfo, EngineId id, const EngineArguments *arguments)
{
	Engine	   *engine = palloc0(sizeof(Engine));
	int64	   *excluded;
	int			excludedCount;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	engine->id = id;
	engine->fcinfo = fcinfo;
	engine->n = GetCount(fcinfo, arguments->n);
	if (HasArgument(fcinfo, arguments->filter))
	{
		engine->filter = PG_GETARG_JSONPATH_P(arguments->filter);
		engine->filterContext = AllocSetContextCreate(CurrentMemoryContext, "personalize filter",
													  ALLOCSET_DEFAULT_SIZES);
	}
	engine->hasCandidates = HasArgument(fcinfo, arguments->candidates);
	engine->candidateCount = EngineGetKeys(engine, arguments->candidates, &engine->candidateKeys);
	if (engine->hasCandidates)
		MakeSet(&engine->candidates, engine->candidateKeys, engine->candidateCount);
	excludedCount = EngineGetKeys(engine, arguments->exclude, &excluded);
	MakeSet(&engine->excluded, excluded, excludedCount);
	engine->explain = HasArgument(fcinfo, arguments->explain) && PG_GETARG_BOOL(arguments->explain);
	engine->now = GetNow(fcinfo, arguments->asOf, &engine->hasAsOf);
	engine->past = engine->hasAsOf && engine->now < GetCurrentTransactionStartTimestamp();
	engine->snapshot = GetActiveSnapshot();
	engine->items = ItemReaderBegin(engine->snapshot);
	engine->picks = palloc(sizeof(EnginePick) * engine->n);
	KeySetInit(&engine->taken, engine->n);
	return engine;
}

/* Ask the filter; what that allocates is left to the caller. */
static bool
EvaluateFilter(Engine *engine, int64 itemKey)
{
	LOCAL_FCINFO(call, 4);
	text	   *id = FindId(engine, itemKey);
	Jsonb	   *row = ItemReaderJson(engine->items, itemKey, id);
	static const char noVariables[] = "{}";
	Datum		result;
	Jsonb	   *found;
	JsonbValue	scalar;

	InitFunctionCallInfoData(*call, NULL, 4, InvalidOid, NULL, NULL);
	call->args[0].value = JsonbPGetDatum(row);
	call->args[1].value = PointerGetDatum(engine->filter);
	call->args[2].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(noVariables));
	call->args[3].value = BoolGetDatum(true);	/* structural errors are no match */
	for (int i = 0; i < 4; i++)
		call->args[i].isnull = false;
	result = jsonb_path_query_first_tz(call);
	if (call->isnull)
		return false;
	found = DatumGetJsonbP(result);
	if (JB_ROOT_IS_SCALAR(found) && JsonbExtractScalar(&found->root, &scalar) &&
		(scalar.type == jbvBool || scalar.type == jbvNull))
		return scalar.type == jbvBool && scalar.val.boolean;
	return true;
}

/* True if the filter agrees to the item: a true predicate, or anything found. */
static bool
FilterAgrees(Engine *engine, int64 itemKey)
{
	MemoryContext oldContext = MemoryContextSwitchTo(engine->filterContext);
	bool		agrees = EvaluateFilter(engine, itemKey);

	MemoryContextSwitchTo(oldContext);
	MemoryContextReset(engine->filterContext);
	return agrees;
}

/* True if the person has said not to want the item. */
static bool
IsUnwanted(Engine *engine, int64 itemKey)
{
	return engine->preferences != NULL && engine->preferences->hiddenCount > 0 &&
		PreferenceHides(engine->preferences, itemKey, ItemReaderGet(engine->items, itemKey));
}

/* Take an item, unless something speaks against it. */
bool
EngineOffer(Engine *engine, const EnginePick *pick)
{
	int64		key = pick->itemKey;

	if (engine->pickCount >= engine->n)
		return false;
	if (KeySetHas(&engine->excluded, key) || KeySetHas(&engine->taken, key) ||
		(engine->hasCandidates && !KeySetHas(&engine->candidates, key)) ||
		!ItemReaderIsOffered(engine->items, key) || IsUnwanted(engine, key) ||
		(engine->filter && !FilterAgrees(engine, key)))
		return true;
	KeySetAdd(&engine->taken, key);
	engine->picks[engine->pickCount++] = *pick;
	return engine->pickCount < engine->n;
}

/* Order picks by score, the best first; ties by key. */
static int
ComparePicks(const void *left, const void *right)
{
	const EnginePick *a = left;
	const EnginePick *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return (a->itemKey > b->itemKey) - (a->itemKey < b->itemKey);
}

/* Take items in the order of their scores, those of favourites raised. */
bool
EngineOfferAll(Engine *engine, EnginePick *picks, int count)
{
	const PreferenceList *preferences = engine->preferences;
	bool		more = engine->pickCount < engine->n;

	if (preferences != NULL && preferences->count > preferences->hiddenCount)
	{
		for (int i = 0; i < count; i++)
		{
			const ItemInfo *item = ItemReaderGet(engine->items, picks[i].itemKey);

			picks[i].boost = 1 + FAVOURITE_BOOST *
				PreferenceFavours(preferences, picks[i].itemKey, item);
			picks[i].score *= picks[i].boost;
		}
		qsort(picks, count, sizeof(EnginePick), ComparePicks);
	}
	for (int i = 0; i < count && more; i++)
	{
		CHECK_FOR_INTERRUPTS();
		more = EngineOffer(engine, &picks[i]);
	}
	return more;
}

/* True if the item is in the category now: it may have moved since the list was made. */
static bool
IsInCategory(Engine *engine, int64 itemKey, const text *category)
{
	const ItemInfo *item = ItemReaderGet(engine->items, itemKey);

	return item != NULL && item->category != NULL &&
		VARSIZE_ANY_EXHDR(item->category) == VARSIZE_ANY_EXHDR(category) &&
		memcmp(VARDATA_ANY(item->category), VARDATA_ANY(category), VARSIZE_ANY_EXHDR(category)) == 0;
}

/* How many of the newest items to look at. */
static int
NewestToRead(const Engine *engine)
{
	if (engine->filter || engine->preferences)
		return POPULAR_MAX_ITEMS;
	return Min(POPULAR_MAX_ITEMS, engine->n + engine->pickCount + engine->excluded.count);
}

/* Offer up to limit items of a list, scored below what there is. */
static void
FillFromList(Engine *engine, PopularList list, EngineReason reason,
			 const text *category, int limit)
{
	double		top = engine->pickCount ? engine->picks[engine->pickCount - 1].score / 2 : 1;
	int			until = Min(engine->n, engine->pickCount + limit);
	EnginePick	pick = {.boost = 1,.reason = reason,.category = category};

	for (int i = 0; i < list.count && engine->pickCount < until; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pick.itemKey = list.items[i].itemKey;
		if (category != NULL && !IsInCategory(engine, pick.itemKey, category))
			continue;
		pick.score = top * list.items[i].score / list.items[0].score;
		EngineOffer(engine, &pick);
	}
}

/* What is trending, as of the time asked for. */
static PopularList
Trending(Engine *engine, const text *category)
{
	PopularQuery query = {.category = category,.now = engine->now,
	.halfLife = POPULAR_HALF_LIFE,.n = POPULAR_MAX_ITEMS};

	return engine->hasAsOf ? PopularTrending(&query) : PopularKept(category, engine->snapshot);
}

/* Append a category that is not in the list yet. */
static void
AddCategory(text **categories, int *count, const text *category)
{
	for (int i = 0; i < *count; i++)
	{
		if (VARSIZE_ANY_EXHDR(categories[i]) == VARSIZE_ANY_EXHDR(category) &&
			memcmp(VARDATA_ANY(categories[i]), VARDATA_ANY(category), VARSIZE_ANY_EXHDR(category)) == 0)
			return;
	}
	if (*count < FILL_CATEGORIES)
		categories[(*count)++] = DatumGetTextPCopy(PointerGetDatum(category));
}

/* The categories to fill up from: one for a favourite at least, then the items'. */
static int
CollectCategories(Engine *engine, const int64 *items, int itemCount, text **categories)
{
	const PreferenceList *preferences = engine->preferences;
	int			count = 0;

	for (int i = 0; preferences && i < preferences->count; i++)
	{
		if (preferences->preferences[i].subject == PREFERENCE_CATEGORY &&
			!preferences->preferences[i].hidden)
			AddCategory(categories, &count, preferences->preferences[i].value);
	}
	for (int i = 0; i < Min(itemCount, 16) && count < FILL_CATEGORIES; i++)
	{
		const ItemInfo *item = ItemReaderGet(engine->items, items[i]);

		if (item != NULL && item->category != NULL)
			AddCategory(categories, &count, item->category);
	}
	return count;
}

/* Fill up with what is popular. */
void
EngineFill(Engine *engine, const int64 *items, int itemCount)
{
	text	   *categories[FILL_CATEGORIES];
	int			categoryCount;

	if (engine->pickCount >= engine->n)
		return;
	/* what is offered comes back, whatever it is offered after */
	for (int i = 0; i < itemCount && !engine->hasCandidates; i++)
		KeySetAdd(&engine->excluded, items[i]);
	categoryCount = CollectCategories(engine, items, itemCount, categories);
	for (int i = 0; i < categoryCount && engine->pickCount < engine->n; i++)
	{
		int			left = engine->n - engine->pickCount;
		int			share = (left + categoryCount - i - 1) / (categoryCount - i);

		FillFromList(engine, Trending(engine, categories[i]), REASON_POPULAR_IN, categories[i], share);
	}
	if (engine->pickCount < engine->n)
		FillFromList(engine, Trending(engine, NULL), REASON_TRENDING, NULL, engine->n);
	if (engine->pickCount < engine->n && engine->hasCandidates)
	{
		double		below = engine->pickCount ? engine->picks[engine->pickCount - 1].score : 1;
		EnginePick	pick = {.boost = 1,.reason = REASON_CANDIDATE};
		bool		more = true;

		for (int i = 0; i < engine->candidateCount && more; i++)
		{
			CHECK_FOR_INTERRUPTS();
			pick.itemKey = engine->candidateKeys[i];
			pick.score = below / (i + 2);
			more = EngineOffer(engine, &pick);
		}
	}
	else if (engine->pickCount < engine->n)
		FillFromList(engine, PopularNewest(NewestToRead(engine)), REASON_NEWEST, NULL, engine->n);
}

/* The text of a pick's reason. */
static text *
FormatReason(Engine *engine, const EnginePick *pick)
{
	StringInfoData reason;
	const text *detail = NULL;

	initStringInfo(&reason);
	appendStringInfoString(&reason, reasonNames[pick->reason]);
	switch (pick->reason)
	{
		case REASON_BECAUSE_VIEWED:
		case REASON_SIMILAR_TO:
		case REASON_BOUGHT_WITH:
			detail = FindId(engine, pick->because);
			break;
		case REASON_POPULAR_IN:
			detail = pick->category;
			break;
		default:
			break;
	}
	if (detail != NULL)
	{
		appendStringInfoChar(&reason, ':');
		appendBinaryStringInfo(&reason, VARDATA_ANY(detail), VARSIZE_ANY_EXHDR(detail));
	}
	else if (lackNames[engine->lack] != NULL)
		appendStringInfo(&reason, ":%s", lackNames[engine->lack]);
	return cstring_to_text_with_len(reason.data, reason.len);
}

/* How a pick came about, as JSON. */
static Datum
FormatExplanation(Engine *engine, const EnginePick *pick)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"source\": \"%s\"", reasonNames[pick->reason]);
	if (engine->lack != LACK_NOTHING)
		appendStringInfo(&json, ", \"lack\": \"%s\"", lackNames[engine->lack]);
	if (engine->stale)
		appendStringInfoString(&json, ", \"stale\": true");
	if (engine->explain)
	{
		appendStringInfo(&json, ", \"score\": %.17g, \"boost\": %.17g", pick->score / pick->boost, pick->boost);
		appendStringInfo(&json, ", \"as_of\": ");
		escape_json(&json, EventTimeFormat(engine->now));
		if (pick->reason <= REASON_BOUGHT_WITH)
		{
			text	   *because = FindId(engine, pick->because);

			appendStringInfoString(&json, ", \"because\": ");
			if (because != NULL)
				escape_json(&json, text_to_cstring(because));
			else
				appendStringInfoString(&json, "null");
		}
		if (pick->category != NULL)
		{
			appendStringInfoString(&json, ", \"category\": ");
			escape_json(&json, text_to_cstring(pick->category));
		}
		appendStringInfo(&json, ", \"candidates\": %s, \"filtered\": %s",
						 engine->hasCandidates ? "true" : "false",
						 engine->filter ? "true" : "false");
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* Count the call and what it returns. */
static void
CountCall(const Engine *engine)
{
	int			first = firstMeasure + engine->id * MEASURE_COUNT;
	int			items[REASON_COUNT] = {0};

	CounterAdd(first + MEASURE_CALLS, 1);
	if (engine->pickCount == 0)
		CounterAdd(first + MEASURE_EMPTY, 1);
	if (engine->stale)
		CounterAdd(first + MEASURE_STALE, 1);
	if (engine->lack != LACK_NOTHING)
		CounterAdd(first + MEASURE_LACK + engine->lack - LACK_USER, 1);
	for (int i = 0; i < engine->pickCount; i++)
		items[engine->picks[i].reason]++;
	for (int reason = 0; reason < REASON_COUNT; reason++)
	{
		if (items[reason] > 0)
			CounterAdd(first + MEASURE_REASON + reason, items[reason]);
	}
}

/* A random UUID, version 4. */
static pg_uuid_t *
MakeRequestId(void)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	if (!pg_strong_random(id->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	id->data[6] = (id->data[6] & 0x0f) | 0x40;
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
	return id;
}

/* Return the rows. */
Datum
EngineEnd(Engine *engine)
{
	ReturnSetInfo *output = (ReturnSetInfo *) engine->fcinfo->resultinfo;
	Datum		requestId = UUIDPGetDatum(MakeRequestId());

	for (int i = 0; i < engine->pickCount; i++)
	{
		const EnginePick *pick = &engine->picks[i];
		text	   *id = FindId(engine, pick->itemKey);
		Datum		values[COLUMN_COUNT];
		bool		nulls[COLUMN_COUNT] = {false};

		values[COLUMN_RANK] = Int32GetDatum(i + 1);
		values[COLUMN_ITEM_ID] = PointerGetDatum(id);
		nulls[COLUMN_ITEM_ID] = id == NULL;
		values[COLUMN_ITEM_KEY] = Int64GetDatum(pick->itemKey);
		values[COLUMN_SCORE] = Float8GetDatum(pick->score);
		values[COLUMN_REASON] = PointerGetDatum(FormatReason(engine, pick));
		values[COLUMN_REQUEST_ID] = requestId;
		nulls[COLUMN_EXPLANATION] = !engine->explain && !engine->stale;
		if (!nulls[COLUMN_EXPLANATION])
			values[COLUMN_EXPLANATION] = FormatExplanation(engine, pick);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	ItemReaderEnd(engine->items);
	CountCall(engine);
	return (Datum) 0;
}
