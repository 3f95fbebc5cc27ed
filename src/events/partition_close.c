/*
 * partition_close.c
 *		Closing the days of event that every processor has passed.
 *
 * A closed day is not looked at any more by readers and processors, and may be
 * dropped by retention once its time is over.  So nothing in it may be unseen by
 * any processor, enabled or not, nor be on its way: rows of transactions that
 * still run count as well.
 */
#include "postgres.h"

#include "events/partition.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/clock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "events/event_pages.h"
#include "events/event_row.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/date.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The highest txid on any page of a partition, of transactions still running too. */
static int64
HighestTxid(Relation partition)
{
	TupleTableSlot *slot = table_slot_create(partition, NULL);
	TableScanDesc scan = table_beginscan_strat(partition, SnapshotAny, 0, NULL, true, false);
	int64		highest = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isNull;
		int64		txid = DatumGetInt64(slot_getattr(slot, EVENT_TXID, &isNull));

		CHECK_FOR_INTERRUPTS();
		highest = Max(highest, txid);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return highest;
}

/*
 * True if some event of a partition, as far as it can be seen, has a txid from
 * this one on: found by the BRIN index, so a day that must stay open for long is
 * not read again and again.
 */
bool
PartitionHasTxidFrom(int32 day, int64 txid)
{
	char		name[PARTITION_NAME_LENGTH];

	PartitionName(day, name);
	return OidIsValid(RelationFind(name, true)) &&
		SpiUtilCommand(psprintf("SELECT FROM personalize.%s WHERE txid OPERATOR(pg_catalog.>=) " INT64_FORMAT
									" LIMIT 1", name, txid)) > 0;
}

/* A name for an index of our own: this one, or what the server chooses if somebody has taken it. */
static const char *
UnusedName(const char *name)
{
	return OidIsValid(RelationFind(name, true)) ? "" : name;
}

/*
 * Close one day if everything in it has been seen; the caller has connected.
 * Nobody may write into it meanwhile, and who comes after finds it closed.
 */
static bool
CloseDay(int32 day, int64 allSeenBelow)
{
	static SPIPlanPtr closePlan = NULL;
	const Oid	types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};
	char		name[PARTITION_NAME_LENGTH];
	Oid			partitionId;
	Relation	partition;
	Relation	index;
	int64		highest;

	PartitionName(day, name);
	partitionId = RelationFind(name, true);
	if (!OidIsValid(partitionId) || PartitionHasTxidFrom(day, allSeenBelow) ||
		!ConditionalLockRelationOid(partitionId, ShareLock))
		return false;
	partition = try_table_open(partitionId, NoLock);
	if (partition == NULL)
		return false;
	highest = HighestTxid(partition);
	index = EventOpenIndex(partition, BTREE_AM_OID, EVENT_USER_KEY);
	if (index)
		index_close(index, AccessShareLock);
	table_close(partition, NoLock);
	if (highest >= allSeenBelow ||
		SpiUtilRun(&closePlan, "UPDATE personalize._event_day SET rolled = true WHERE day = $1 AND NOT rolled",
				   1, types, values, NULL, false) == 0)
		return false;
	if (!index)
	{
		PartitionPinTablespace();
		SpiUtilCommand(psprintf("CREATE INDEX %s ON personalize.%s (user_key) WITH (fillfactor = 100)",
								UnusedName(psprintf("%s_user", name)), name));
	}
	/* whoever has found it open looks again */
	CacheInvalidateRelcacheByRelid(partitionId);
	return true;
}

/* Mark past days as passed whose every event has a txid below allSeenBelow. */
int
PartitionCloseDays(int64 allSeenBelow, int most)
{
	int32		yesterday = PartitionDay(ClockNow()) - 1;
	List	   *days = PartitionDays(GetActiveSnapshot(), false);
	SpiUtilScope scope;
	ListCell   *cell;
	int			closed = 0;

	SpiUtilBegin(&scope);
	foreach(cell, days)
	{
		if (closed < most && lfirst_int(cell) < yesterday &&
			CloseDay(lfirst_int(cell), allSeenBelow))
			closed++;
	}
	SpiUtilEnd(&scope);
	return closed;
}

/* Bring the BRIN index of a partition up to date. */
static void
SummarizeDay(Oid partitionId)
{
	Relation	partition = try_table_open(partitionId, AccessShareLock);
	Relation	brin;

	if (partition == NULL)
		return;
	brin = EventOpenIndex(partition, BRIN_AM_OID, EVENT_TXID);
	if (brin != NULL)
	{
		SpiUtilCommand(psprintf("SELECT pg_catalog.brin_summarize_new_values(%u)", RelationGetRelid(brin)));
		index_close(brin, AccessShareLock);
	}
	table_close(partition, AccessShareLock);
}

/* Bring the BRIN indexes of open days up to date. */
void
PartitionSummarize(void)
{
	List	   *partitions = PartitionList(GetActiveSnapshot(), false, 0);
	SpiUtilScope scope;
	ListCell   *cell;

	SpiUtilBegin(&scope);
	foreach(cell, partitions)
		SummarizeDay(lfirst_oid(cell));
	SpiUtilEnd(&scope);
	list_free(partitions);
}
