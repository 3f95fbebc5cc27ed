/*
 * signal_test.c
 *		test_signal(): what a definition would count, without defining anything.
 *
 * The definition is checked and compiled as create_signal does it and run over the
 * events that came last, in memory alone.  What does not count is told with why, for
 * a definition that counts nothing is the usual mistake.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "base/argument.h"
#include "base/choice.h"
#include "base/key.h"
#include "base/key_set.h"
#include "base/number.h"
#include "base/spi_util.h"
#include "catalog/pg_type_d.h"
#include "common/int.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/identity.h"
#include "people/policy.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "signals/feature_value.h"
#include "signals/signal_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_test_signal);

#define MAX_SAMPLE 10000000
#define MAX_VALUES 1000
#define MAX_PEOPLE 5

/* Arguments, in order. */
typedef enum TestArgument
{
	ARGUMENT_DEFINITION,
	ARGUMENT_USER,
	ARGUMENT_SAMPLE,
	ARGUMENT_PURPOSE
} TestArgument;

/* What becomes of an event. */
typedef enum Outcome
{
	OUTCOME_COUNTED,
	OUTCOME_NO_VALUE,
	OUTCOME_FILTERED,
	OUTCOME_NOT_ALLOWED,
	OUTCOME_TOO_LARGE,
	OUTCOME_OTHER_EVENT
} Outcome;

static const char *const outcomeNames[] = {
	"counted", "no value", "filtered out", "not allowed", "number too large", "other event"
};

/* The types that a definition's members are read as. */
static const Oid memberTypes[SIGNAL_ARGUMENTS] = {
	TEXTOID, TEXTARRAYOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, INTERVALARRAYOID, INTERVALOID,
	TEXTARRAYOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID
};

/* What was counted of a value, or why nothing was. */
typedef struct Tally
{
	uint64		key;			/* hash key, first: a feature's, or an outcome */
	Outcome		outcome;
	text	   *value;
	int64		events;
	int64		sum;
	TimestampTz first;
	TimestampTz last;
	KeySet		people;
} Tally;

/* A dry run. */
typedef struct Test
{
	const SignalSet *set;
	const Signal *signal;
	SignalScope scope;
	HTAB	   *tallies;
	MemoryContext context;		/* of what they hold */
	const EventRow *row;
	bool		counted;		/* the event at hand */
	int32		purpose;		/* in force */
	bool		ofUser;			/* one person's events alone */
} Test;

/* Complain of a member. */
pg_noreturn static void
ReportMember(const char *name, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" of the definition is not %s", name, expected),
			 errhint("A definition is a JSON object of the arguments of create_signal().")));
}

/* Strings of a JSON array as an array of a type. */
static Datum
ReadStrings(const char *name, const JsonbValue *value, Oid type)
{
	Jsonb	   *list;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;
	Datum	   *strings;
	int			count = 0;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		ReportMember(name, "a JSON array of strings");
	list = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	strings = palloc_array(Datum, JB_ROOT_COUNT(list) + 1);
	iterator = JsonbIteratorInit(&list->root);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		char	   *string;

		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			ReportMember(name, "a JSON array of strings");
		string = pnstrdup(element.val.string.val, element.val.string.len);
		strings[count++] = type == TEXTARRAYOID ? CStringGetTextDatum(string) :
			DirectFunctionCall3(interval_in, CStringGetDatum(string), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	return PointerGetDatum(type == TEXTARRAYOID ?
						   construct_array(strings, count, TEXTOID, -1, false, TYPALIGN_INT) :
						   construct_array(strings, count, INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE));
}

/* A member as the argument it stands for. */
static Datum
ReadMember(const char *name, const JsonbValue *value, Oid type)
{
	char	   *string;

	if (type == TEXTARRAYOID || type == INTERVALARRAYOID)
		return ReadStrings(name, value, type);
	if (type == JSONBOID)
		return JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
	if (value->type != jbvString)
		ReportMember(name, "a JSON string");
	string = pnstrdup(value->val.string.val, value->val.string.len);
	if (type == INTERVALOID)
		return DirectFunctionCall3(interval_in, CStringGetDatum(string), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return CStringGetTextDatum(string);
}

/* Put the members of a definition in the places of create_signal's arguments. */
static void
ReadMembers(Jsonb *definition, FunctionCallInfo call)
{
	JsonbIterator *iterator = JsonbIteratorInit(&definition->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *name;
		int			place;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		place = ChoiceFind(name, SignalArgumentNames, SIGNAL_ARGUMENTS);
		if (place < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is nothing that a definition has", name),
					 errhint("%s", ChoiceHint(name, "members", SignalArgumentNames, SIGNAL_ARGUMENTS))));
		(void) JsonbIteratorNext(&iterator, &value, true);
		call->args[place].isnull = value.type == jbvNull;
		if (value.type != jbvNull)
			call->args[place].value = ReadMember(name, &value, memberTypes[place]);
	}
}

/* Give what a definition leaves out the defaults of create_signal. */
static void
SetDefaults(FunctionCallInfo call)
{
	static const char *const defaults = "{\"periods\": [\"1 day\", \"7 days\", \"30 days\"], \"half_life\": \"14 days\", \"aggregates\": [\"count\", \"sum\"]}";

	for (int i = 0; i < SIGNAL_ARGUMENTS; i++)
		call->args[i].isnull = true;
	ReadMembers(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(defaults))), call);
}

