/*
 * tail_note.c
 *		What each transaction adds to the ring of the newest events, and what it does not.
 *
 * The server counts the rows that a transaction has put into a table, however that was
 * done.  If these are not as many as this transaction has noted here, others than this
 * extension have written, and the partition is taken off the list of those whose newest
 * events are all in the ring, before the transaction can be seen.  What a subtransaction
 * has noted counts as long as its rows do.
 */
#include "postgres.h"

#include "events/tail_note.h"

#include "access/xact.h"
#include "compat.h"
#include "events/tail_cover.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Rows this transaction has added, by partition and nest level. */
typedef struct NotedRows
{
	Oid			partition;
	int			level;
	int64		rows;
} NotedRows;

static List *notedRows = NIL;

/* True if rows are to be noted. */
bool
TailNoteWants(void)
{
	return TailCoverExists();
}

/* Note rows that this transaction has written. */
void
TailNoteAdd(Relation partition, const TailEvent *events, int count)
{
	int			level = GetCurrentTransactionNestLevel();
	NotedRows  *noted = notedRows == NIL ? NULL : llast(notedRows);

	TailRingAdd(CompatRelationFile(partition), events, count);
	if (noted == NULL || noted->partition != RelationGetRelid(partition) || noted->level != level)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

		noted = palloc0(sizeof(NotedRows));
		noted->partition = RelationGetRelid(partition);
		noted->level = level;
		notedRows = lappend(notedRows, noted);
		MemoryContextSwitchTo(caller);
	}
	noted->rows += count;
}

/* How many rows of a partition this transaction has noted. */
static int64
CountNoted(Oid partition)
{
	int64		rows = 0;
	ListCell   *cell;

	foreach(cell, notedRows)
		if (((NotedRows *) lfirst(cell))->partition == partition)
			rows += ((NotedRows *) lfirst(cell))->rows;
	return rows;
}

/* How many it has put into the table, as the server counts them; -1: it does not. */
static int64
CountWritten(Oid partition)
{
	Relation	relation = RelationIdGetRelation(partition);
	int64		rows = -1;

	if (relation == NULL)
		return -1;
	if (pgstat_should_count_relation(relation))
	{
		rows = 0;
		for (PgStat_TableXactStatus *level = relation->pgstat_info->trans; level != NULL; level = level->upper)
			rows += level->tuples_inserted + level->tuples_updated;
	}
	RelationClose(relation);
	return rows;
}

/* Before this transaction can be seen: take partitions off the list with rows that were not noted. */
static void
CheckWritten(void)
{
	int			place = 0;
	Oid			partition;

	/* what this transaction has written was written before the list is looked at */
	pg_memory_barrier();
	while (OidIsValid(partition = TailCoverNext(&place)))
	{
		LOCKTAG		tag;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, partition);
		if (LockHeldByMe(&tag, RowExclusiveLock, false) && CountWritten(partition) != CountNoted(partition))
			TailCoverRemove(partition);
	}
}

/* Transaction callback. */
static void
AtTransaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
	{
		if (TailCoverExists() && TransactionIdIsValid(GetTopTransactionIdIfAny()))
			CheckWritten();
	}
	else
		notedRows = NIL;
}

/* Subtransaction callback: what it has noted becomes its parent's, or nobody's. */
static void
AtSubTransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	ListCell   *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, notedRows)
	{
		NotedRows  *noted = lfirst(cell);

		if (noted->level < level)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			noted->level = level - 1;
		else
			notedRows = foreach_delete_current(notedRows, cell);
	}
}

/* Watch transactions. */
void
TailNoteInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	RegisterXactCallback(AtTransaction, NULL);
	RegisterSubXactCallback(AtSubTransaction, NULL);
}
