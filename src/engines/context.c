/*
 * context.c
 *		What the parts of one answer share: the question, and how to read.
 *
 * Everything is read under the statement's snapshot.  Ids that the caller gives
 * are remembered, for an item need not be in the catalogue to be answered with.
 */
#include "postgres.h"

#include "engines/context.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/grow.h"
#include "base/json_filter.h"
#include "base/key.h"
#include "base/path_filter.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "funcapi.h"
#include "people/identity.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The key of an id, which is remembered if the key does not tell it. */
int64
ContextKeepId(EngineContext *context, text *id)
{
	int64		key = KeyFromText(id);

	if (KeyIsNumber(key))
		return key;
	GrowArray(context->given, context->givenCount + 1, context->givenCapacity, 16);
	context->given[context->givenCount].key = key;
	context->given[context->givenCount++].id = id;
	context->givenSorted = false;
	return key;
}

/* Order given ids by key. */
static int
CompareGiven(const void *left, const void *right)
{
	int64		a = ((const GivenId *) left)->key;
	int64		b = ((const GivenId *) right)->key;

	return (a > b) - (a < b);
}

/* The id behind a key. */
text *
ContextFindId(EngineContext *context, int64 key)
{
	text	   *id = ItemReaderId(context->items, key);
	GivenId    *given;

	if (id != NULL || context->givenCount == 0)
		return id;
	if (!context->givenSorted)
		qsort(context->given, context->givenCount, sizeof(GivenId), CompareGiven);
	context->givenSorted = true;
	given = bsearch(&key, context->given, context->givenCount, sizeof(GivenId), CompareGiven);
	return given ? given->id : NULL;
}

/* An item's id as a literal, the key if the id is not known. */
char *
ContextQuoteItem(EngineContext *context, int64 key)
{
	text	   *id = ContextFindId(context, key);

	return quote_literal_cstr(id ? text_to_cstring(id) : psprintf(INT64_FORMAT, key));
}

/* The user's id as a literal; user_id comes first of all arguments. */
char *
ContextQuoteUser(const EngineContext *context)
{
	return ContextHasArgument(context, 0) ?
		quote_literal_cstr(TextDatumGetCString(context->fcinfo->args[0].value)) : "NULL";
}

/* The keys of an array of ids, which errors call by its name. */
int
ContextGetKeys(EngineContext *context, int argument, const char *name, int64 **keys)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	*keys = NULL;
	if (!ContextHasArgument(context, argument))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &values, &nulls, &count);
	*keys = palloc_extended(sizeof(int64) * Max(count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		(*keys)[i] = ContextKeepId(context, KeyCheckElement(values[i], nulls[i], name));
	return count;
}

/* The key of the argument item_id. */
int64
ContextGetItemKey(EngineContext *context, int argument)
{
	return ContextKeepId(context, KeyIdArgument(context->fcinfo, argument, "item_id"));
}

/* How many elements an array argument has. */
static int
CountElements(const EngineContext *context, int argument)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	ArrayType  *array;

	if (!ContextHasArgument(context, argument))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

/* How many items are asked for. */
static int
GetCount(const EngineContext *context, const EngineArguments *arguments)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	int			most = arguments->every ? ENGINE_MAX_GIVEN : ENGINE_MAX_ITEMS;
	int			n;

	if (!ContextHasArgument(context, arguments->n) && arguments->every)
		return Max(1, Min(most, CountElements(context, arguments->every)));
	ArgumentCheckGiven(fcinfo, arguments->n, "n");
	n = PG_GETARG_INT32(arguments->n);
	if (n < 1 || n > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n \"%d\" is not between 1 and %d", n, most)));
	return n;
}

/* The time the answer is for. */
static TimestampTz
GetNow(const EngineContext *context, int argument)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	TimestampTz asOf;

	if (!context->hasAsOf)
		return GetCurrentTimestamp();
	asOf = PG_GETARG_TIMESTAMPTZ(argument);
	if (TIMESTAMP_NOT_FINITE(asOf))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must be finite")));
	return asOf;
}

/* The filter; NULL if there is none. */
static JsonPath *
GetFilter(const EngineContext *context, int argument)
{
	FunctionCallInfo fcinfo = context->fcinfo;

	return ContextHasArgument(context, argument) ? PathFilterRead(PG_GETARG_DATUM(argument)) : NULL;
}