/* Compile the definition. */
static const SignalSet *
CompileDefinition(FunctionCallInfo fcinfo, SignalScope *scope)
{
	LOCAL_FCINFO(call, SIGNAL_ARGUMENTS);
	Jsonb	   *definition;
	Datum		values[SIGNAL_ROW_COLUMNS];
	bool		nulls[SIGNAL_ROW_COLUMNS];
	SignalSet  *set;

	ArgumentCheckGiven(fcinfo, ARGUMENT_DEFINITION, "definition");
	definition = PG_GETARG_JSONB_P(ARGUMENT_DEFINITION);
	if (!JB_ROOT_IS_OBJECT(definition))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("definition must be a JSON object of the arguments of create_signal()"),
				 errhint("Write {\"events\": [\"view_item\"], \"key_path\": \"item.category\"}.")));
	InitFunctionCallInfoData(*call, NULL, SIGNAL_ARGUMENTS, InvalidOid, NULL, NULL);
	SetDefaults(call);
	ReadMembers(definition, call);
	if (call->args[ARGUMENT_KEY_PATH].isnull)
		ReportMember("key_path", "given");
	*scope = SignalDefineTry(call, values, nulls);
	set = SignalSetMake(values, nulls);
	set->signals[0].path.phrase = *scope == SIGNAL_SCOPE_QUERY;
	return set;
}

/* The purpose in force, which must see what the signal would count; 0 if denial is silent. */
static int32
CheckPurpose(FunctionCallInfo fcinfo, const Signal *signal)
{
	int32		purpose = PolicyPurpose(PG_ARGISNULL(ARGUMENT_PURPOSE) ? NULL : PG_GETARG_TEXT_PP(ARGUMENT_PURPOSE));
	PurposeCatalogue *purposes;

	if (purpose == 0 || (signal->purposes & purpose) != 0)
		return purpose;
	if (PolicyIsSilent())
		return 0;
	purposes = PurposeCatalogueNow();
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the signal would not be counted for purpose \"%s\"", PurposeFormatMask(purpose, purposes)),
			 errdetail("It would be counted for: %s.", PurposeFormatMask(signal->purposes, purposes)),
			 errhint("Set personalize.purpose to one of these.")));
	return 0;
}

