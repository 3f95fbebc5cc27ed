/*
 * feature_stat.c
 *		compute_feature_stats(): whether features are still what they were.
 *
 * A sample of people is evaluated for the newest version of each view of users.  The
 * same people are taken each time, by a hash of their keys, so that what differs is
 * what they do and not who they are.  Values are put into bins whose ends are deciles,
 * those of a week ago where there are some, and compared with the bins of then by the
 * population stability index (N. Siddiqi, Credit Risk Scorecards, 2006, chapter 8): the
 * sum of (a - b) * ln(a / b) over the shares a and b of all bins.  Below 0.1 nothing has
 * changed, above 0.25 much has.
 */
#include "postgres.h"

#include "features/feature_evaluate.h"

#include <math.h>

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/key_set.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "people/policy.h"
#include "people/restriction.h"
#include "profiles/profile_delta.h"
#include "signals/feature_value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/worker_task.h"

PG_FUNCTION_INFO_V1(personalize_compute_feature_stats);

#define DEFAULT_SAMPLE 10000
#define MAX_SAMPLE 1000000
#define DECILES 9

/* Texts are told only if so many people have them; those of most people. */
#define MIN_PEOPLE 20
#define MAX_CATEGORIES 10

/* A bin: who has nothing, up to DECILES + 1 of numbers, or of texts those told and the others. */
#define MAX_BINS (2 + MAX_CATEGORIES)

/* What is compared with is as old. */
#define BASELINE_AGE (7 * USECS_PER_DAY)

/* A worker looks every so many runs whether the last statistics are a day old. */
#define RUNS_PER_LOOK 60

/* A text that people have. */
typedef struct Category
{
	uint64		key;			/* hash key, first */
	char	   *name;
	int64		people;
} Category;

/* What the sample has of a feature. */
typedef struct Tally
{
	const FeatureDefinition *feature;
	int64		filled;
	int			capacity;
	double	   *numbers;		/* of numbers, booleans as 0 and 1, and lengths of lists */
	uint64	   *keys;			/* of texts */
	HTAB	   *categories;
	int			ageCount;
	double	   *ages;			/* seconds since the last event */
} Tally;

/* The bins of a feature. */
typedef struct Bins
{
	int			edgeCount;
	double		edges[DECILES];
	int			categoryCount;
	char	   *categories[MAX_CATEGORIES];
	int			count;
	int64		people[MAX_BINS];
} Bins;

/* A sample of people being looked at. */
typedef struct Sample
{
	const FeatureView *view;
	int			size;
	uint32		limit;			/* whose hash is below */
	int64		people;
	Tally	   *tallies;
	MemoryContext context;		/* of what is kept */
	TimestampTz now;
} Sample;

/* A value as a number; a list by its length. */
static double
NumberOf(FeatureType type, Datum value)
{
	ArrayType  *list;

	switch (type)
	{
		case FEATURE_FLOAT8:
			return DatumGetFloat8(value);
		case FEATURE_BIGINT:
			return (double) DatumGetInt64(value);
		case FEATURE_TEXTS:
			list = DatumGetArrayTypeP(value);
			return ArrayGetNItems(ARR_NDIM(list), ARR_DIMS(list));
		default:
			return DatumGetBool(value);
	}
}

/* Add a value to a tally. */
static void
AddValue(Sample *sample, Tally *tally, const FeatureValue *value)
{
	FeatureType type = tally->feature->node->type;

	if (value->status != FEATURE_PRESENT || value->isNull || tally->filled == tally->capacity)
		return;
	if (value->last != DT_NOBEGIN)
		tally->ages[tally->ageCount++] = (double) Max(sample->now - value->last, 0) / USECS_PER_SEC;
	if (type == FEATURE_TEXT)
	{
		text	   *name = DatumGetTextPP(value->value);
		uint64		key = (uint64) KeyFromText(name);
		bool		found;
		Category   *category = hash_search(tally->categories, &key, HASH_ENTER, &found);

		if (!found)
		{
			category->name = MemoryContextStrdup(sample->context, text_to_cstring(name));
			category->people = 0;
		}
		category->people++;
		tally->keys[tally->filled++] = key;
		return;
	}
	tally->numbers[tally->filled++] = NumberOf(type, value->value);
}

