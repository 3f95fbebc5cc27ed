/*
 * feature_read.c
 *		The readers of feature views: get_features(), get_features_batch(),
 *		explain_features().
 *
 * A person's profile is loaded once for all features of a view, with the events that
 * the processor has not reached.
 */
#include "postgres.h"

#include "features/feature_evaluate.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/key_set.h"
#include "base/stored_row.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/identity.h"
#include "people/policy.h"
#include "people/purpose.h"
#include "profiles/segment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_get_features);
PG_FUNCTION_INFO_V1(personalize_get_features_batch);
PG_FUNCTION_INFO_V1(personalize_explain_features);

/* Arguments of the readers, in order. */
typedef enum ReadArgument
{
	ARGUMENT_USER,
	ARGUMENT_VIEW,
	ARGUMENT_REQUEST,
	ARGUMENT_ITEM,
	ARGUMENT_AS_OF,
	ARGUMENT_PURPOSE
} ReadArgument;

static const char *const statusNames[] = {"present", "nothing", "expired", "denied", "unknown"};

/* A reader at work. */
typedef struct Reader
{
	const FeatureView *view;
	ProfileView *profile;		/* NULL: none is loaded */
	ItemReader *items;			/* NULL: none is needed */
	KeyedTable *identities;		/* NULL: nobody has several ids, or it is about no person */
	FeatureContext context;
} Reader;

/* The view argument. */
static const FeatureView *
ViewArgument(FunctionCallInfo fcinfo)
{
	ArgumentCheckGiven(fcinfo, ARGUMENT_VIEW, "view");
	return FeatureViewFind(text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_VIEW)));
}

/* Begin to read for the arguments. */
static void
BeginReader(FunctionCallInfo fcinfo, Reader *reader)
{
	FeatureContext *context = &reader->context;

	memset(reader, 0, sizeof(Reader));
	reader->view = ViewArgument(fcinfo);
	context->snapshot = GetActiveSnapshot();
	context->signals = SignalSetGet();
	context->now = PG_ARGISNULL(ARGUMENT_AS_OF) ? ClockNow() : PG_GETARG_TIMESTAMPTZ(ARGUMENT_AS_OF);
	if (TIMESTAMP_NOT_FINITE(context->now))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must be finite"),
				 errhint("Leave it NULL for now.")));
	if (!PG_ARGISNULL(ARGUMENT_REQUEST))
	{
		context->request = PG_GETARG_JSONB_P(ARGUMENT_REQUEST);
		if (!JB_ROOT_IS_OBJECT(context->request))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("request must be a JSON object of names and values")));
	}
	if (reader->view->usesPerson)
		context->purposes = PolicyPurpose(PG_ARGISNULL(ARGUMENT_PURPOSE) ? NULL : PG_GETARG_TEXT_PP(ARGUMENT_PURPOSE));
	if (reader->view->usesItem)
		reader->items = ItemReaderBegin(context->snapshot);
	if (reader->view->usesPerson)
		reader->identities = IdentityOpen();
}

/* End it. */
static void
EndReader(Reader *reader)
{
	if (reader->items != NULL)
		ItemReaderEnd(reader->items);
	if (reader->identities != NULL)
		KeyedClose(reader->identities);
}

/* Read an item. */
static void
LoadItem(Reader *reader, text *itemId)
{
	FeatureContext *context = &reader->context;

	context->item = NULL;
	if (itemId != NULL && reader->items != NULL)
		context->item = ItemReaderJson(reader->items, KeyFromText(itemId), itemId);
}

/* Read what is counted of something that is no person. */
static void
LoadCounted(Reader *reader, text *id)
{
	FeatureContext *context = &reader->context;

	if (reader->view->entity == FEATURE_ENTITY_ITEM)
		LoadItem(reader, id);
	context->counters = FeatureCountersLoad(reader->view, id, KeyFromText(id), context->now, context->snapshot);
}

