/*
 * cohort_count.c
 *		How many people of a time are in each cohort, before any noise.
 *
 * Raw events are counted when a window is released, so nothing about a person is
 * kept for it: who is forgotten, has withdrawn or is restricted until then is not
 * counted.  What one person adds is bounded here, and the noise is made for these
 * bounds.
 */
#include "postgres.h"

#include "base/key.h"
#include "base/key_sort.h"
#include "catalog/pg_type_d.h"
#include "common/int.h"
#include "compat.h"
#include "events/event.h"
#include "fmgr.h"
#include "funcapi.h"
#include "items/item.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "signals/signal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_cohort_sums);
PG_FUNCTION_INFO_V1(personalize_cohort_events_since);
PG_FUNCTION_INFO_V1(personalize_check_cohort);

/* Arguments of _cohort_sums, in order. */
typedef enum SumsArgument
{
	ARGUMENT_SIGNAL,
	ARGUMENT_COHORTS,
	ARGUMENT_SINCE,
	ARGUMENT_UNTIL,
	ARGUMENT_MAX_COHORTS,
	ARGUMENT_MAX_CONTRIBUTION
} SumsArgument;

/* A cohort, found by the value of the signal. */
typedef struct Cohort
{
	uint64		value;			/* hash key, first */
	int			place;			/* in the list, from 0 */
} Cohort;

/* What all people add to a cohort. */
typedef struct CohortSum
{
	int64		people;
	int64		total;
} CohortSum;

/* What one person's events say of a cohort, in 10^-6. */
typedef struct Weight
{
	int			place;
	int64		sum;
} Weight;

/* A window being counted. */
typedef struct Count
{
	const SignalSet *set;
	const Signal *signal;
	TimestampTz since;
	TimestampTz until;
	int32		purposes;
	HTAB	   *cohorts;
	int			cohortCount;
	int			maxCohorts;
	int64		maxContribution;	/* 0: totals are not counted */
	KeySort		sort;			/* (user key, place, sum) */
	int64		userKey;		/* of the event at hand */
	CohortSum  *sums;			/* by place */
	Weight	   *weights;		/* of the person at hand, by place */
	int			weightCount;
} Count;

/* The inferred signal of a number, which is known to exist. */
static const SignalSet *
InferredSignal(int number)
{
	const SignalSet *set = SignalSetOfInferred(number);

	if (set == NULL)
		elog(ERROR, "there is no inferred signal %d", number);
	return set;
}

/* Find cohorts by the values they are of. */
static void
ReadCohorts(Count *count, ArrayType *names)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Cohort),.hcxt = CurrentMemoryContext};
	Datum	   *values;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, &count->cohortCount);
	count->cohorts = hash_create("personalize cohorts", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < count->cohortCount; i++)
	{
		uint64		value = FeatureValueHash(KeyFromText(DatumGetTextPP(values[i])));
		Cohort	   *cohort = hash_search(count->cohorts, &value, HASH_ENTER, NULL);

		cohort->place = i;
	}
	count->sums = palloc0_array(CohortSum, count->cohortCount);
	count->weights = palloc_array(Weight, count->cohortCount);
}

/* A value that the event at hand counts; SignalCount. */
static void
CountValue(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	Count	   *count = arg;
	uint64		value = FeatureKeyHash(featureKey);
	const Cohort *cohort = hash_search(count->cohorts, &value, HASH_FIND, NULL);

	if (cohort != NULL)
		KeySortPut(&count->sort, (Datum[]) {
			Int64GetDatum(count->userKey), Int64GetDatum(cohort->place), Int64GetDatum(sum)
		}, NULL);
}

/* Take an event in. */
static void
CountEvent(Count *count, const EventRow *row, ItemReader *items)
{
	const SignalEvent *event = row->event < count->set->eventLimit ? &count->set->events[row->event] : NULL;

	if (event == NULL || row->ts < count->since || row->ts >= count->until ||
		(row->consent & count->purposes) != count->purposes)
		return;
	count->userKey = row->userKey;
	/* one with a number that is too large counts nothing, as for profiles */
	(void) SignalEvaluate(event, row, items, CountValue, count);
}

