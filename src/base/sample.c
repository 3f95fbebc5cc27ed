/*
 * sample.c
 *		Samples that a backend takes for the planner and uses for a minute.
 *
 * A sample is taken in a subtransaction that is undone: no lock on what was looked at is held
 * on, and what fails there, as a damaged page does, the statement may not need.
 */
#include "postgres.h"

#include "base/sample.h"

#include "access/xact.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* About so many pages are looked at. */
#define SAMPLE_PAGES 200

/* A sample, also one that could not be taken, is used for so long. */
#define USED_MS (60 * 1000)

/* So long it is kept: the statement that got it last may still look at it. */
#define KEPT_MS (2 * USED_MS)

/* What took longer and found nothing is not tried again for as long. */
#define FRUITLESS_MS 20

static List *samples = NIL;

/* How many per cent of a table's pages are looked at. */
float4
SampleSharePercent(Oid table)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {OIDOID, INT8OID};
	const Datum values[] = {ObjectIdGetDatum(table), Int64GetDatum((int64) SAMPLE_PAGES * BLCKSZ)};
	bool		isNull;

	SpiUtilRun(&plan, "SELECT least(100, 100.0 * $2 / greatest(sum(pg_relation_size(t.oid)), 1))::float4 "
			   "FROM (SELECT $1 UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = $1) AS t (oid)",
			   lengthof(types), types, values, NULL, true);
	return DatumGetFloat4(SpiUtilValue(0, 1, &isNull));
}

/* Lock a table and its partitions, of which the statement may need one only. */
bool
SampleLockAll(Oid table)
{
	ListCell   *cell;

	if (!ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	foreach(cell, find_inheritance_children(table, NoLock))
		if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock))
			return false;
	return true;
}

/* A sample that is not too old; much older ones are given up. */
static Sample *
Find(const SampleKey *key, TimestampTz now)
{
	ListCell   *cell;

	foreach(cell, samples)
	{
		Sample	   *sample = lfirst(cell);

		if (TimestampDifferenceExceeds(sample->takenAt, now, KEPT_MS))
		{
			samples = foreach_delete_current(samples, cell);
			MemoryContextDelete(sample->context);
		}
		else if (!TimestampDifferenceExceeds(sample->takenAt, now, USED_MS) &&
				 sample->key.of == key->of && sample->key.part == key->part && sample->key.relation == key->relation &&
				 sample->key.reader == key->reader && sample->key.readers == key->readers)
			return sample;
	}
	return NULL;
}

/* Keep a sample. */
static void
Keep(Sample *sample)
{
	MemoryContext caller = MemoryContextSwitchTo(CacheMemoryContext);

	MemoryContextSetParent(sample->context, CacheMemoryContext);
	samples = lappend(samples, sample);
	MemoryContextSwitchTo(caller);
}

/* What a sample has found. */
void *
SampleGet(const SampleKey *key, const char *name, bool (*take) (void *sample))
{
	TimestampTz begun = GetCurrentTimestamp();
	Sample	   *sample = Find(key, begun);
	MemoryContext context;
	ErrorData  *error;

	if (sample != NULL)
		return sample->found;
	/* a parallel query may not begin a subtransaction */
	if (IsInParallelMode())
		return NULL;
	context = AllocSetContextCreate(CurrentMemoryContext, "personalize sample", ALLOCSET_START_SMALL_SIZES);
	sample = MemoryContextAllocZero(context, sizeof(Sample));
	sample->key = *key;
	sample->context = context;
	error = SubtransactionTry(take, sample);
	if (error != NULL)
	{
		elog(DEBUG1, "no sample of %s: %s", name, error->message);
		sample->found = NULL;
	}
	sample->takenAt = GetCurrentTimestamp();
	/* where there is nothing there may soon be something */
	if (sample->found == NULL && !TimestampDifferenceExceeds(begun, sample->takenAt, FRUITLESS_MS))
	{
		MemoryContextDelete(context);
		return NULL;
	}
	Keep(sample);
	return sample->found;
}
