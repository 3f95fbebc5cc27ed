/*
 * outcome.c
 *		Who met the variants of an experiment, and what they did.
 *
 * Exposures are read once in the order they lie, and a person is looked up, and assigned
 * to a variant, once.  If there are more people than memory for them, those of the upper
 * half of all keys are let go and have a round of their own, which reads the tables again.
 * The raw events are read only for metrics of signals.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/interval.h"
#include "base/key_set.h"
#include "base/keyed.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "experiments/experiment.h"
#include "experiments/signal_metric.h"
#include "exposures/request_id.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_experiment_outcomes);

/* What is returned of answers by another variant than the person's. */
#define OTHER_ARM (-1)

/* Arguments of _experiment_outcomes(); src/experiments/result.sql. */
typedef enum OutcomeArgument
{
	ARGUMENT_EXPERIMENT,
	ARGUMENT_FIRST_ORIGIN,
	ARGUMENT_END_ORIGIN,
	ARGUMENT_SINCE,
	ARGUMENT_UNTIL,
	ARGUMENT_AS_OF,
	ARGUMENT_KINDS,
	ARGUMENT_CURRENCIES,
	ARGUMENT_WITHIN,
	ARGUMENT_BEFORE,
	ARGUMENT_TOP,
	ARGUMENT_SIGNALS,
	ARGUMENT_VALUES,
	ARGUMENT_SUMS
} OutcomeArgument;

/* Columns of its rows. */
typedef enum OutcomeColumn
{
	OUTCOME_METRIC,
	OUTCOME_ORDINAL,
	OUTCOME_USER_KEY,
	OUTCOME_AMOUNT,
	OUTCOME_BEFORE,
	OUTCOME_USERS,
	OUTCOME_EXPOSURES
} OutcomeColumn;
#define OUTCOME_COLUMNS (OUTCOME_EXPOSURES + 1)

/* Columns of exposure, and of exposure_outcome; src/exposures/exposure.sql. */
typedef enum ShownColumn
{
	SHOWN_USER_KEY = 1,
	SHOWN_AT = 4,
	SHOWN_ORIGIN = 5,
	SHOWN_SLOT = 7
} ShownColumn;
typedef enum DoneColumn
{
	DONE_USER_KEY = 1,
	DONE_TS,
	DONE_ITEM_KEY,
	DONE_EVENT,
	DONE_CURRENCY = 7,
	DONE_AMOUNT,
	DONE_ATTRIBUTED_TO
} DoneColumn;

/* A metric, as far as it chooses what counts. */
typedef struct Metric
{
	char	   *kind;
	char	   *currency;		/* NULL: none */
	int64		within;			/* microseconds after the first answer */
	int64		before;			/* and before it */
	int			top;			/* places that count */
	SignalMetric *signal;		/* NULL: it is none */
	KeySet		restricted;		/* people of whom the signal may not be used */
	int64		cut;			/* people whose raw events since the first answer are not all there, */
	int64		cutBefore;		/* nor before it */
} Metric;

/* Somebody who was shown an answer of the engine. */
typedef struct Person
{
	int64		userKey;		/* hash key */
	TimestampTz takesPart;		/* since when */
	TimestampTz first;			/* the first answer by the own variant; DT_NOEND: none */
	int64		exposures;		/* by it */
	int64		others;			/* by another */
	uint16		variant;		/* the own one */
	int16		ordinal;
	char		status;
} Person;

#define SH_PREFIX people
#define SH_ELEMENT_TYPE Person
#define SH_KEY_TYPE int64
#define SH_KEY userKey
#define SH_HASH_KEY(table, key) KeySpread(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What is asked, and how far it is. */
typedef struct Outcomes
{
	const Experiment *experiment;	/* NULL: of all, everybody takes part */
	int64		firstOrigin;	/* of the engine's answers */
	int64		endOrigin;		/* the first beyond them */
	TimestampTz since;
	TimestampTz until;
	TimestampTz asOf;
	int			metricCount;
	Metric	   *metrics;
	KeySet		restricted;		/* people of whom nothing may be used */
	Snapshot	snapshot;
	KeyedTable *shown;			/* exposure by its key */
	ReturnSetInfo *output;

	people_hash *people;		/* those of this round */
	uint32		limit;			/* as many */
	uint64		low;			/* spread keys of this round, */
	uint64		high;			/* without this one */
	int64		users[EXPERIMENT_MAX_VARIANTS + 1];		/* by ordinal + 1 */
	int64		exposures[EXPERIMENT_MAX_VARIANTS + 1];
} Outcomes;

