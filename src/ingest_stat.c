/*
 * ingest_stat.c
 *		Counts of messages by what became of them.
 *
 * Suppressed messages leave no trace in any table, so they are counted in shared
 * memory, one set of counters a database: a table would have one hot row.  What
 * a transaction counts stays counted if it is rolled back.  Counters begin anew
 * with the server.  Without shared_preload_libraries, or with more databases
 * than there are sets, a session counts for itself.
 */
#include "postgres.h"

#include "ingest_stat.h"

#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "personalize.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_stat_ingest);

/* Databases of a cluster that have counters. */
#define MAX_DATABASES 64

/* The counters of a database. */
typedef struct DatabaseCounters
{
	pg_atomic_uint32 databaseId;	/* 0: free */
	pg_atomic_uint64 since;
	pg_atomic_uint64 counts[INGEST_REASON_COUNT];
} DatabaseCounters;

/* Status and reason of a counter, as they are shown. */
static const char *const labels[INGEST_REASON_COUNT][2] = {
	[REASON_STORED] = {"accepted", "stored"},
	[REASON_SEEN_BEFORE] = {"duplicate", "message_id"},
	[REASON_UNDECIDED] = {"suppressed", "undecided"},
	[REASON_WITHDRAWN] = {"suppressed", "withdrawn"},
	[REASON_EVENT_DENIES] = {"suppressed", "event denies"},
	[REASON_LEDGER_REQUIRED] = {"suppressed", "ledger required"},
	[REASON_MALFORMED] = {"rejected", "malformed"},
	[REASON_USER_ID] = {"rejected", "user_id"},
	[REASON_EVENT] = {"rejected", "event"},
	[REASON_ITEM_ID] = {"rejected", "item_id"},
	[REASON_SESSION_ID] = {"rejected", "session_id"},
	[REASON_REQUEST_ID] = {"rejected", "request_id"},
	[REASON_MESSAGE_ID] = {"rejected", "message_id"},
	[REASON_TS] = {"rejected", "ts"},
	[REASON_PROPERTIES] = {"rejected", "properties"},
	[REASON_ITEMS] = {"rejected", "items"},
};

/* NULL without preload. */
static DatabaseCounters *shared = NULL;

/* Counters of this session, where it has no others. */
static DatabaseCounters own;

static shmem_request_hook_type previousRequestHook = NULL;
static shmem_startup_hook_type previousStartupHook = NULL;

/* shmem_request_hook: ask for the counters. */
static void
RequestShared(void)
{
	if (previousRequestHook)
		previousRequestHook();
	RequestAddinShmemSpace(MAX_DATABASES * sizeof(DatabaseCounters));
}

/* Set all counters to zero. */
static void
InitCounters(DatabaseCounters *counters)
{
	pg_atomic_init_u32(&counters->databaseId, InvalidOid);
	pg_atomic_init_u64(&counters->since, 0);
	for (int i = 0; i < INGEST_REASON_COUNT; i++)
		pg_atomic_init_u64(&counters->counts[i], 0);
}

/* shmem_startup_hook: find or make the counters. */
static void
StartupShared(void)
{
	bool		found;

	if (previousStartupHook)
		previousStartupHook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("personalize ingest counters",
							 MAX_DATABASES * sizeof(DatabaseCounters), &found);
	for (int i = 0; i < MAX_DATABASES && !found; i++)
		InitCounters(&shared[i]);
	LWLockRelease(AddinShmemInitLock);
}

/* The counters of this database: shared ones, found or claimed, else the session's. */
static DatabaseCounters *
FindCounters(void)
{
	for (int i = 0; shared && i < MAX_DATABASES; i++)
	{
		uint32		databaseId = pg_atomic_read_u32(&shared[i].databaseId);

		if (databaseId == InvalidOid &&
			pg_atomic_compare_exchange_u32(&shared[i].databaseId, &databaseId, MyDatabaseId))
		{
			pg_atomic_write_u64(&shared[i].since, (uint64) GetCurrentTimestamp());
			return &shared[i];
		}
		if (databaseId == MyDatabaseId)
			return &shared[i];
	}
	if (pg_atomic_read_u32(&own.databaseId) == InvalidOid)
	{
		pg_atomic_write_u32(&own.databaseId, MyDatabaseId);
		pg_atomic_write_u64(&own.since, (uint64) GetCurrentTimestamp());
	}
	return &own;
}

/* Add to the counts of this database. */
void
IngestStatAdd(const int64 *counts)
{
	DatabaseCounters *counters = FindCounters();

	for (int i = 0; i < INGEST_REASON_COUNT; i++)
		if (counts[i] != 0)
			pg_atomic_fetch_add_u64(&counters->counts[i], counts[i]);
}

/* _stat_ingest() → (status, reason, messages, since, scope). */
Datum
personalize_stat_ingest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DatabaseCounters *counters = FindCounters();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < INGEST_REASON_COUNT; i++)
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = CStringGetTextDatum(labels[i][0]);
		values[1] = CStringGetTextDatum(labels[i][1]);
		values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&counters->counts[i]));
		values[3] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&counters->since));
		values[4] = CStringGetTextDatum(counters == &own ? "session" : "database");
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Ask for shared memory, if there is still time to. */
void
IngestStatInit(void)
{
	InitCounters(&own);
	if (!process_shared_preload_libraries_in_progress)
		return;
	previousRequestHook = shmem_request_hook;
	shmem_request_hook = RequestShared;
	previousStartupHook = shmem_startup_hook;
	shmem_startup_hook = StartupShared;
}