/* Load the person whose id this is. */
static void
LoadPerson(Reader *reader, const text *id)
{
	FeatureContext *context = &reader->context;
	int64		userKey = KeyFromText(id);
	Person		person;
	StoredRow	row;

	if (!reader->view->usesPerson)
		return;
	if (reader->identities != NULL && IdentityRead(reader->identities, userKey, context->snapshot, &person))
		userKey = person.userKey;
	reader->profile = ProfileLoad(userKey, context->purposes);
	context->signals = reader->profile->signals;
	context->restricted = reader->profile->restricted;
	context->features = NULL;	/* it went with the person before */
	StoredRowBegin(&row, STORED_PROFILE, &userKey);
	FeatureContextSetState(context, reader->profile->features);
	StoredRowEnd(&row);
	context->steps = reader->profile->steps;
}

/* The id argument of what a view is about: people and items have ids, anything else is called as it is. */
static text *
EntityArgument(FunctionCallInfo fcinfo, const Reader *reader)
{
	FeatureEntity entity = reader->view->entity;

	if (entity == FEATURE_ENTITY_USER || entity == FEATURE_ENTITY_ITEM)
		return KeyIdArgument(fcinfo, ARGUMENT_USER, "user_id");
	return PG_GETARG_TEXT_PP(ARGUMENT_USER);
}

/* The item of the request; NULL: none is given. */
static text *
ItemArgument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(ARGUMENT_ITEM) ? NULL : KeyIdArgument(fcinfo, ARGUMENT_ITEM, "item_id");
}

/* Load whom the view is about. */
static void
LoadEntity(Reader *reader, text *id, text *itemId)
{
	if (reader->view->entity != FEATURE_ENTITY_USER)
	{
		LoadCounted(reader, id);
		return;
	}
	LoadItem(reader, itemId);
	LoadPerson(reader, id);
}

/* Complain of an item that is not the view's own. */
static void
CheckItemArgument(FunctionCallInfo fcinfo, const Reader *reader, const char *name)
{
	if (!PG_ARGISNULL(ARGUMENT_ITEM) && reader->view->entity == FEATURE_ENTITY_ITEM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is given, but feature view \"%s\" is of items", name, reader->view->name),
				 errhint("Give the items in the place of the users.")));
	if (!PG_ARGISNULL(ARGUMENT_ITEM) && reader->view->entity != FEATURE_ENTITY_USER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is given, but feature view \"%s\" has entity \"%s\"", name, reader->view->name,
						FeatureEntityName(reader->view->entity)),
				 errhint("Views of users alone are read with an item.")));
}

/* All features as JSON; damage of the profile names its row. */
static Jsonb *
ReadJson(Reader *reader)
{
	StoredRow	row = {0};
	Jsonb	   *json;

	if (reader->profile != NULL)
		StoredRowBegin(&row, STORED_PROFILE, &reader->profile->userKey);
	json = FeatureEvaluateJson(reader->view, &reader->context);
	if (reader->profile != NULL)
		StoredRowEnd(&row);
	return json;
}

/* get_features(user_id, view, request, item_id, as_of, purpose) */
Datum
personalize_get_features(PG_FUNCTION_ARGS)
{
	Reader		reader;
	Jsonb	   *json;

	ArgumentCheckGiven(fcinfo, ARGUMENT_USER, "user_id");
	BeginReader(fcinfo, &reader);
	CheckItemArgument(fcinfo, &reader, "item_id");
	LoadEntity(&reader, EntityArgument(fcinfo, &reader), ItemArgument(fcinfo));
	json = ReadJson(&reader);
	EndReader(&reader);
	PG_RETURN_JSONB_P(json);
}

/* The ids, or names, of an array argument; none may be null. */
static Datum *
IdsArgument(FunctionCallInfo fcinfo, int argument, const char *name, bool areIds, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
	Datum	   *ids;
	bool	   *nulls;

	/* entity_id or text: bytes of the same form */
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &ids, &nulls, count);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not have null elements, but number %d is", name, i + 1)));
		if (areIds)
			(void) KeyCheckElement(ids[i], false, name);
	}
	return ids;
}