/* The value of a column; 0 where it is NULL. */
static inline Datum
Column(TupleTableSlot *slot, int column)
{
	bool		isNull;
	Datum		value = slot_getattr(slot, column, &isNull);

	return isNull ? (Datum) 0 : value;
}

/* Return a row: something that somebody did, or how many people there are. */
static void
ReturnRow(Outcomes *outcomes, int metric, int ordinal, bool people, const Datum *values)
{
	Datum		row[OUTCOME_COLUMNS] = {0};
	bool		nulls[OUTCOME_COLUMNS] = {false};

	for (int i = OUTCOME_USER_KEY; i < OUTCOME_COLUMNS; i++)
	{
		nulls[i] = people == (i <= OUTCOME_BEFORE);
		row[i] = values[i];
	}
	row[OUTCOME_METRIC] = Int32GetDatum(metric);
	row[OUTCOME_ORDINAL] = Int32GetDatum(ordinal);
	tuplestore_putvalues(outcomes->output->setResult, outcomes->output->setDesc, row, nulls);
}

/* Let go of the upper half of the keys of this round. */
static void
Halve(Outcomes *outcomes)
{
	people_iterator iterator;
	people_hash *all = outcomes->people;
	Person	   *person;
	bool		found;

	outcomes->high = outcomes->low + (outcomes->high - outcomes->low) / 2;
	outcomes->people = people_create(CurrentMemoryContext, outcomes->limit / 2, NULL);
	people_start_iterate(all, &iterator);
	while ((person = people_iterate(all, &iterator)) != NULL)
		if (KeySpread(person->userKey) < outcomes->high)
			*people_insert(outcomes->people, person->userKey, &found) = *person;
	people_destroy(all);
}

/* Whether, since when and with which variant a person takes part. */
static bool
Assign(const Outcomes *outcomes, Person *person)
{
	const ExperimentVariant *variant;

	person->takesPart = DT_NOBEGIN;
	person->ordinal = 0;
	if (outcomes->experiment != NULL)
	{
		variant = ExperimentPlace(outcomes->experiment, person->userKey, &person->takesPart);
		if (variant == NULL || ExperimentForced(outcomes->experiment, person->userKey) != NULL)
			return false;
		person->ordinal = variant->ordinal;
		person->variant = (uint16) variant->id;
	}
	return !KeySetHas(&outcomes->restricted, person->userKey);
}

/* A person of this round; NULL: who takes no part. */
static Person *
FindPerson(Outcomes *outcomes, int64 userKey)
{
	uint32		spread = KeySpread(userKey);
	Person		made = {.userKey = userKey,.first = DT_NOEND};
	Person	   *person;
	bool		found;

	if (spread < outcomes->low || spread >= outcomes->high)
		return NULL;
	person = people_lookup(outcomes->people, userKey);
	if (person != NULL)
		return person;
	if (!Assign(outcomes, &made))
		return NULL;
	while (outcomes->people->members >= outcomes->limit && outcomes->high - outcomes->low > 1)
		Halve(outcomes);
	if (spread >= outcomes->high)
		return NULL;
	person = people_insert(outcomes->people, userKey, &found);
	made.status = person->status;
	*person = made;
	return person;
}

/* True if it is an answer of the engine. */
static inline bool
IsOfEngine(const Outcomes *outcomes, int64 origin)
{
	return origin >= outcomes->firstOrigin && origin < outcomes->endOrigin;
}

/* Count an exposure. */
static void
CountShown(Outcomes *outcomes, TupleTableSlot *slot)
{
	int64		packed = DatumGetInt64(Column(slot, SHOWN_ORIGIN));
	TimestampTz at = DatumGetTimestampTz(Column(slot, SHOWN_AT));
	RequestOrigin origin;
	Person	   *person;

	if (!IsOfEngine(outcomes, packed) || at < outcomes->since || at > outcomes->until ||
		(outcomes->experiment != NULL && !ExperimentIsRunning(outcomes->experiment, at)))
		return;
	RequestOriginUnpack(packed, &origin);
	/* who was not in the segment saw the default, which may be a variant, too */
	if (outcomes->experiment != NULL && outcomes->experiment->segment != NULL && !origin.assigned)
		return;
	person = FindPerson(outcomes, DatumGetInt64(Column(slot, SHOWN_USER_KEY)));
	if (person == NULL || at < person->takesPart)
		return;
	if (outcomes->experiment != NULL && origin.variant != person->variant)
	{
		person->others++;
		return;
	}
	person->exposures++;
	person->first = Min(person->first, at);
}

