/*
 * counter.c
 *		Counts of what happened in this database since the server started.
 *
 * Counters say how often, not what: they are for monitoring, cost an atomic
 * addition, are not transactional (what a transaction counts stays counted if it
 * is rolled back) and start at 0 with the server.  In shared
 * memory, there is one set for each of the first MAX_DATABASES databases that
 * count something; without shared_preload_libraries, or for more databases, a
 * backend counts for itself alone.
 */
#include "postgres.h"

#include "base/counter.h"

#include "base/shared_memory.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_counters);

/* Databases that have counters of their own. */
#define MAX_DATABASES 64

/* The counters of a database; a set is taken once and kept. */
typedef struct CounterSet
{
	pg_atomic_uint32 database;	/* InvalidOid: free */
	pg_atomic_uint64 since;		/* when it was taken */
	pg_atomic_uint64 values[COUNTER_MAX];
} CounterSet;

static const char *names[COUNTER_MAX];
static int	nameCount = 0;

/* NULL without preload. */
static CounterSet *sharedSets = NULL;

/* This backend's own counters, where there are no others. */
static uint64 ownValues[COUNTER_MAX];
static TimestampTz ownSince = 0;

/* Set the sets free. */
static void
InitSets(void *memory)
{
	CounterSet *sets = memory;

	for (int i = 0; i < MAX_DATABASES; i++)
	{
		pg_atomic_init_u32(&sets[i].database, InvalidOid);
		pg_atomic_init_u64(&sets[i].since, 0);
		for (int j = 0; j < COUNTER_MAX; j++)
			pg_atomic_init_u64(&sets[i].values[j], 0);
	}
}

/* Ask for shared memory. */
void
CounterInit(void)
{
	SharedMemoryRegister("personalize counters", mul_size(MAX_DATABASES, sizeof(CounterSet)),
						 (void **) &sharedSets, InitSets);
}

/* Make counters known. */
int
CounterRegister(const char *const *newNames, int count)
{
	int			first = nameCount;

	if (nameCount + count > COUNTER_MAX)
		elog(ERROR, "too many counters");
	for (int i = 0; i < count; i++)
		names[nameCount++] = newNames[i];
	return first;
}

/* The counters of this database; NULL if it has none in shared memory. */
static CounterSet *
FindSet(void)
{
	static CounterSet *set = NULL;

	if (set != NULL)
		return set;
	for (int i = 0; sharedSets != NULL && i < MAX_DATABASES; i++)
	{
		uint32		database = InvalidOid;
		bool		taken = pg_atomic_compare_exchange_u32(&sharedSets[i].database, &database,
														   MyDatabaseId);

		if (taken)
			pg_atomic_write_u64(&sharedSets[i].since, (uint64) GetCurrentTimestamp());
		if (taken || database == MyDatabaseId)
		{
			set = &sharedSets[i];
			return set;
		}
	}
	if (ownSince == 0)
		ownSince = GetCurrentTimestamp();
	return NULL;
}

/* Add to a counter. */
void
CounterAdd(int counter, uint64 value)
{
	CounterSet *set = FindSet();

	if (set != NULL)
		pg_atomic_fetch_add_u64(&set->values[counter], value);
	else
		ownValues[counter] += value;
}

/* The value of a counter in this database. */
static uint64
ReadCounter(int counter)
{
	CounterSet *set = FindSet();

	return set != NULL ? pg_atomic_read_u64(&set->values[counter]) : ownValues[counter];
}

/* _counters(): all of them. */
Datum
personalize_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	CounterSet *set = FindSet();
	TimestampTz since = set != NULL ? (TimestampTz) pg_atomic_read_u64(&set->since) : ownSince;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < nameCount; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = CStringGetTextDatum(names[i]);
		values[1] = Int64GetDatum((int64) ReadCounter(i));
		values[2] = TimestampTzGetDatum(since);
		values[3] = CStringGetTextDatum(set != NULL ? "database" : "session");
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}