/* Look at a person. */
static void
AddPerson(Sample *sample, TupleTableSlot *slot, int64 userKey)
{
	FeatureContext context = {
		.signals = SignalSetGet(),.purposes = POLICY_EVERYTHING,.now = sample->now,.snapshot = GetActiveSnapshot()
	};
	Datum	   *values = slot->tts_values - 1;	/* by ProfileColumn */
	bool	   *nulls = slot->tts_isnull - 1;
	ProfileSteps steps = {.count = 0};
	StoredRow	row;

	slot_getallattrs(slot);
	context.restricted = RestrictionOf(userKey);
	StoredRowBegin(&row, STORED_PROFILE, &userKey);
	if (!nulls[PROFILE_FEATURES])
		FeatureContextSetState(&context, DatumGetFeatureStateP(values[PROFILE_FEATURES]));
	if (!nulls[PROFILE_STEPS])
		ProfileStepsUnpack(DatumGetByteaPP(values[PROFILE_STEPS]), &steps);
	context.steps = &steps;
	sample->people++;
	for (int i = 0; i < sample->view->count; i++)
	{
		FeatureValue value = FeatureEvaluate(sample->view, sample->tallies[i].feature->node, &context);

		AddValue(sample, &sample->tallies[i], &value);
	}
	StoredRowEnd(&row);
}

/* Begin a sample. */
static void
BeginSample(Sample *sample, Relation profiles)
{
	double		rows = profiles->rd_rel->reltuples;
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Category),.hcxt = CurrentMemoryContext};
	/* more than were expected may be taken */
	int			capacity = 2 * sample->size;

	sample->context = CurrentMemoryContext;
	sample->limit = rows <= sample->size ? PG_UINT32_MAX : (uint32) (sample->size / rows * PG_UINT32_MAX);
	sample->tallies = palloc0_array(Tally, sample->view->count);
	for (int i = 0; i < sample->view->count; i++)
	{
		Tally	   *tally = &sample->tallies[i];

		tally->feature = &sample->view->features[i];
		tally->capacity = capacity;
		tally->ages = palloc_array(double, capacity);
		if (tally->feature->node->type == FEATURE_TEXT)
		{
			tally->keys = palloc_array(uint64, capacity);
			tally->categories = hash_create("personalize categories", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		}
		else
			tally->numbers = palloc_array(double, capacity);
	}
}

