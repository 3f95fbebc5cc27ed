/*
 * txid.c
 *		Transaction ids that survive restores, and snapshots over them.
 *
 * Every event carries the top-level transaction id that wrote it, and a
 * processor remembers as its position the snapshot of its last batch.  The next
 * batch is what the new snapshot sees and the old one did not: exact whatever
 * the order of commits, savepoints and long transactions (the idea is PgQ's).
 *
 * Ids start anew when a database is restored, cloned or upgraded.  An event's
 * txid is therefore incarnation << 48 | full transaction id, and the
 * incarnation is bumped when the system identifier, the database's OID or the
 * number of its files no longer are what they were.  Whatever an earlier
 * incarnation wrote is committed by definition (a dump holds nothing else); ids
 * are compared inside one incarnation only, and only here and in txid_snapshot.c.
 *
 * The number of the files is drawn by CREATE EXTENSION and not dumped: it tells what
 * was filled from a dump from what was made with the files of another database, by
 * pg_upgrade or CREATE DATABASE ... TEMPLATE.
 */
#include "postgres.h"

#include "base/txid.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_event_txid);
PG_FUNCTION_INFO_V1(personalize_txid_contains);
PG_FUNCTION_INFO_V1(personalize_txid_seen);
PG_FUNCTION_INFO_V1(personalize_txid_snapshot);

/*
 * The incarnation this backend found, valid while the table is the same; one
 * that this backend has itself begun, only in the transaction that began it.
 */
static int32 knownIncarnation = 0;
static Oid	knownIncarnationTable = InvalidOid;
static uint64 knownInTransaction = 0;

/* The top-level transaction that has last written events. */
static uint64 writingTransaction = 0;

/*
 * Read the present incarnation, or begin the next.  Where nothing can be written
 * it is still to begin, and nothing of it is there.
 */
static int32
FindIncarnation(bool mayBegin, bool *changed)
{
	static SPIPlanPtr selectPlan = NULL;
	static SPIPlanPtr insertPlan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, INT4OID};
	Datum		values[3];
	SpiUtilScope scope;
	bool		isNull;
	int32		newest = 0;
	bool		here = false;

	values[0] = Int64GetDatum((int64) GetSystemIdentifier());
	values[1] = Int64GetDatum((int64) MyDatabaseId);
	SpiUtilBegin(&scope);
	if (SpiUtilRun(&selectPlan,
				   "SELECT i.incarnation, (i.system_identifier, i.database_oid, i.files) = ($1, $2, f.last_value)"
				   " FROM personalize._incarnation AS i, personalize._files AS f ORDER BY i.incarnation DESC LIMIT 1",
				   2, types, values, NULL, true) > 0)
	{
		newest = DatumGetInt32(SpiUtilValue(0, 1, &isNull));
		here = DatumGetBool(SpiUtilValue(0, 2, &isNull));
	}
	*changed = !here;
	if (!here)
	{
		values[2] = Int32GetDatum(++newest);
		if (mayBegin && !XactReadOnly)
			SpiUtilRun(&insertPlan,
					   "INSERT INTO personalize._incarnation"
					   " (incarnation, system_identifier, database_oid, files)"
					   " SELECT $3, $1, $2, f.last_value FROM personalize._files AS f",
					   3, types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
	return newest;
}

/*
 * True if something has been ingested or processed here since the extension was
 * installed: a restored dump's rows name other files.
 */
bool
TxidIsInUse(void)
{
	static SPIPlanPtr plan = NULL;

	return SpiUtilRunAsOwner(&plan,
							 "SELECT FROM personalize._incarnation AS i JOIN personalize._files AS f ON f.last_value = i.files",
							 0, NULL, NULL, NULL, true) > 0;
}

/* This (top-level) transaction's full id, or 0 if it has none yet. */
static uint64
TopTransactionIfAny(void)
{
	return U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
}

/* True if this backend knows the incarnation. */
static bool
IsIncarnationKnown(Oid table)
{
	return knownIncarnationTable == table &&
		(knownInTransaction == 0 || knownInTransaction == TopTransactionIfAny());
}

/* The incarnation of this database's transaction ids. */
static int32
CurrentIncarnation(void)
{
	Oid			table = RelationFind("_incarnation", false);
	bool		changed;

	if (IsIncarnationKnown(table))
		return knownIncarnation;

	knownIncarnation = FindIncarnation(true, &changed);
	knownInTransaction = changed ? TopTransactionIfAny() : 0;
	knownIncarnationTable = changed && knownInTransaction == 0 ? InvalidOid : table;
	return knownIncarnation;
}

/* True if a txid is of the present incarnation. */
bool
TxidIsCurrent(int64 txid)
{
	Oid			table = RelationFind("_incarnation", false);

	if (!IsIncarnationKnown(table))
	{
		bool		changed;
		int32		incarnation = FindIncarnation(false, &changed);

		if (changed)
			return false;
		knownIncarnation = incarnation;
		knownInTransaction = 0;
		knownIncarnationTable = table;
	}
	return (int32) ((uint64) txid >> TXID_BITS) == knownIncarnation;
}

/* The txid of entries of the ledger written now. */
int64
TxidForDecisions(void)
{
	int32		incarnation = CurrentIncarnation();

	return MakeTxid(incarnation, U64FromFullTransactionId(GetTopFullTransactionId()));
}

/* The txid of events written now. */
int64
TxidForEvents(void)
{
	int64		txid = TxidForDecisions();

	writingTransaction = (uint64) txid & TXID_MASK;
	return txid;
}

/* No transaction that has an id by now has this one or a higher one. */
int64
TxidNext(void)
{
	int32		incarnation = CurrentIncarnation();

	return MakeTxid(incarnation, U64FromFullTransactionId(ReadNextFullTransactionId()));
}

/* True if this (top-level) transaction has written events. */
bool
TxidHasWrittenEvents(void)
{
	uint64		top = TopTransactionIfAny();

	return top != 0 && top == writingTransaction;
}

/* Widen a transaction id that is at most half the id space behind next. */
static uint64
WidenTransactionId(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

/* The txid that a transaction id of the recent past would have written events under. */
int64
TxidOfNow(uint32 transactionId)
{
	return MakeTxid(CurrentIncarnation(),
					WidenTransactionId(transactionId, ReadNextFullTransactionId()));
}

/* The transaction id behind a txid; invalid if an earlier incarnation had it. */
uint32
TxidTransactionId(int64 txid)
{
	if ((int32) ((uint64) txid >> TXID_BITS) != CurrentIncarnation())
		return InvalidTransactionId;
	return (uint32) txid;
}

/* True if the tables were filled anew from a dump since a txid: their files are none of then. */
bool
TxidWasDumped(int64 txid)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum((int32) ((uint64) txid >> TXID_BITS))};

	return SpiUtilRunAsOwner(&plan,
							 "SELECT FROM personalize._incarnation AS i JOIN personalize._files AS f ON f.last_value <> i.files"
							 " WHERE i.incarnation >= $1 LIMIT 1",
							 lengthof(types), types, values, NULL, true) > 0;
}