/* Add the event at hand to a tally. */
static void
AddTo(Test *test, Outcome outcome, uint64 key, int64 sum, const char *string, int length)
{
	bool		found;
	Tally	   *tally = hash_search(test->tallies, &key, HASH_ENTER, &found);
	const EventRow *row = test->row;

	if (!found)
	{
		MemoryContext caller = MemoryContextSwitchTo(test->context);

		tally->outcome = outcome;
		tally->value = string ? cstring_to_text_with_len(string, length) : NULL;
		tally->events = tally->sum = 0;
		tally->first = DT_NOEND;
		tally->last = DT_NOBEGIN;
		KeySetInit(&tally->people, 8);
		MemoryContextSwitchTo(caller);
	}
	tally->events++;
	if (pg_add_s64_overflow(tally->sum, sum, &tally->sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the sum of a value's weights is out of range")));
	tally->first = Min(tally->first, row->ts);
	tally->last = Max(tally->last, row->ts);
	(void) KeySetAdd(&tally->people, row->userKey);
}

/* A value that the signal would count. */
static void
CountValue(void *arg, uint64 featureKey, int64 sum, const char *string, int length)
{
	Test	   *test = arg;

	test->counted = true;
	AddTo(test, OUTCOME_COUNTED, featureKey, sum, string, length);
}

/* True if the event may be used for the signal, and looked at for the purpose in force. */
static bool
IsAllowed(const Test *test, const EventRow *row)
{
	int32		needed = test->signal->purposes | test->purpose;

	return (row->consent & needed) == needed && (needed & RestrictionOf(row->userKey)) == 0;
}

/* Try the signal on an event. */
static void
TryEvent(void *arg, const EventRow *row, ItemReader *items)
{
	Test	   *test = arg;
	const SignalEvent *event = row->event < test->set->eventLimit ? &test->set->events[row->event] : NULL;
	Outcome		outcome = OUTCOME_NO_VALUE;

	test->row = row;
	test->counted = false;
	if (!IsAllowed(test, row))
		outcome = OUTCOME_NOT_ALLOWED;
	else if (event == NULL || event->useCount == 0)
		outcome = OUTCOME_OTHER_EVENT;
	else if (test->scope != SIGNAL_SCOPE_USER && test->scope != SIGNAL_SCOPE_QUERY && !row->hasItem)
		outcome = OUTCOME_NO_VALUE;
	else if (!SignalPassesFilter(test->signal, row))
		outcome = OUTCOME_FILTERED;
	else if (!SignalEvaluate(event, row, items, CountValue, test))
		outcome = OUTCOME_TOO_LARGE;
	if (!test->counted)
		AddTo(test, outcome, outcome, 0, NULL, 0);
}

/* How many events there are to look at. */
static int64
CountEvents(EventScanOptions options)
{
	EventScan  *scan;
	EventRow	row;
	int64		count = 0;

	options.keysOnly = true;
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		count++;
	}
	EventScanEnd(scan);
	return count;
}

/* Look at the newest events. */
void
SignalSampleVisit(const EventScanOptions *options, int64 sample, SignalSee see, void *arg)
{
	int64		older = CountEvents(*options) - sample;
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "personalize event", ALLOCSET_DEFAULT_SIZES);
	ItemReader *items = ItemReaderBegin(options->snapshot);
	EventScan  *scan = EventScanBegin(options);
	EventRow	event;

	while (EventScanNext(scan, &event))
	{
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (older-- > 0)
			continue;
		caller = MemoryContextSwitchTo(row);
		see(arg, &event, items);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	EventScanEnd(scan);
	ItemReaderEnd(items);
	MemoryContextDelete(row);
}

/* Order tallies: what counts first, that of most events first. */
static int
CompareTallies(const void *left, const void *right)
{
	const Tally *a = *(Tally *const *) left;
	const Tally *b = *(Tally *const *) right;

	if (a->outcome != b->outcome)
		return (int) a->outcome - (int) b->outcome;
	if (a->events != b->events)
		return a->events > b->events ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

/* Some of the people of a tally, as an array of ids. */
static Datum
ExamplePeople(const Tally *tally)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		keys[MAX_PEOPLE];
	Datum		values[1];
	uint64		place = 0;
	int64		key;
	int			count = 0;
	bool		isNull;

	while (count < MAX_PEOPLE && KeySetNext(&tally->people, &place, &key))
		keys[count++] = Int64GetDatum(key);
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilRun(&plan, "SELECT array_agg(coalesce(s.user_id, k.key::text) ORDER BY s.user_id, k.key)"
			   " FROM unnest($1) AS k (key) LEFT JOIN personalize.subject s ON s.user_key = k.key",
			   lengthof(types), types, values, NULL, true);
	return SpiUtilValue(0, 1, &isNull);
}

/* Return a tally as a row. */
static void
PutTally(ReturnSetInfo *output, const Test *test, const Tally *tally, Snapshot snapshot)
{
	bool		counts = tally->outcome == OUTCOME_COUNTED;
	text	   *value = tally->value;
	Datum		values[8];
	bool		nulls[8] = {false};

	/* an item's text is its id */
	if (counts && value == NULL)
		value = FeatureValueText(test->signal, FeatureKeyHash(tally->key), snapshot);
	values[0] = CStringGetTextDatum(outcomeNames[tally->outcome]);
	nulls[1] = value == NULL;
	values[1] = PointerGetDatum(value);
	values[2] = Int64GetDatum(tally->people.count);
	values[3] = Int64GetDatum(tally->events);
	nulls[4] = !counts;
	values[4] = NumberOfMillionths(tally->sum);
	/* of what is not allowed, no more than how much there is */
	nulls[5] = nulls[6] = tally->outcome == OUTCOME_NOT_ALLOWED;
	values[5] = TimestampTzGetDatum(tally->first);
	values[6] = TimestampTzGetDatum(tally->last);
	nulls[7] = !counts;
	values[7] = counts ? ExamplePeople(tally) : (Datum) 0;
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* Return all tallies. */
static void
PutTallies(ReturnSetInfo *output, const Test *test, Snapshot snapshot)
{
	Tally	  **order = palloc_extended(sizeof(Tally *) * (hash_get_num_entries(test->tallies) + 1), MCXT_ALLOC_HUGE);
	HASH_SEQ_STATUS sequence;
	Tally	   *tally;
	int64		count = 0;
	int64		counted = 0;
	SpiUtilScope scope;

	FeatureValueTrimCache();
	hash_seq_init(&sequence, test->tallies);
	while ((tally = hash_seq_search(&sequence)) != NULL)
		order[count++] = tally;
	qsort(order, count, sizeof(Tally *), CompareTallies);
	SpiUtilBegin(&scope);
	for (int64 i = 0; i < count; i++)
	{
		/* that one person has such events is for those to know who may see them */
		if (test->ofUser && order[i]->outcome == OUTCOME_NOT_ALLOWED)
			continue;
		if (order[i]->outcome != OUTCOME_COUNTED || counted++ < MAX_VALUES)
			PutTally(output, test, order[i], snapshot);
	}
	SpiUtilEnd(&scope);
}

/* How many events to look at. */
int64
SignalSampleArgument(FunctionCallInfo fcinfo, int argument)
{
	ArgumentCheckGiven(fcinfo, argument, "sample");
	if (PG_GETARG_INT32(argument) < 1 || PG_GETARG_INT32(argument) > MAX_SAMPLE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample must be between 1 and %d events, but is %d", MAX_SAMPLE, PG_GETARG_INT32(argument))));
	return PG_GETARG_INT32(argument);
}

/* test_signal(definition, user_id, sample, purpose): what a definition would count. */
Datum
personalize_test_signal(PG_FUNCTION_ARGS)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Tally),.hcxt = CurrentMemoryContext};
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.allDays = true,.ofUser = !PG_ARGISNULL(ARGUMENT_USER)};
	int64		sample = SignalSampleArgument(fcinfo, ARGUMENT_SAMPLE);
	Test		test = {.context = CurrentMemoryContext};

	test.set = CompileDefinition(fcinfo, &test.scope);
	test.signal = &test.set->signals[0];
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	test.purpose = CheckPurpose(fcinfo, test.signal);
	if (test.purpose == 0)
		return (Datum) 0;
	test.ofUser = options.ofUser;
	if (options.ofUser)
		options.userKey = IdentityKeyArgument(fcinfo, ARGUMENT_USER, "user_id");
	test.tallies = hash_create("personalize test", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	SignalSampleVisit(&options, sample, TryEvent, &test);
	PutTallies((ReturnSetInfo *) fcinfo->resultinfo, &test, options.snapshot);
	return (Datum) 0;
}
