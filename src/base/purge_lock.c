/*
 * purge_lock.c
 *		Being alone with people, to take something away from them.
 *
 * Withdrawals and erasures lock the stripes of the people they are about, which
 * whoever stores or counts events of these holds shared.  Before that they take
 * a lock that makes them take turns, for they change rows that people have in
 * common (counters of an item, postings, totals of all sessions): in one order,
 * so that no two of them wait for each other.
 *
 * Nothing finer would do for those who join ids, either.  A transaction may join many,
 * in whatever order its caller asks for them, so two of them with locks of people alone
 * could each hold what the other wants next; and each step of a move writes rows that
 * others share, in the order of that step, with locks that last as long as the
 * transaction.  Postings are written by one transaction at a time anyway
 * (SessionIndexLock), so two that have sessions to move would wait for each other
 * all the same.
 *
 * Who waits for a stripe makes everybody wait who comes after and stores events
 * of its users.  So behind a long transaction we do not stay in the queue: we
 * leave it, let them pass and come again, until our time is over.
 */
#include "postgres.h"

#include "base/purge_lock.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/lock_try.h"
#include "base/process_name.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So long we stay in the queue, pause, and wait in all. */
#define QUEUE_MS 200
#define PAUSE_MS 50
#define MAX_WAIT_MS 30000

/* So many transactions in the way are named. */
#define MAX_NAMED 5

/* So often a wait looks who is in the way. */
#define NOTE_AFTER_MS 1000

/* A wait. */
typedef struct PurgeWait
{
	TimestampTz start;
	TimestampTz noted;			/* when holders were looked up */
	char	   *holders;		/* NULL: not yet, or none */
} PurgeWait;

/* Take the turn and the stripes, in order; false if they are not to be had at once. */
static bool
LockAll(const bool *stripes, bool wait)
{
	if (wait)
		PurgeLock();
	else if (!PurgeTryLock())
		return false;
	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
	{
		if (!stripes[stripe])
			continue;
		if (wait)
			StripeLock(stripe, true);
		else if (!StripeTryLock(stripe, true))
			return false;
	}
	return true;
}

/* What is to be locked, and whether to wait for it. */
typedef struct Wanted
{
	const bool *stripes;
	bool		wait;
} Wanted;

/* LockAll, for LockTry. */
static bool
TakeAll(void *argument)
{
	const Wanted *wanted = argument;

	return LockAll(wanted->stripes, wanted->wait);
}

/* LockAll for no longer than a while; what it has got is given back if it fails. */
static bool
TryAll(const bool *stripes, bool wait)
{
	Wanted		wanted = {stripes, wait};

	return LockTry(TakeAll, &wanted, QUEUE_MS);
}

/* The transactions in the way, in words; NULL if they have just ended. */
static char *
DescribeHolders(const bool *stripes)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, INT4OID, INT4OID, INT4OID, INT4OID};
	Datum		chosen[SHARD_COUNT];
	Datum		values[5];
	int			count = 0;
	StringInfoData holders;
	bool		isNull;
	SpiUtilScope scope;

	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
		if (stripes[stripe])
			chosen[count++] = Int64GetDatum(stripe);
	values[0] = PointerGetDatum(construct_array(chosen, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = Int32GetDatum(LOCK_STRIPE);
	values[2] = Int32GetDatum(LOCK_PURGE);
	values[3] = Int32GetDatum(LOCK_KIND);
	values[4] = Int32GetDatum(MAX_NAMED);
	initStringInfo(&holders);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT DISTINCT l.pid, CASE WHEN l.pid IS NULL THEN format('prepared transaction %L', p.gid) END"
			   " FROM pg_locks l LEFT JOIN (pg_locks x JOIN pg_prepared_xacts p ON p.transaction = x.transactionid"
			   "   AND x.locktype = 'transactionid' AND x.pid IS NULL)"
			   "  ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction"
			   " WHERE l.locktype = 'advisory' AND l.objsubid = $4 AND l.granted"
			   "  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
			   "  AND l.pid IS DISTINCT FROM pg_backend_pid()"
			   "  AND (l.classid::int8 = $2 AND l.objid::int8 = ANY ($1) OR l.classid::int8 = $3)"
			   " ORDER BY 1, 2 LIMIT $5",
			   lengthof(types), types, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int			pid = DatumGetInt32(SpiUtilValue(row, 1, &isNull));

		if (row > 0)
			appendStringInfoString(&holders, "; ");
		if (!isNull)
			appendStringInfoString(&holders, ProcessNameDoing(pid));
		else
			appendStringInfoString(&holders, TextDatumGetCString(SpiUtilValue(row, 2, &isNull)));
	}
	SpiUtilEnd(&scope);
	return holders.len > 0 ? holders.data : NULL;
}

/* Give up. */
static void
ReportTimeout(const bool *stripes, const char *notDone, int limit)
{
	char	   *holders = DescribeHolders(stripes);

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("%s: transactions that may be storing events of the person have not ended within %d ms",
					notDone, limit),
			 holders ? errdetail("Still open: %s.", holders) : 0,
			 errhint("Try again, with a longer lock_timeout, or end what stays open: pg_terminate_backend(process), ROLLBACK PREPARED 'name'. A processor's batch ends by itself.")));
}

/* While a wait that was cancelled: say what for. */
static void
AddContext(void *arg)
{
	const PurgeWait *wait = arg;

	if (wait->holders)
		errcontext("waiting for transactions that may be storing events of the person: %s",
				   wait->holders);
}

/* From time to time see whom we wait for, and once tell the log. */
static void
NoteHolders(PurgeWait *wait, const bool *stripes, const char *notDone)
{
	TimestampTz now = ClockSteady();
	bool		first = wait->holders == NULL;

	if (!TimestampDifferenceExceeds(first ? wait->start : wait->noted, now, NOTE_AFTER_MS))
		return;
	wait->noted = now;
	wait->holders = DescribeHolders(stripes);
	if (first && wait->holders)
		ereport(LOG,
				(errmsg("waiting for transactions that may be storing events of the person"),
				 errdetail("Until they have ended %s: %s.", notDone, wait->holders),
				 errhidestmt(true),
				 errhidecontext(true)));
}

/* Lock the chosen stripes exclusively. */
void
PurgeLockStripes(const bool stripes[SHARD_COUNT], const char *notDone)
{
	PurgeWait	wait = {.start = ClockSteady()};
	ErrorContextCallback context = {error_context_stack, AddContext, &wait};
	int			limit = LockTimeout > 0 ? LockTimeout : MAX_WAIT_MS;

	if (TryAll(stripes, false))
		return;
	/* who holds one of these already may wait for another like that: find deadlocks */
	if (TxidHasWrittenEvents() || PurgeLockIsHeld())
	{
		LockAll(stripes, true);
		return;
	}
	error_context_stack = &context;
	while (!TryAll(stripes, true))
	{
		if (TimestampDifferenceExceeds(wait.start, ClockSteady(), limit))
		{
			error_context_stack = context.previous;
			ReportTimeout(stripes, notDone, limit);
		}
		NoteHolders(&wait, stripes, notDone);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 PAUSE_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	error_context_stack = context.previous;
}

/* Raise if statements of this transaction do not see what was committed before them. */
void
PurgeCheckReadCommitted(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot run in a transaction above READ COMMITTED", function),
				 errdetail("Events committed since the transaction began would be missed."),
				 errhint("%s", ArgumentIsolationHint())));
}
