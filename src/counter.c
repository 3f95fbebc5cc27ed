/*
 * counter.c
 *		Counts of what happened in this database since the server started.
 *
 * Counters say how often, not what: they are for monitoring, cost an atomic
 * addition, are not transactional and start at 0 with the server.  In shared
 * memory, there is one set for each of the first MAX_DATABASES databases that
 * count something; without shared_preload_libraries, or for more databases, a
 * backend counts for itself alone.
 */
#include "postgres.h"

#include "counter.h"

#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_counters);

/* Databases that have counters of their own. */
#define MAX_DATABASES 64

/* The counters of a database; a set is taken once and kept. */
typedef struct CounterSet
{
	pg_atomic_uint32 database;	/* InvalidOid: free */
	pg_atomic_uint64 values[COUNTER_MAX];
} CounterSet;

static const char *names[COUNTER_MAX];
static int	nameCount = 0;

/* NULL without preload. */
static CounterSet *sharedSets = NULL;

/* This backend's own counters, where there are no others. */
static uint64 ownValues[COUNTER_MAX];

static shmem_request_hook_type previousRequestHook = NULL;
static shmem_startup_hook_type previousStartupHook = NULL;

/* Bytes of shared memory. */
static Size
SharedSize(void)
{
	return mul_size(MAX_DATABASES, sizeof(CounterSet));
}

/* shmem_request_hook: ask for the memory. */
static void
RequestShared(void)
{
	if (previousRequestHook)
		previousRequestHook();
	RequestAddinShmemSpace(SharedSize());
}

/* shmem_startup_hook: find or make the memory. */
static void
StartupShared(void)
{
	bool		found;

	if (previousStartupHook)
		previousStartupHook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	sharedSets = ShmemInitStruct("personalize counters", SharedSize(), &found);
	for (int i = 0; !found && i < MAX_DATABASES; i++)
	{
		pg_atomic_init_u32(&sharedSets[i].database, InvalidOid);
		for (int j = 0; j < COUNTER_MAX; j++)
			pg_atomic_init_u64(&sharedSets[i].values[j], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Ask for shared memory, if there is still time to. */
void
CounterInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previousRequestHook = shmem_request_hook;
	shmem_request_hook = RequestShared;
	previousStartupHook = shmem_startup_hook;
	shmem_startup_hook = StartupShared;
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

	if (set != NULL || sharedSets == NULL)
		return set;
	for (int i = 0; i < MAX_DATABASES; i++)
	{
		uint32		database = InvalidOid;

		if (pg_atomic_compare_exchange_u32(&sharedSets[i].database, &database, MyDatabaseId) ||
			database == MyDatabaseId)
		{
			set = &sharedSets[i];
			break;
		}
	}
	return set;
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
uint64
CounterRead(int counter)
{
	CounterSet *set = FindSet();

	return set != NULL ? pg_atomic_read_u64(&set->values[counter]) : ownValues[counter];
}

/* _counters(): all of them. */
Datum
personalize_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < nameCount; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = CStringGetTextDatum(names[i]);
		values[1] = Int64GetDatum((int64) CounterRead(i));
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}