/* Do something with all rows of a table. */
static void
ReadAll(Outcomes *outcomes, const char *name, void (*take) (Outcomes *outcomes, TupleTableSlot *slot))
{
	Relation	table = RelationOpenTable(name, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, outcomes->snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		take(outcomes, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
}

/* The place at which the engine showed what something is credited to; -1: it did not. */
static int
FindSlot(Outcomes *outcomes, TupleTableSlot *done)
{
	Datum		keys[] = {Column(done, DONE_USER_KEY), Column(done, DONE_ATTRIBUTED_TO), Column(done, DONE_ITEM_KEY)};
	TupleTableSlot *shown;

	if (DatumGetInt64(keys[1]) == 0)
		return -1;
	KeyedSeek(outcomes->shown, outcomes->snapshot, lengthof(keys), keys, BTEqualStrategyNumber);
	shown = KeyedNext(outcomes->shown, ForwardScanDirection);
	if (shown == NULL || !IsOfEngine(outcomes, DatumGetInt64(Column(shown, SHOWN_ORIGIN))))
		return -1;
	return DatumGetInt16(Column(shown, SHOWN_SLOT));
}

/* True if money is of a metric's currency. */
static bool
IsOfCurrency(const Metric *metric, int32 code)
{
	uint32		rest = (uint32) code;

	for (int i = (int) strlen(metric->currency) - 1; i >= 0; i--, rest >>= 8)
		if ((unsigned char) metric->currency[i] != (rest & 0xff))
			return false;
	return rest == 0;
}

/* What something that was done counts for a metric; 0: nothing.  *slot: -2 if it is not looked up yet. */
static int64
AmountOf(Outcomes *outcomes, const Metric *metric, TupleTableSlot *done, int *slot)
{
	int			event = DatumGetInt16(Column(done, DONE_EVENT));

	if (strcmp(metric->kind, "carts") == 0)
		return event == EVENT_TYPE_ADD_TO_CART;
	if (strcmp(metric->kind, "revenue") == 0)
		return event == EVENT_TYPE_PURCHASE && IsOfCurrency(metric, DatumGetInt32(Column(done, DONE_CURRENCY))) ?
			DatumGetInt64(Column(done, DONE_AMOUNT)) : 0;
	if (strcmp(metric->kind, "conversion") == 0 || strcmp(metric->kind, "purchases") == 0)
		return event == EVENT_TYPE_PURCHASE;
	if (event == EVENT_TYPE_ADD_TO_CART || event == EVENT_TYPE_PURCHASE)
		return 0;
	if (*slot == -2)
		*slot = FindSlot(outcomes, done);
	return strcmp(metric->kind, "clicks") == 0 ? *slot >= 0 : *slot >= 1 && *slot <= metric->top;
}

/* True if a time is one that counts for a metric; *before: before the first answer. */
static inline bool
IsInTime(const Metric *metric, const Person *person, TimestampTz at, bool *before)
{
	*before = at < person->first;
	return *before ? person->first - at <= metric->before : at - person->first < metric->within;
}

/* Return what somebody did. */
static void
ReturnDone(Outcomes *outcomes, int metric, const Person *person, bool before, int64 amount)
{
	Datum		values[OUTCOME_COLUMNS] = {[OUTCOME_USER_KEY] = Int64GetDatum(person->userKey),
		[OUTCOME_AMOUNT] = Int64GetDatum(amount),[OUTCOME_BEFORE] = BoolGetDatum(before)};

	ReturnRow(outcomes, metric + 1, person->ordinal, false, values);
}

/* Return what somebody did by all metrics. */
static void
TakeDone(Outcomes *outcomes, TupleTableSlot *done)
{
	const Person *person = people_lookup(outcomes->people, DatumGetInt64(Column(done, DONE_USER_KEY)));
	TimestampTz at;
	int			slot = -2;

	if (person == NULL || person->exposures == 0)
		return;
	at = DatumGetTimestampTz(Column(done, DONE_TS));
	for (int i = 0; i < outcomes->metricCount && at <= outcomes->asOf; i++)
	{
		const Metric *metric = &outcomes->metrics[i];
		bool		before;
		int64		amount;

		if (metric->signal != NULL || !IsInTime(metric, person, at, &before))
			continue;
		amount = AmountOf(outcomes, metric, done, &slot);
		if (amount != 0)
			ReturnDone(outcomes, i, person, before, amount);
	}
}

/* Something that a signal counts of somebody. */
typedef struct Counting
{
	Outcomes   *outcomes;
	const Person *person;
	int			metric;
	bool		before;
} Counting;

/* Return it. */
static void
ReturnCounted(void *arg, int64 amount)
{
	Counting   *counting = arg;

	ReturnDone(counting->outcomes, counting->metric, counting->person, counting->before, amount);
}

/* Return what signals count of an event. */
static void
TakeEvent(Outcomes *outcomes, const EventRow *row, ItemReader *items)
{
	Counting	counting = {outcomes, people_lookup(outcomes->people, row->userKey)};

	if (counting.person == NULL || counting.person->exposures == 0 || row->ts > outcomes->asOf)
		return;
	for (int i = 0; i < outcomes->metricCount; i++)
	{
		const Metric *metric = &outcomes->metrics[i];

		counting.metric = i;
		if (metric->signal != NULL && IsInTime(metric, counting.person, row->ts, &counting.before) &&
			!KeySetHas(&metric->restricted, row->userKey))
			SignalMetricEvaluate(metric->signal, row, items, ReturnCounted, &counting);
	}
}

/* Read the raw events from a time on. */
static void
ReadEvents(Outcomes *outcomes, TimestampTz since)
{
	EventScanOptions options = {.snapshot = outcomes->snapshot,.allDays = true,.since = since};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize event", ALLOCSET_DEFAULT_SIZES);
	ItemReader *items = ItemReaderBegin(outcomes->snapshot);
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (EventScanNext(scan, &row))
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		TakeEvent(outcomes, &row, items);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	EventScanEnd(scan);
	ItemReaderEnd(items);
	MemoryContextDelete(context);
}

/* Count of whom the raw events are not all there for a metric; *since: not after what is wanted first. */
static void
CountCut(Outcomes *outcomes, Metric *metric, TimestampTz *since)
{
	people_iterator iterator;
	Person	   *person;

	people_start_iterate(outcomes->people, &iterator);
	while ((person = people_iterate(outcomes->people, &iterator)) != NULL)
	{
		if (person->exposures == 0)
			continue;
		*since = Min(*since, person->first - metric->before);
		metric->cut += person->first < metric->signal->since;
		metric->cutBefore += person->first - metric->before < metric->signal->since;
	}
}

/* What signals count of the people of this round. */
static void
CountSignals(Outcomes *outcomes)
{
	TimestampTz since = DT_NOEND;

	for (int i = 0; i < outcomes->metricCount; i++)
		if (outcomes->metrics[i].signal != NULL)
			CountCut(outcomes, &outcomes->metrics[i], &since);
	if (since != DT_NOEND)
		ReadEvents(outcomes, since);
}

/* One round: some people, and what they did. */
static void
MakeRound(Outcomes *outcomes)
{
	people_iterator iterator;
	Person	   *person;

	outcomes->high = UINT64CONST(1) << 32;
	outcomes->people = people_create(CurrentMemoryContext, 1024, NULL);
	ReadAll(outcomes, "exposure", CountShown);
	people_start_iterate(outcomes->people, &iterator);
	while ((person = people_iterate(outcomes->people, &iterator)) != NULL)
	{
		outcomes->users[person->ordinal + 1] += person->exposures > 0;
		outcomes->exposures[person->ordinal + 1] += person->exposures;
		outcomes->users[OTHER_ARM + 1] += person->others > 0;
		outcomes->exposures[OTHER_ARM + 1] += person->others;
	}
	ReadAll(outcomes, "exposure_outcome", TakeDone);
	CountSignals(outcomes);
	people_destroy(outcomes->people);
	outcomes->low = outcomes->high;
}

/* The elements of an array argument; those that are NULL are 0. */
static Datum *
GetElements(FunctionCallInfo fcinfo, OutcomeArgument argument, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
	Datum	   *values;
	bool	   *nulls;
	int16		length;
	bool		byValue;
	char		align;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &byValue, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, byValue, align, &values, &nulls, count);
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			values[i] = (Datum) 0;
	return values;
}

/* Read who is restricted for some of these purposes. */
static void
ReadRestricted(int32 purposes, KeySet *restricted)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(purposes)};
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;
	uint64		count;

	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan, "SELECT user_key FROM personalize.subject WHERE restricted <> 0 AND restricted & $1 <> 0",
					   lengthof(types), types, values, NULL, true);
	MemoryContextSwitchTo(caller);
	KeySetInit(restricted, 8);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isNull;

		KeySetAdd(restricted, DatumGetInt64(SpiUtilValue(i, 1, &isNull)));
	}
	SpiUtilEnd(&scope);
}