/* The items of a batch, one for each id; NULL: none are given. */
static Datum *
ItemsArgument(FunctionCallInfo fcinfo, int expected)
{
	Datum	   *items;
	int			count;

	if (PG_ARGISNULL(ARGUMENT_ITEM))
		return NULL;
	items = IdsArgument(fcinfo, ARGUMENT_ITEM, "item_ids", true, &count);
	if (count != expected)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("item_ids has %d elements, but user_ids has %d", count, expected),
				 errhint("The first item belongs to the first user, and so on; say a user once for each item.")));
	return items;
}

/* True if two texts are the same. */
static bool
IsSame(text *left, text *right)
{
	return VARSIZE_ANY_EXHDR(left) == VARSIZE_ANY_EXHDR(right) &&
		memcmp(VARDATA_ANY(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(left)) == 0;
}

/* An id of a batch. */
typedef struct BatchId
{
	int64		key;
	int			place;
} BatchId;

/* Order ids by key. */
static int
CompareIds(const void *left, const void *right)
{
	const BatchId *a = left;
	const BatchId *b = right;

	return a->key < b->key ? -1 : a->key > b->key;
}

/* Ids by key, and the set of their keys. */
static BatchId *
SortIds(Datum *ids, int count, KeySet *keys)
{
	BatchId    *sorted = palloc_array(BatchId, Max(count, 1));

	KeySetInit(keys, count);
	for (int i = 0; i < count; i++)
	{
		sorted[i] = (BatchId) {KeyFromText(DatumGetTextPP(ids[i])), i};
		(void) KeySetAdd(keys, sorted[i].key);
	}
	qsort(sorted, count, sizeof(BatchId), CompareIds);
	return sorted;
}

/* The features of many categories, brands or tags, whose counters are read in one pass. */
static void
PutShared(Reader *reader, Datum *ids, int count, ReturnSetInfo *output)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext entity = AllocSetContextCreate(caller, "personalize entity", ALLOCSET_DEFAULT_SIZES);
	Datum	   *answers = palloc_array(Datum, Max(count, 1));
	KeySet		keys;
	BatchId    *sorted = SortIds(ids, count, &keys);
	FeatureGathering *gathering = FeatureGatheringBegin(reader->view, &keys, reader->context.now, false,
														reader->context.snapshot);

	for (int i = 0; i < count; i++)
	{
		if (i == 0 || sorted[i].key != sorted[i - 1].key)
		{
			MemoryContextReset(entity);
			MemoryContextSwitchTo(entity);
			reader->context.counters = FeatureGatheringRead(gathering, sorted[i].key);
			MemoryContextSwitchTo(caller);
		}
		answers[sorted[i].place] = JsonbPGetDatum(FeatureEvaluateJson(reader->view, &reader->context));
		CHECK_FOR_INTERRUPTS();
	}
	FeatureGatheringEnd(gathering);
	for (int i = 0; i < count; i++)
		tuplestore_putvalues(output->setResult, output->setDesc, (Datum[]) {Int32GetDatum(i + 1), ids[i], answers[i]},
							 (bool[]) {false, false, false});
	MemoryContextDelete(entity);
}