/* True if a filter agrees to the item's catalogue row, which is read once for all filters. */
bool
ContextFilterAgrees(EngineContext *context, JsonPath *filter, int64 itemKey)
{
	MemoryContext caller;
	bool		agrees;

	if (context->rowContext == NULL)
		context->rowContext = AllocSetContextCreate(context->context, "personalize filter", ALLOCSET_DEFAULT_SIZES);
	if (context->row == NULL || context->rowKey != itemKey)
	{
		context->row = NULL;
		MemoryContextReset(context->rowContext);
	}
	caller = MemoryContextSwitchTo(context->rowContext);
	if (context->row == NULL)
		context->row = ItemReaderJson(context->items, itemKey, ContextFindId(context, itemKey));
	context->rowKey = itemKey;
	agrees = JsonFilterAgrees(filter, context->row, true);
	MemoryContextSwitchTo(caller);
	return agrees;
}

/* Make a set of an array of keys. */
static void
MakeSet(KeySet *set, const int64 *keys, int count)
{
	KeySetInit(set, count);
	for (int i = 0; i < count; i++)
		KeySetAdd(set, keys[i]);
}

/* The key of the person whose id is an argument. */
int64
ContextUserKey(EngineContext *context, int argument)
{
	if (!context->userRead)
		context->userKey = IdentityKeyArgument(context->fcinfo, argument, "user_id");
	context->userRead = true;
	return context->userKey;
}

/* The variant the caller names, or that of the person at that time. */
static const Variant *
GetVariant(EngineContext *context, const EngineArguments *arguments)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	bool		hasUser = ContextHasArgument(context, arguments->user);

	if (ContextHasArgument(context, arguments->variant))
		return VariantFind(context->engine, text_to_cstring(PG_GETARG_TEXT_PP(arguments->variant)));
	return VariantChoose(context->engine, hasUser,
						 hasUser ? ContextUserKey(context, arguments->user) : 0, context->now,
						 &context->origin.assigned);
}

/* Make ready to read. */
static void
BeginReading(EngineContext *context)
{
	context->snapshot = GetActiveSnapshot();
	context->items = ItemReaderBegin(context->snapshot);
	KeySetInit(&context->shown, context->n);
	context->origin.variant = context->variant->id;
	context->origin.propensity = 1;
}

/* Read the arguments that engines share. */
EngineContext *
ContextBegin(FunctionCallInfo fcinfo, int engine, const EngineArguments *arguments)
{
	EngineContext *context = palloc0(sizeof(EngineContext));
	int64	   *excluded;
	int			excludedCount;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	context->fcinfo = fcinfo;
	context->context = CurrentMemoryContext;
	context->engine = engine;
	context->n = GetCount(context, arguments);
	context->filter = GetFilter(context, arguments->filter);
	context->hasCandidates = ContextHasArgument(context, arguments->candidates);
	context->candidateCount = ContextGetKeys(context, arguments->candidates, arguments->every ? "items" : "candidates",
											 &context->candidateKeys);
	if (context->hasCandidates)
		MakeSet(&context->candidates, context->candidateKeys, context->candidateCount);
	excludedCount = ContextGetKeys(context, arguments->exclude, "exclude", &excluded);
	MakeSet(&context->excluded, excluded, excludedCount);
	context->explain = ContextHasArgument(context, arguments->explain) && PG_GETARG_BOOL(arguments->explain);
	context->hasAsOf = ContextHasArgument(context, arguments->asOf);
	context->now = GetNow(context, arguments->asOf);
	context->variant = GetVariant(context, arguments);
	context->past = context->hasAsOf && context->now < GetCurrentTransactionStartTimestamp();
	BeginReading(context);
	return context;
}

/* A context of no call. */
EngineContext *
ContextBeginPast(const Variant *variant, TimestampTz asOf)
{
	EngineContext *context = palloc0(sizeof(EngineContext));

	context->context = CurrentMemoryContext;
	context->engine = variant->engine;
	context->n = 1;
	MakeSet(&context->excluded, NULL, 0);
	context->hasAsOf = context->past = true;
	context->now = asOf;
	context->variant = variant;
	BeginReading(context);
	return context;
}

/* The neighbours, opened at first use. */
Knn *
ContextKnn(EngineContext *context)
{
	if (context->knn == NULL)
		context->knn = KnnOpen(context->snapshot);
	return context->knn;
}

/* Close what was opened. */
void
ContextEnd(EngineContext *context)
{
	if (context->knn != NULL)
		KnnClose(context->knn);
	ItemReaderEnd(context->items);
}