/* The metrics that are asked for. */
static void
ReadMetrics(FunctionCallInfo fcinfo, Outcomes *outcomes)
{
	Datum	   *kinds = GetElements(fcinfo, ARGUMENT_KINDS, &outcomes->metricCount);
	int			count;
	Datum	   *currencies = GetElements(fcinfo, ARGUMENT_CURRENCIES, &count);
	Datum	   *within = GetElements(fcinfo, ARGUMENT_WITHIN, &count);
	Datum	   *before = GetElements(fcinfo, ARGUMENT_BEFORE, &count);
	Datum	   *top = GetElements(fcinfo, ARGUMENT_TOP, &count);
	Datum	   *signals = GetElements(fcinfo, ARGUMENT_SIGNALS, &count);
	Datum	   *signalValues = GetElements(fcinfo, ARGUMENT_VALUES, &count);
	Datum	   *sums = GetElements(fcinfo, ARGUMENT_SUMS, &count);

	outcomes->metrics = palloc0_array(Metric, outcomes->metricCount);
	for (int i = 0; i < outcomes->metricCount; i++)
	{
		Metric	   *metric = &outcomes->metrics[i];

		metric->kind = TextDatumGetCString(kinds[i]);
		metric->currency = currencies[i] ? TextDatumGetCString(currencies[i]) : NULL;
		metric->within = IntervalLength(DatumGetIntervalP(within[i]));
		metric->before = IntervalLength(DatumGetIntervalP(before[i]));
		metric->top = DatumGetInt32(top[i]);
		if (signals[i] == 0)
			continue;
		metric->signal = palloc_object(SignalMetric);
		SignalMetricInit(metric->signal, TextDatumGetCString(signals[i]),
						 signalValues[i] ? TextDatumGetCString(signalValues[i]) : NULL, DatumGetBool(sums[i]));
		ReadRestricted(metric->signal->purposes, &metric->restricted);
	}
}