/* get_features_batch(user_ids, view, request, item_ids, as_of, purpose): in the order asked. */
Datum
personalize_get_features_batch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext person = AllocSetContextCreate(caller, "personalize person", ALLOCSET_DEFAULT_SIZES);
	MemoryContext row = AllocSetContextCreate(caller, "personalize features", ALLOCSET_DEFAULT_SIZES);
	Reader		reader;
	Datum	   *ids;
	Datum	   *items;
	int			count;

	ArgumentCheckGiven(fcinfo, ARGUMENT_USER, "user_ids");
	BeginReader(fcinfo, &reader);
	CheckItemArgument(fcinfo, &reader, "item_ids");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ids = IdsArgument(fcinfo, ARGUMENT_USER, "user_ids",
					  reader.view->entity == FEATURE_ENTITY_USER || reader.view->entity == FEATURE_ENTITY_ITEM, &count);
	items = ItemsArgument(fcinfo, count);
	if (FeatureEntityIsShared(reader.view->entity))
		PutShared(&reader, ids, count, output);
	for (int i = 0; i < count && !FeatureEntityIsShared(reader.view->entity); i++)
	{
		text	   *id = DatumGetTextPP(ids[i]);
		Datum		values[3] = {Int32GetDatum(i + 1), ids[i]};
		bool		nulls[3] = {false};

		/* many items of one person are many rows of one profile */
		if (reader.view->entity == FEATURE_ENTITY_USER && (i == 0 || !IsSame(id, DatumGetTextPP(ids[i - 1]))))
		{
			MemoryContextReset(person);
			MemoryContextSwitchTo(person);
			LoadPerson(&reader, id);
		}
		MemoryContextSwitchTo(row);
		if (reader.view->entity != FEATURE_ENTITY_USER)
			LoadCounted(&reader, id);
		else
			LoadItem(&reader, items ? DatumGetTextPP(items[i]) : NULL);
		values[2] = JsonbPGetDatum(ReadJson(&reader));
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
		CHECK_FOR_INTERRUPTS();
	}
	EndReader(&reader);
	MemoryContextDelete(person);
	MemoryContextDelete(row);
	return (Datum) 0;
}

/* What a feature is made from, collected over its parts. */
typedef struct Lineage
{
	const FeatureContext *context;
	FeatureEntity entity;
	int			sourceCount;
	Datum		sources[GRAMMAR_MAX_PARTS];
	int32		purposes;
	TimestampTz completeSince;	/* DT_NOBEGIN: from the first event on */
} Lineage;

/* Note where a part comes from. */
static void
AddSource(const FeatureNode *node, void *arg)
{
	Lineage    *lineage = arg;
	char	   *source = "constant";

	if (node->kind == FEATURE_SIGNAL)
	{
		const Signal *signal = FeatureSignal(node, lineage->context->signals);

		source = signal ? psprintf("signal %s, definition %d", signal->name, signal->id) :
			psprintf("signal %s, which is dropped or disabled", node->term.signal);
		lineage->purposes |= signal ? signal->purposes : 0;
		lineage->completeSince = signal ? Max(lineage->completeSince, signal->completeSince) : lineage->completeSince;
	}
	else if (node->kind == FEATURE_SEGMENT)
	{
		const Segment *segment = FeatureSegment(node);

		source = segment ? psprintf("segment %s, definition %d", segment->name, segment->id) :
			psprintf("segment %s, which is dropped", node->name);
		lineage->purposes |= segment ? segment->purposes : 0;
	}
	else if (node->kind == FEATURE_ITEM_EVENTS && FeatureScopedSignal(node->name, lineage->entity, lineage->context->signals) != NULL)
		source = psprintf("signal %s, definition %d, out of %s", node->name,
						  FeatureScopedSignal(node->name, lineage->entity, lineage->context->signals)->id,
						  lineage->entity == FEATURE_ENTITY_QUERY ? "search_stat" : "item_stat");
	else if (node->kind != FEATURE_NUMBER)
		source = node->kind == FEATURE_REQUEST ? "request" : node->kind == FEATURE_ITEM ? "catalogue" :
			lineage->entity == FEATURE_ENTITY_QUERY ? "search_stat" : "item_stat";
	lineage->sources[lineage->sourceCount++] = CStringGetTextDatum(source);
}

/* Columns of explain_features, in order. */
typedef enum ExplainColumn
{
	EXPLAIN_FEATURE,
	EXPLAIN_EXPRESSION,
	EXPLAIN_VERSION,
	EXPLAIN_TYPE,
	EXPLAIN_VALUE,
	EXPLAIN_STATUS,
	EXPLAIN_SOURCES,
	EXPLAIN_EVENTS,
	EXPLAIN_PANES,
	EXPLAIN_LAST_EVENT,
	EXPLAIN_COMPLETE_SINCE,
	EXPLAIN_PURPOSES,
	EXPLAIN_ALLOWED,
	EXPLAIN_TAIL_EVENTS,
	EXPLAIN_STALE,
	EXPLAIN_ERROR,
	EXPLAIN_SHORT_BY
} ExplainColumn;
#define EXPLAIN_COLUMNS 17