/* Look at the people of a sample. */
static void
TakeSample(Sample *sample)
{
	Relation	profiles = RelationOpenTable("profile", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(profiles, NULL);
	TableScanDesc scan = table_beginscan(profiles, GetActiveSnapshot(), 0, NULL);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "personalize person", ALLOCSET_DEFAULT_SIZES);

	BeginSample(sample, profiles);
	FeatureValueTrimCache();
	while (sample->people < 2 * sample->size && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isNull;
		int64		userKey = DatumGetInt64(slot_getattr(slot, PROFILE_USER_KEY, &isNull));
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (KeySpread(userKey) > sample->limit)
			continue;
		caller = MemoryContextSwitchTo(row);
		AddPerson(sample, slot, userKey);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(profiles, AccessShareLock);
	MemoryContextDelete(row);
}

/* Order numbers. */
static int
CompareNumbers(const void *left, const void *right)
{
	double		a = *(const double *) left;
	double		b = *(const double *) right;

	return a < b ? -1 : a > b;
}

/* Order texts: those of most people first. */
static int
CompareCategories(const void *left, const void *right)
{
	const Category *a = *(Category *const *) left;
	const Category *b = *(Category *const *) right;

	if (a->people != b->people)
		return a->people > b->people ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Make bins of what there is: deciles, or the texts of most people. */
static void
MakeBins(const Tally *tally, Bins *bins)
{
	HASH_SEQ_STATUS sequence;
	Category  **order;
	Category   *category;
	int			count = 0;

	for (int i = 1; i <= DECILES && tally->numbers && tally->filled > 0; i++)
	{
		double		edge = tally->numbers[(tally->filled - 1) * i / (DECILES + 1)];

		if (bins->edgeCount == 0 || edge > bins->edges[bins->edgeCount - 1])
			bins->edges[bins->edgeCount++] = edge;
	}
	if (tally->categories == NULL)
		return;
	order = palloc_array(Category *, hash_get_num_entries(tally->categories) + 1);
	hash_seq_init(&sequence, tally->categories);
	while ((category = hash_seq_search(&sequence)) != NULL)
		order[count++] = category;
	qsort(order, count, sizeof(Category *), CompareCategories);
	for (int i = 0; i < Min(count, MAX_CATEGORIES) && order[i]->people >= MIN_PEOPLE; i++)
		bins->categories[bins->categoryCount++] = order[i]->name;
}

/* Count people by bin. */
static void
FillBins(const Tally *tally, int64 people, Bins *bins)
{
	bins->count = 2 + (tally->numbers ? bins->edgeCount : bins->categoryCount);
	memset(bins->people, 0, sizeof(bins->people));
	bins->people[0] = people - tally->filled;
	for (int i = 0; i < tally->filled; i++)
	{
		int			place = 0;

		if (tally->numbers)
			while (place < bins->edgeCount && tally->numbers[i] > bins->edges[place])
				place++;
		else
			while (place < bins->categoryCount &&
				   (uint64) KeyFromBytes(bins->categories[place], strlen(bins->categories[place])) != tally->keys[i])
				place++;
		bins->people[1 + place]++;
	}
}

/* The population stability index of two fillings of the same bins; half a person is in each at least. */
static double
StabilityIndex(const int64 *left, const int64 *right, int count)
{
	double		leftAll = 0;
	double		rightAll = 0;
	double		index = 0;

	for (int i = 0; i < count; i++)
	{
		leftAll += Max(left[i], 0.5);
		rightAll += Max(right[i], 0.5);
	}
	for (int i = 0; i < count; i++)
	{
		double		a = Max(left[i], 0.5) / leftAll;
		double		b = Max(right[i], 0.5) / rightAll;

		index += (a - b) * log(a / b);
	}
	return index;
}

/* Read the bins of a week ago; false if there are none. */
static bool
ReadBaseline(const Sample *sample, const Tally *tally, Bins *bins, Datum *computedAt)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[] = {CStringGetTextDatum(sample->view->name), Int32GetDatum(sample->view->version),
	CStringGetTextDatum(tally->feature->name), TimestampTzGetDatum(sample->now - BASELINE_AGE)};
	Datum	   *elements;
	bool		isNull;

	if (SpiUtilRun(&plan, "SELECT computed_at, edges, categories, bins FROM personalize.feature_stats WHERE name = $1 AND version = $2"
				   " AND feature = $3 AND computed_at <= $4 AND people > 0 ORDER BY computed_at DESC LIMIT 1",
				   lengthof(types), types, values, NULL, false) == 0)
		return false;
	*computedAt = SpiUtilValue(0, 1, &isNull);
	deconstruct_array(DatumGetArrayTypeP(SpiUtilValue(0, 2, &isNull)), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, NULL, &bins->edgeCount);
	bins->edgeCount = Min(bins->edgeCount, DECILES);
	for (int i = 0; i < bins->edgeCount; i++)
		bins->edges[i] = DatumGetFloat8(elements[i]);
	deconstruct_array(DatumGetArrayTypeP(SpiUtilValue(0, 3, &isNull)), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &bins->categoryCount);
	bins->categoryCount = Min(bins->categoryCount, MAX_CATEGORIES);
	for (int i = 0; i < bins->categoryCount; i++)
		bins->categories[i] = TextDatumGetCString(elements[i]);
	deconstruct_array(DatumGetArrayTypeP(SpiUtilValue(0, 4, &isNull)), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, NULL, &bins->count);
	bins->count = Min(bins->count, MAX_BINS);
	for (int i = 0; i < bins->count; i++)
		bins->people[i] = DatumGetInt64(elements[i]);
	return true;
}

/* Bins as arrays for SQL. */
static void
PutBins(const Bins *bins, Datum *values)
{
	Datum		elements[MAX_BINS];

	for (int i = 0; i < bins->edgeCount; i++)
		elements[i] = Float8GetDatum(bins->edges[i]);
	values[0] = PointerGetDatum(construct_array(elements, bins->edgeCount, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	for (int i = 0; i < bins->categoryCount; i++)
		elements[i] = CStringGetTextDatum(bins->categories[i]);
	values[1] = PointerGetDatum(construct_array(elements, bins->categoryCount, TEXTOID, -1, false, TYPALIGN_INT));
	for (int i = 0; i < bins->count; i++)
		elements[i] = Int64GetDatum(bins->people[i]);
	values[2] = PointerGetDatum(construct_array(elements, bins->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Mean, deviation, smallest and largest of numbers, and the median age; null where there are none. */
static void
PutMoments(const Tally *tally, Datum *values, char *nulls)
{
	int64		count = tally->numbers ? tally->filled : 0;
	double		mean = 0;
	double		squares = 0;

	for (int64 i = 0; i < count; i++)
	{
		double		step = tally->numbers[i] - mean;

		/* Welford's way, which does not cancel */
		mean += step / (i + 1);
		squares += step * (tally->numbers[i] - mean);
	}
	memset(nulls, count > 0 ? ' ' : 'n', 4);
	values[0] = Float8GetDatum(mean);
	values[1] = Float8GetDatum(count > 1 ? sqrt(squares / (count - 1)) : 0);
	values[2] = Float8GetDatum(count > 0 ? tally->numbers[0] : 0);
	values[3] = Float8GetDatum(count > 0 ? tally->numbers[count - 1] : 0);
	nulls[4] = tally->ageCount > 0 ? ' ' : 'n';
	values[4] = Float8GetDatum(tally->ageCount > 0 ? tally->ages[(tally->ageCount - 1) / 2] : 0);
}

/* Write what the sample has of a feature. */
static void
WriteTally(const Sample *sample, Tally *tally)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {
		TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
		FLOAT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, FLOAT8OID
	};
	Datum		values[lengthof(types)] = {
		CStringGetTextDatum(sample->view->name), Int32GetDatum(sample->view->version),
		CStringGetTextDatum(tally->feature->name), TimestampTzGetDatum(sample->now),
		Int64GetDatum(sample->people), Int64GetDatum(tally->filled)
	};
	char		nulls[] = "                ";
	Bins		then = {0};
	Bins		bins;
	bool		hasBaseline;

	if (tally->numbers)
		qsort(tally->numbers, tally->filled, sizeof(double), CompareNumbers);
	qsort(tally->ages, tally->ageCount, sizeof(double), CompareNumbers);
	PutMoments(tally, &values[6], &nulls[6]);
	hasBaseline = ReadBaseline(sample, tally, &then, &values[14]);
	bins = then;
	if (!hasBaseline)
		MakeBins(tally, &bins);
	FillBins(tally, sample->people, &bins);
	hasBaseline = hasBaseline && then.count == bins.count;
	PutBins(&bins, &values[11]);
	nulls[14] = nulls[15] = hasBaseline && sample->people > 0 ? ' ' : 'n';
	values[15] = Float8GetDatum(hasBaseline ? StabilityIndex(bins.people, then.people, bins.count) : 0);
	SpiUtilRun(&plan, "INSERT INTO personalize.feature_stats (name, version, feature, computed_at, people, filled, mean, stddev, smallest,"
			   " largest, freshness, edges, categories, bins, baseline_at, psi)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING",
			   lengthof(types), types, values, nulls, false);
}

/* Compute the statistics of all views; returns how many features there are. */
static int64
Compute(int size)
{
	static SPIPlanPtr plan = NULL;
	const FeatureViewSet *set = FeatureViewSetGet();
	MemoryContext view = AllocSetContextCreate(CurrentMemoryContext, "personalize feature statistics", ALLOCSET_DEFAULT_SIZES);
	TimestampTz now = ClockNow();
	int64		features = 0;
	SpiUtilScope scope;

	for (int i = 0; i < set->count; i++)
	{
		Sample		sample = {.view = &set->views[i],.size = size,.now = now};
		MemoryContext caller;

		if (!set->views[i].newest || set->views[i].entity != FEATURE_ENTITY_USER)
			continue;
		caller = MemoryContextSwitchTo(view);
		TakeSample(&sample);
		SpiUtilBegin(&scope);
		for (int j = 0; j < sample.view->count; j++)
			WriteTally(&sample, &sample.tallies[j]);
		SpiUtilEnd(&scope);
		features += sample.view->count;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(view);
	}
	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.feature_stats s WHERE s.computed_at < $1 - interval '60 days'"
					  " OR NOT EXISTS (SELECT FROM personalize.feature_view v WHERE v.name = s.name AND v.version = s.version)",
					  1, (Oid[]) {TIMESTAMPTZOID}, (Datum[]) {TimestampTzGetDatum(now)}, NULL, false);
	MemoryContextDelete(view);
	return features;
}

/* compute_feature_stats(sample) */
Datum
personalize_compute_feature_stats(PG_FUNCTION_ARGS)
{
	ArgumentCheckGiven(fcinfo, 0, "sample");
	if (PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > MAX_SAMPLE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample must be between 1 and %d people, but is %d", MAX_SAMPLE, PG_GETARG_INT32(0))));
	PG_RETURN_INT64(Compute(PG_GETARG_INT32(0)));
}

/* The worker's task: once a day, where there are views. */
static bool
ComputeDaily(void)
{
	static SPIPlanPtr plan = NULL;
	SpiUtilScope scope;
	bool		isNull;
	bool		due;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT EXISTS (SELECT FROM personalize.feature_view WHERE entity = 'user')"
			   " AND NOT EXISTS (SELECT FROM personalize.feature_stats WHERE computed_at > personalize_internal._now() - interval '1 day')",
			   0, NULL, NULL, NULL, false);
	due = DatumGetBool(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	if (due)
		Compute(DEFAULT_SAMPLE);
	return false;
}

static const WorkerTask task = {"maintenance: computing statistics of features", ComputeDaily, RUNS_PER_LOOK};

/* Make the task known. */
void
FeatureStatInit(void)
{
	WorkerTaskRegister(&task);
}
