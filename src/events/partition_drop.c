/*
 * partition_drop.c
 *		Days of event that have served their time.
 *
 * Dropping a partition takes ACCESS EXCLUSIVE on the parent, and who waits for
 * that makes everybody wait who comes after and names event: analysts, dumps,
 * withdrawals.  (Ingestion and processors go to the partitions themselves.)  So
 * all that takes time is done before, the lock is asked for without waiting or
 * for a tenth of a second, and behind a long reader the caller gives up.
 *
 * A reader whose snapshot is older than the closing of the day adds the day's
 * events to profiles that do not contain them yet: the day waits for it.
 */
#include "postgres.h"

#include "events/partition_drop.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/lock_try.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "events/gone.h"
#include "events/partition.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

/* How often, how long and after which pause the lock is asked for, in milliseconds. */
#define ATTEMPTS 5
#define QUEUE_TIME 100
#define PAUSE_TIME 100

/* The transaction that closed a day; frozen if that is long ago. */
static TransactionId
ClosedBy(int32 day)
{
	Relation	table = RelationOpenTable("_event_day", AccessShareLock);
	TransactionId closedBy = FrozenTransactionId;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(day));
	scan = systable_beginscan(table, RelationIndex(table, "_event_day_pkey"), true,
							  GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		closedBy = HeapTupleHeaderGetXmin(tuple->t_data);
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return closedBy;
}

/* Hold a day and tell whether it may go. */
PartitionState
PartitionHoldForDrop(int32 day)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr stillPlan = NULL;
	const Oid	types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};
	int			others;

	if (SpiUtilRun(&plan,
				   "SELECT FROM personalize._event_day WHERE day = $1 AND rolled FOR UPDATE SKIP LOCKED",
				   1, types, values, NULL, false) == 0)
		return SpiUtilRun(&stillPlan, "SELECT FROM personalize._event_day WHERE day = $1 AND rolled",
						  1, types, values, NULL, false) > 0 ? PARTITION_WRITTEN : PARTITION_NOT_PASSED;
	GetCurrentVirtualXIDs(ClosedBy(day), true, false, PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &others);
	return others > 0 ? PARTITION_NEEDED : PARTITION_MAY_GO;
}

/* Queue for the parent. */
static bool
TakeParent(void *arg)
{
	LockRelationOid(*(Oid *) arg, AccessExclusiveLock);
	return true;
}

/* Lock event. */
bool
PartitionTryLockParent(void)
{
	Oid			parent = RelationFind("event", false);

	for (int attempt = 0; attempt < ATTEMPTS; attempt++)
	{
		if (attempt > 0)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 PAUSE_TIME, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
		if (ConditionalLockRelationOid(parent, AccessExclusiveLock) ||
			LockTry(TakeParent, &parent, QUEUE_TIME))
		{
			AcceptInvalidationMessages();
			return true;
		}
	}
	return false;
}

/* Note that events of a day, which the processors have counted, are going. */
void
PartitionNoteGone(int32 day)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};

	SpiUtilRun(&plan,
			   "UPDATE personalize.processor SET raw_gone_before = $1 + 1"
			   " WHERE raw_gone_before IS NULL OR raw_gone_before <= $1",
			   1, types, values, NULL, false);
}

/* Drop a day. */
bool
PartitionDrop(int32 day)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};
	char		name[PARTITION_NAME_LENGTH];
	Oid			partition;

	PartitionName(day, name);
	partition = RelationFind(name, true);
	if (OidIsValid(partition))
	{
		if (!ConditionalLockRelationOid(partition, AccessExclusiveLock))
			return false;
		SpiUtilCommand(psprintf("DROP TABLE personalize.%s", name));
	}
	PartitionNoteGone(day);
	SpiUtilRun(&plan, "DELETE FROM personalize._event_day WHERE day = $1", 1, types, values, NULL, false);
	GoneNoteEvents((day + 1) * USECS_PER_DAY);
	return true;
}