/* A length of time. */
static Interval *
MakeInterval(int64 length)
{
	Interval   *interval = palloc0_object(Interval);

	interval->day = (int32) (length / USECS_PER_DAY);
	interval->time = length % USECS_PER_DAY;
	return interval;
}

/* Explain one feature. */
static void
ExplainFeature(const Reader *reader, const FeatureDefinition *feature, Datum *values, bool *nulls)
{
	const FeatureContext *context = &reader->context;
	FeatureValue value = FeatureEvaluate(reader->view, feature->node, context);
	JsonbValue	json = FeatureValueJson(feature->node->type, &value);
	Lineage		lineage = {.context = context,.entity = reader->view->entity,.completeSince = DT_NOBEGIN};

	FeatureEach(feature->node, AddSource, &lineage);
	values[EXPLAIN_FEATURE] = CStringGetTextDatum(feature->name);
	values[EXPLAIN_EXPRESSION] = CStringGetTextDatum(feature->expression);
	values[EXPLAIN_VERSION] = Int32GetDatum(reader->view->version);
	values[EXPLAIN_TYPE] = CStringGetTextDatum(FeatureTypeName(feature->node->type));
	nulls[EXPLAIN_VALUE] = value.isNull;
	values[EXPLAIN_VALUE] = value.isNull ? (Datum) 0 : JsonbPGetDatum(JsonbValueToJsonb(&json));
	values[EXPLAIN_STATUS] = CStringGetTextDatum(statusNames[value.status]);
	values[EXPLAIN_SOURCES] = PointerGetDatum(construct_array(lineage.sources, lineage.sourceCount, TEXTOID, -1, false,
															  TYPALIGN_INT));
	values[EXPLAIN_EVENTS] = Int64GetDatum(value.events);
	values[EXPLAIN_PANES] = Int64GetDatum(value.panes);
	nulls[EXPLAIN_LAST_EVENT] = value.last == DT_NOBEGIN;
	values[EXPLAIN_LAST_EVENT] = TimestampTzGetDatum(value.last);
	nulls[EXPLAIN_COMPLETE_SINCE] = lineage.completeSince == DT_NOBEGIN;
	values[EXPLAIN_COMPLETE_SINCE] = TimestampTzGetDatum(lineage.completeSince);
	values[EXPLAIN_PURPOSES] = PurposeMaskToArray(lineage.purposes, PurposeCatalogueNow());
	values[EXPLAIN_ALLOWED] = BoolGetDatum(value.status != FEATURE_DENIED);
	values[EXPLAIN_TAIL_EVENTS] = Int64GetDatum(reader->profile ? reader->profile->tailEvents : 0);
	values[EXPLAIN_STALE] = BoolGetDatum(reader->profile && reader->profile->stale);
	nulls[EXPLAIN_ERROR] = value.isNull || value.error == 0;
	values[EXPLAIN_ERROR] = Float8GetDatum(value.error);
	nulls[EXPLAIN_SHORT_BY] = value.shortBy == 0;
	values[EXPLAIN_SHORT_BY] = IntervalPGetDatum(MakeInterval(value.shortBy));
}

/* explain_features(user_id, view, request, item_id, as_of, purpose): where each value comes from. */
Datum
personalize_explain_features(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Reader		reader;

	ArgumentCheckGiven(fcinfo, ARGUMENT_USER, "user_id");
	BeginReader(fcinfo, &reader);
	CheckItemArgument(fcinfo, &reader, "item_id");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	reader.context.explains = true;
	LoadEntity(&reader, EntityArgument(fcinfo, &reader), ItemArgument(fcinfo));
	for (int i = 0; i < reader.view->count; i++)
	{
		Datum		values[EXPLAIN_COLUMNS];
		bool		nulls[EXPLAIN_COLUMNS] = {false};

		ExplainFeature(&reader, &reader.view->features[i], values, nulls);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	EndReader(&reader);
	return (Datum) 0;
}