/*
 * The active snapshot over txids.  A snapshot does not list its own
 * transaction as in progress; it is added, because this transaction may still
 * write events after the batch.
 *
 * One taken during recovery does not tell transactions from subtransactions
 * and keeps both in subxip.  If that overflows, subtransactions are left out,
 * never their parents, and events carry the ids of those.
 */
TxidSnapshot *
TxidSnapshotTake(void)
{
	int32		incarnation = CurrentIncarnation();
	Snapshot	active = GetActiveSnapshot();
	const TransactionId *running = active->takenDuringRecovery ? active->subxip : active->xip;
	uint32		runningCount = active->takenDuringRecovery ? active->subxcnt : active->xcnt;
	FullTransactionId next = ReadNextFullTransactionId();
	uint64		own = TopTransactionIfAny();
	TxidSnapshot *snapshot = palloc0(sizeof(TxidSnapshot));

	snapshot->incarnation = incarnation;
	snapshot->xmin = WidenTransactionId(active->xmin, next);
	snapshot->xmax = WidenTransactionId(active->xmax, next);
	snapshot->inProgress = palloc(sizeof(uint64) * (runningCount + 1));
	for (uint32 i = 0; i < runningCount; i++)
		snapshot->inProgress[snapshot->inProgressCount++] =
			WidenTransactionId(running[i], next);
	if (own != 0)
	{
		if (own < snapshot->xmax)
			snapshot->inProgress[snapshot->inProgressCount++] = own;
		snapshot->xmin = Min(snapshot->xmin, own);
	}
	TxidSnapshotSort(snapshot);
	return snapshot;
}

/* Text form: incarnation:xmin:xmax:xid,xid,... */
char *
TxidSnapshotFormat(const TxidSnapshot *snapshot)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%d:" UINT64_FORMAT ":" UINT64_FORMAT ":",
					 snapshot->incarnation, snapshot->xmin, snapshot->xmax);
	for (int i = 0; i < snapshot->inProgressCount; i++)
		appendStringInfo(&text, "%s" UINT64_FORMAT, i ? "," : "", snapshot->inProgress[i]);
	return text.data;
}

/* Read one number and the character that must follow it (0: the end or a comma). */
static uint64
ParseNumber(const char **cursor, char follows, const char *string)
{
	char	   *end;
	uint64		number;

	errno = 0;
	number = strtoull(*cursor, &end, 10);
	if (errno != 0 || end == *cursor || **cursor < '0' || **cursor > '9' ||
		number > TXID_MASK ||
		(follows ? *end != follows : (*end != '\0' && (*end != ',' || end[1] == '\0'))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid processor position \"%s\"", string)));
	*cursor = *end ? end + 1 : end;
	return number;
}

/* The reverse of TxidSnapshotFormat. */
TxidSnapshot *
TxidSnapshotParse(const char *string)
{
	TxidSnapshot *snapshot = palloc0(sizeof(TxidSnapshot));
	const char *cursor = string;
	int			capacity = 1;

	for (const char *c = string; *c; c++)
		capacity += (*c == ',');
	snapshot->incarnation = (int32) ParseNumber(&cursor, ':', string);
	snapshot->xmin = ParseNumber(&cursor, ':', string);
	snapshot->xmax = ParseNumber(&cursor, ':', string);
	snapshot->inProgress = palloc(sizeof(uint64) * capacity);
	while (*cursor)
		snapshot->inProgress[snapshot->inProgressCount++] = ParseNumber(&cursor, 0, string);
	return snapshot;
}

/* _event_txid(): default of event.txid. */
Datum
personalize_event_txid(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(TxidForEvents());
}

/* _txid_seen(txid, asof) */
Datum
personalize_txid_seen(PG_FUNCTION_ARGS)
{
	TxidSnapshot *snapshot = TxidSnapshotParse(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	PG_RETURN_BOOL(TxidIsSeen(PG_GETARG_INT64(0), snapshot));
}

/* _txid_contains(outer, inner) */
Datum
personalize_txid_contains(PG_FUNCTION_ARGS)
{
	TxidSnapshot *outer = TxidSnapshotParse(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TxidSnapshot *inner = TxidSnapshotParse(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	PG_RETURN_BOOL(TxidSnapshotContains(outer, inner));
}

/* _txid_snapshot() */
Datum
personalize_txid_snapshot(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(TxidSnapshotFormat(TxidSnapshotTake())));
}