/* Sort what the events of the window say by person. */
static void
CountEvents(Count *count)
{
	static const Oid types[] = {INT8OID, INT8OID, INT8OID};
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.allDays = true,.since = count->since};
	MemoryContext rows = AllocSetContextCreate(CurrentMemoryContext, "personalize event", ALLOCSET_DEFAULT_SIZES);
	ItemReader *items = ItemReaderBegin(options.snapshot);
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	KeySortBegin(&count->sort, types, lengthof(types), 2, work_mem);
	while (EventScanNext(scan, &row))
	{
		MemoryContext caller = MemoryContextSwitchTo(rows);

		CHECK_FOR_INTERRUPTS();
		CountEvent(count, &row, items);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(rows);
	}
	EventScanEnd(scan);
	ItemReaderEnd(items);
	MemoryContextDelete(rows);
	KeySortPerform(&count->sort);
}

/* Most weight first; of as much, in the order of the list. */
static int
CompareWeights(const void *a, const void *b)
{
	const Weight *left = a;
	const Weight *right = b;

	if (left->sum != right->sum)
		return left->sum > right->sum ? -1 : 1;
	return left->place - right->place;
}

/* Add what the person at hand may add. */
static void
AddPerson(Count *count, int64 userKey)
{
	int			cohorts = Min(count->weightCount, count->maxCohorts);

	if ((RestrictionOf(userKey) & count->purposes) == 0)
	{
		qsort(count->weights, count->weightCount, sizeof(Weight), CompareWeights);
		for (int i = 0; i < cohorts; i++)
		{
			CohortSum  *sum = &count->sums[count->weights[i].place];

			sum->people++;
			sum->total += Max(Min(count->weights[i].sum / FEATURE_SUM_UNIT, count->maxContribution), 0);
		}
	}
	count->weightCount = 0;
}

/* Add the next row of a person. */
static void
AddWeight(Count *count, int place, int64 weight)
{
	Weight	   *last = count->weightCount > 0 ? &count->weights[count->weightCount - 1] : NULL;

	if (last == NULL || last->place != place)
	{
		last = &count->weights[count->weightCount++];
		last->place = place;
		last->sum = 0;
	}
	/* far beyond any contribution: how far does not matter */
	if (pg_add_s64_overflow(last->sum, weight, &last->sum))
		last->sum = weight > 0 ? PG_INT64_MAX : PG_INT64_MIN;
}

/* Add everybody up. */
static void
AddPeople(Count *count)
{
	const Datum *row;
	int64		userKey = 0;

	while ((row = KeySortNext(&count->sort)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (count->weightCount > 0 && DatumGetInt64(row[0]) != userKey)
			AddPerson(count, userKey);
		userKey = DatumGetInt64(row[0]);
		AddWeight(count, DatumGetInt64(row[1]), DatumGetInt64(row[2]));
	}
	if (count->weightCount > 0)
		AddPerson(count, userKey);
	KeySortEnd(&count->sort);
}

/* _cohort_sums(signal, cohorts, since, until, max_cohorts, max_contribution) */
Datum
personalize_cohort_sums(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Count		count = {
		.set = InferredSignal(PG_GETARG_INT16(ARGUMENT_SIGNAL)),
		.since = PG_GETARG_TIMESTAMPTZ(ARGUMENT_SINCE),
		.until = PG_GETARG_TIMESTAMPTZ(ARGUMENT_UNTIL),
		.maxCohorts = PG_GETARG_INT32(ARGUMENT_MAX_COHORTS),
		.maxContribution = PG_ARGISNULL(ARGUMENT_MAX_CONTRIBUTION) ? 0 : PG_GETARG_INT32(ARGUMENT_MAX_CONTRIBUTION)
	};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	count.signal = &count.set->signals[0];
	count.purposes = count.signal->purposes | PURPOSE_ANALYTICS;
	ReadCohorts(&count, PG_GETARG_ARRAYTYPE_P(ARGUMENT_COHORTS));
	CountEvents(&count);
	AddPeople(&count);
	for (int i = 0; i < count.cohortCount; i++)
	{
		Datum		values[] = {Int32GetDatum(i + 1), Int64GetDatum(count.sums[i].people), Int64GetDatum(count.sums[i].total)};
		bool		nulls[] = {false, false, count.maxContribution == 0};

		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _cohort_events_since(signal) */
Datum
personalize_cohort_events_since(PG_FUNCTION_ARGS)
{
	const SignalSet *set = SignalSetOfInferred(PG_GETARG_INT16(0));

	if (set == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(SignalEventsSince(set, &set->signals[0]));
}

/* _check_cohort(signal, cohort) */
Datum
personalize_check_cohort(PG_FUNCTION_ARGS)
{
	const SignalSet *set = InferredSignal(PG_GETARG_INT16(0));

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a cohort must not be null")));
	SignalCheckValue(&set->signals[0], "a cohort", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}