/* Return how many people there are of each variant, and of how many the raw events are not all there. */
static void
ReturnPeople(Outcomes *outcomes)
{
	for (int arm = 0; arm <= EXPERIMENT_MAX_VARIANTS; arm++)
	{
		Datum		values[OUTCOME_COLUMNS] = {[OUTCOME_USERS] = Int64GetDatum(outcomes->users[arm]),
			[OUTCOME_EXPOSURES] = Int64GetDatum(outcomes->exposures[arm])};

		if (outcomes->users[arm] > 0)
			ReturnRow(outcomes, 0, arm - 1, true, values);
	}
	for (int i = 0; i < outcomes->metricCount; i++)
	{
		const Metric *metric = &outcomes->metrics[i];
		Datum		values[OUTCOME_COLUMNS] = {[OUTCOME_USERS] = Int64GetDatum(metric->cut),
			[OUTCOME_EXPOSURES] = Int64GetDatum(metric->cutBefore)};

		if (metric->cutBefore > 0)
			ReturnRow(outcomes, i + 1, 0, true, values);
	}
}

/* _experiment_outcomes(...): what people did, a row each, and at the end how many there are of each variant. */
Datum
personalize_experiment_outcomes(PG_FUNCTION_ARGS)
{
	Outcomes	outcomes = {.output = (ReturnSetInfo *) fcinfo->resultinfo,.snapshot = GetActiveSnapshot()};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (!PG_ARGISNULL(ARGUMENT_EXPERIMENT))
		outcomes.experiment = ExperimentFind(text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_EXPERIMENT)));
	outcomes.firstOrigin = PG_GETARG_INT64(ARGUMENT_FIRST_ORIGIN);
	outcomes.endOrigin = PG_GETARG_INT64(ARGUMENT_END_ORIGIN);
	outcomes.since = PG_GETARG_TIMESTAMPTZ(ARGUMENT_SINCE);
	outcomes.until = PG_GETARG_TIMESTAMPTZ(ARGUMENT_UNTIL);
	outcomes.asOf = PG_GETARG_TIMESTAMPTZ(ARGUMENT_AS_OF);
	/* a table may be twice as large as what is in it */
	outcomes.limit = (uint32) Min(Max(maintenance_work_mem * (Size) 1024 / sizeof(Person) / 2, 1024), PG_INT32_MAX / 4);
	ReadMetrics(fcinfo, &outcomes);
	ReadRestricted(PURPOSE_ANALYTICS, &outcomes.restricted);
	outcomes.shown = KeyedOpen("exposure", "exposure_pkey", AccessShareLock);
	while (outcomes.low < UINT64CONST(1) << 32)
		MakeRound(&outcomes);
	KeyedClose(outcomes.shown);
	ReturnPeople(&outcomes);
	return (Datum) 0;
}
