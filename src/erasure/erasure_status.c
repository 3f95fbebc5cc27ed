/*
 * erasure_status.c
 *		How far an erasure has got, and what stands in its way.
 *
 * forget() ends the logical part; what follows happens to files, and a row of
 * erasure records when it did (column reached): dictionary, when nothing that
 * only the erased had is left in it; vacuumed and statistics, when the scrub
 * process has gone over all tables; replicas, wal and backups, when somebody
 * looked and found it so.  The last three are observed each time: a standby that
 * was never connected is known by its slot only, and backups only by how long
 * the operator says they are kept.
 *
 * In a database that was restored from a dump, earlier erasures have reached all
 * stages but backups: a dump carries rows, not files.  One that pg_upgrade or CREATE
 * DATABASE ... TEMPLATE has made has the files, and what is still to be removed from them.
 */
#include "postgres.h"

#include "erasure/erasure_status.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "base/argument.h"
#include "base/event_time.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "erasure/erasure_blocker.h"
#include "erasure/erasure_scrub.h"
#include "erasure/erasure_sweep.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(personalize_erasure_status);
PG_FUNCTION_INFO_V1(personalize_scrub_erased);

int			personalize_backup_retention = -1;

/* What a row of erasure tells. */
typedef struct Erasure
{
	TimestampTz requestedAt;
	int64		cutoff;
	bool		restored;		/* from a dump, since */
	int64		candidates;		/* still to be decided about */
	TimestampTz dictionary;		/* when reached; 0: not yet */
	TimestampTz vacuumed;
	TimestampTz replicas;
	TimestampTz wal;
	TimestampTz backups;
	XLogRecPtr	lsn;			/* end of the WAL when vacuumed */
} Erasure;

/* A row of erasure_status. */
typedef struct StageRow
{
	const char *stage;
	bool		done;
	TimestampTz since;			/* 0: NULL */
	const char *detail;
	List	   *blockers;
	const char *fix;
} StageRow;

#define ERASURE_COLUMNS \
	"SELECT e.receipt, e.requested_at, e.cutoff," \
	" (SELECT count(*) FROM personalize._erasure_candidate c WHERE c.noted_at <= e.requested_at)," \
	" (e.reached ->> 'dictionary')::timestamptz, (e.reached ->> 'vacuumed')::timestamptz," \
	" (e.reached ->> 'replicas')::timestamptz, (e.reached ->> 'wal')::timestamptz," \
	" (e.reached ->> 'backups')::timestamptz, (e.reached ->> 'lsn')::pg_lsn FROM personalize.erasure e "

/* A datum of the result, 0 for NULL. */
static int64
Value(uint64 row, int column)
{
	bool		isNull;
	Datum		value = SpiUtilValue(row, column, &isNull);

	return isNull ? 0 : DatumGetInt64(value);
}

/* Read a row of the query above. */
static void
ReadErasure(uint64 row, Erasure *erasure)
{
	erasure->requestedAt = Value(row, 2);
	erasure->cutoff = Value(row, 3);
	erasure->candidates = Value(row, 4);
	erasure->dictionary = Value(row, 5);
	erasure->vacuumed = Value(row, 6);
	erasure->replicas = Value(row, 7);
	erasure->wal = Value(row, 8);
	erasure->backups = Value(row, 9);
	erasure->lsn = (XLogRecPtr) Value(row, 10);
}

/* Find an erasure by its receipt. */
static void
FindErasure(Datum receipt, Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {UUIDOID};
	SpiUtilScope scope;
	uint64		found;

	SpiUtilBegin(&scope);
	found = SpiUtilRun(&plan, ERASURE_COLUMNS "WHERE e.receipt = $1", 1, types, &receipt, NULL, true);
	if (found > 0)
		ReadErasure(0, erasure);
	SpiUtilEnd(&scope);
	if (found == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no erasure with receipt \"%s\"",
						DatumGetCString(DirectFunctionCall1(uuid_out, receipt))),
				 errhint("Receipts are returned by forget() and kept in personalize.erasure.")));
	erasure->restored = TxidWasDumped(erasure->cutoff);
}

/* Nothing of the person is returned by any statement. */
static StageRow
LogicalStage(const Erasure *erasure)
{
	return (StageRow) {
		.stage = "logical",.done = true,.since = erasure->requestedAt,
		.detail = "no statement returns anything of the person, and events that name the person are refused"
	};
}

/* What only the person had has left the dictionary. */
static StageRow
DictionaryStage(const Erasure *erasure)
{
	StageRow	row = {.stage = "dictionary",.done = erasure->candidates == 0,.since = erasure->dictionary};

	if (row.done)
	{
		row.detail = "values and items that only the person had are gone";
		return row;
	}
	row.detail = psprintf(INT64_FORMAT " values and items of the person may be nobody else's",
						  erasure->candidates);
	row.fix = "Run SELECT * FROM personalize.scrub_erased().";
	return row;
}

/* Old row versions are gone and the space they had is overwritten. */
static StageRow
VacuumedStage(const Erasure *erasure)
{
	StageRow	row = {.stage = "vacuumed",.since = erasure->vacuumed};
	List	   *indexes;
	Relation	table;

	row.done = erasure->restored || erasure->vacuumed != 0;
	if (row.done)
	{
		row.detail = erasure->restored ?
			"the database was restored since from a dump, which carries no old row versions" :
			"row versions and index entries of the person are removed and their space is overwritten";
		return row;
	}
	table = RelationOpenTable("erasure", AccessShareLock);
	if (TxidOfNow(GetOldestNonRemovableTransactionId(table)) < erasure->cutoff)
		row.blockers = ErasureSnapshotBlockers(erasure->cutoff);
	relation_close(table, AccessShareLock);
	indexes = ErasureIndexBlockers(false);
	if (row.blockers != NIL)
	{
		row.detail = "deleted row versions still lie in the files, and must: older transactions may read them";
		row.fix = "End what blocks: pg_terminate_backend(), ROLLBACK PREPARED, pg_drop_replication_slot() or hot_standby_feedback = off there; then run SELECT * FROM personalize.scrub_erased().";
	}
	else if (indexes != NIL)
	{
		row.detail = "deleted row versions still lie in the files, and VACUUM does not look into invalid indexes";
		row.fix = "Run SELECT * FROM personalize.scrub_erased(), which drops those that a REINDEX CONCURRENTLY has left (named _ccnew or _ccold); DROP INDEX CONCURRENTLY or REINDEX others yourself.";
	}
	else
	{
		row.detail = "deleted row versions still lie in the files; nothing keeps VACUUM from removing them";
		row.fix = "Run SELECT * FROM personalize.scrub_erased().";
	}
	row.blockers = list_concat(row.blockers, indexes);
	return row;
}

/* The planner's statistics know nothing of the person. */
static StageRow
StatisticsStage(const Erasure *erasure)
{
	StageRow	row = {.stage = "statistics",.since = erasure->vacuumed};

	row.blockers = ErasureStatisticsBlockers();
	row.done = row.blockers == NIL && (erasure->restored || erasure->vacuumed != 0);
	if (row.done)
		row.detail = "the planner keeps no statistics about columns with data of people; others were made anew";
	else if (row.blockers != NIL)
	{
		row.detail = "the planner keeps statistics about columns with data of people";
		row.fix = "Run ALTER TABLE ... ALTER COLUMN ... SET STATISTICS 0 for these columns, as a superuser DELETE FROM pg_catalog.pg_statistic WHERE (starelid, staattnum) is theirs, and VACUUM FULL pg_catalog.pg_statistic; drop indexes and statistics objects that are named, or let them be of other columns.";
	}
	else
		row.detail = "made anew when the tables are vacuumed";
	return row;
}

/* Standbys have replayed all of it. */
static StageRow
ReplicasStage(const Erasure *erasure)
{
	StageRow	row = {.stage = "replicas",.since = erasure->replicas};

	if (erasure->restored || erasure->vacuumed == 0)
	{
		row.done = erasure->restored;
		row.detail = erasure->restored ? "the database was restored since from a dump" : "waits for stage vacuumed";
		return row;
	}
	row.blockers = RecoveryInProgress() ? NIL : ErasureReplicaBlockers(erasure->lsn);
	row.done = row.blockers == NIL;
	if (RecoveryInProgress())
	{
		XLogRecPtr	replayed = GetXLogReplayRecPtr(NULL);

		row.done = replayed >= erasure->lsn;
		row.detail = psprintf("this standby has replayed %X/%X of %X/%X",
							  LSN_FORMAT_ARGS(replayed), LSN_FORMAT_ARGS(erasure->lsn));
		return row;
	}
	row.detail = psprintf("%s %X/%X", row.done ? "no standby known or expected is behind" : "some have not replayed",
						  LSN_FORMAT_ARGS(erasure->lsn));
	if (!row.done)
		row.fix = "Wait for them, or drop the slots of standbys that are gone. A standby that is not connected, has no slot and is not named in personalize.expected_standbys is not known here.";
	return row;
}

/* No WAL from before is kept on this server. */
static StageRow
WalStage(const Erasure *erasure)
{
	StageRow	row = {.stage = "wal",.since = erasure->wal};
	char	   *oldest;
	int			count;

	if (erasure->restored || erasure->vacuumed == 0)
	{
		row.done = erasure->restored;
		row.detail = erasure->restored ? "the database was restored since from a dump" : "waits for stage vacuumed";
		return row;
	}
	count = ErasureOldWal(erasure->lsn, erasure->vacuumed, &oldest);
	row.blockers = ErasureWalBlockers(erasure->lsn);
	row.done = count == 0 && row.blockers == NIL;
	if (row.done)
		row.detail = "pg_wal holds nothing from before the row versions were removed, and a checkpoint has been completed since";
	else
	{
		row.detail = psprintf("%d files of pg_wal are from before, the first is %s",
							  count, oldest ? oldest : "gone");
		row.fix = "They go as WAL is written and checkpoints are completed; pg_switch_wal() and CHECKPOINT hasten it. With wal_recycle = off files are deleted instead of kept for reuse; wal_keep_size, slots and a failing archive_command keep them.";
	}
	return row;
}

/* Backups and archived WAL from before have been deleted, as the operator says. */
static StageRow
BackupsStage(const Erasure *erasure)
{
	StageRow	row = {.stage = "backups",.since = erasure->backups};
	TimestampTz due;

	if (personalize_backup_retention < 0)
	{
		row.detail = "it is not known how long backups and archived WAL are kept";
		row.fix = "Set personalize.backup_retention to how long they are kept at most (0: there are none).";
		return row;
	}
	if (erasure->vacuumed == 0)
	{
		row.detail = "waits for stage vacuumed";
		return row;
	}
	due = TimestampTzPlusMilliseconds(erasure->vacuumed, personalize_backup_retention * INT64CONST(60000));
	row.done = GetCurrentTimestamp() >= due;
	row.detail = psprintf("backups and archived WAL from before %s are %s by %s (personalize.backup_retention)",
						  EventTimeFormat(erasure->vacuumed),
						  row.done ? "deleted" : "to be deleted", EventTimeFormat(due));
	if (!row.done)
		row.fix = "Delete older ones now, or wait; after restoring one, run personalize.reapply_erasures().";
	return row;
}

/* Names as a text array; NULL if there are none. */
static Datum
NameArray(const List *names, bool *isNull)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(names) + 1));
	const ListCell *cell;
	int			count = 0;

	foreach(cell, names)
		values[count++] = CStringGetTextDatum((char *) lfirst(cell));
	*isNull = count == 0;
	return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Return a row. */
static void
PutStage(ReturnSetInfo *result, StageRow row)
{
	bool		nulls[6] = {false};
	Datum		values[6];

	values[0] = CStringGetTextDatum(row.stage);
	values[1] = BoolGetDatum(row.done);
	values[2] = TimestampTzGetDatum(row.since);
	nulls[2] = !row.done || row.since == 0;
	values[3] = CStringGetTextDatum(row.detail);
	values[4] = NameArray(row.blockers, &nulls[4]);
	nulls[5] = row.fix == NULL;
	if (row.fix)
		values[5] = CStringGetTextDatum(row.fix);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* erasure_status(receipt): one row a stage. */
Datum
personalize_erasure_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Erasure		erasure;

	ArgumentCheckGiven(fcinfo, 0, "receipt");
	FindErasure(PG_GETARG_DATUM(0), &erasure);
	InitMaterializedSRF(fcinfo, 0);
	PutStage(result, LogicalStage(&erasure));
	PutStage(result, DictionaryStage(&erasure));
	PutStage(result, VacuumedStage(&erasure));
	PutStage(result, StatisticsStage(&erasure));
	PutStage(result, ReplicasStage(&erasure));
	PutStage(result, WalStage(&erasure));
	PutStage(result, BackupsStage(&erasure));
	return (Datum) 0;
}

/* Write down that an erasure has reached a stage. */
static void
Record(Datum receipt, const StageRow *row)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {UUIDOID, TEXTOID};
	Datum		values[] = {receipt, CStringGetTextDatum(row->stage)};

	if (!row->done || row->since != 0)
		return;
	SpiUtilRun(&plan,
			   "UPDATE personalize.erasure SET stage = $2,"
			   " reached = reached || jsonb_build_object($2, clock_timestamp()) WHERE receipt = $1",
			   lengthof(types), types, values, NULL, false);
}

/* Write down which erasures have reached the stages that are only observed. */
static void
RecordObserved(void)
{
	SpiUtilScope scope;
	SPITupleTable *rows;
	uint64		count;

	SpiUtilBegin(&scope);
	SPI_execute(ERASURE_COLUMNS "WHERE e.reached ? 'vacuumed' AND NOT e.reached ?& '{replicas,wal,backups}'", false, 0);
	rows = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		Erasure		erasure;
		StageRow	row;
		bool		isNull;
		Datum		receipt;

		SPI_tuptable = rows;
		receipt = SpiUtilValue(i, 1, &isNull);
		ReadErasure(i, &erasure);
		erasure.restored = TxidWasDumped(erasure.cutoff);
		row = ReplicasStage(&erasure);
		Record(receipt, &row);
		row = WalStage(&erasure);
		Record(receipt, &row);
		row = BackupsStage(&erasure);
		Record(receipt, &row);
	}
	SpiUtilEnd(&scope);
}

/* Return a row of scrub_erased. */
static void
PutStep(ReturnSetInfo *result, const char *step, bool done, const char *detail, const char *fix)
{
	Datum		values[] = {
		CStringGetTextDatum(step), BoolGetDatum(done), CStringGetTextDatum(detail),
		fix ? CStringGetTextDatum(fix) : (Datum) 0
	};
	bool		nulls[] = {false, false, false, fix == NULL};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Raise where it cannot work. */
static void
CheckMayScrub(void)
{
	PreventCommandIfReadOnly("scrub_erased()");
	PreventCommandIfParallelMode("scrub_erased()");
	PreventCommandDuringRecovery("scrub_erased()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("scrub_erased() cannot run in a transaction above READ COMMITTED"),
				 errhint("%s", ArgumentIsolationHint())));
	if (TxidHasWrittenEvents())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("scrub_erased() cannot run in a transaction that has written events"),
				 errhint("COMMIT first.")));
	/* it would wait for batches that wait for the people locked here */
	if (PurgeLockIsHeld())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("scrub_erased() cannot run in the transaction that erases"),
				 errhint("COMMIT first.")));
}

/* scrub_erased(files): do what can be done for all erasures; in the files, too, unless that is not wanted. */
Datum
personalize_scrub_erased(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ErasureSweepResult sweep;

	CheckMayScrub();
	ArgumentCheckGiven(fcinfo, 0, "files");
	InitMaterializedSRF(fcinfo, 0);
	sweep = ErasureSweep(true);
	ErasureSweepRecord();
	RecordObserved();
	PutStep(result, "dictionary", true,
			psprintf(INT64_FORMAT " values and " INT64_FORMAT " items are deleted, " INT64_FORMAT " are kept because others have them",
					 sweep.values, sweep.items, sweep.kept), NULL);
	if (!PG_GETARG_BOOL(0))
		return (Datum) 0;
	if (!ErasureScrubIsNeeded())
		PutStep(result, "vacuum", true, "no erasure waits for it", NULL);
	else if (ErasureScrubStart())
		PutStep(result, "vacuum", false,
				"a background process drops indexes that were left invalid, vacuums and analyzes the tables and overwrites their free space once this transaction has ended",
				"See personalize.erasure_status(); if it does not move on, the server log says why.");
	else
		PutStep(result, "vacuum", false, "no background process could be started",
				"Raise max_worker_processes or wait for a free slot, then call scrub_erased() again.");
	return (Datum) 0;
}

/* Called once when the library is loaded. */
void
ErasureStatusInit(void)
{
	DefineCustomIntVariable("personalize.backup_retention",
							"How long backups and archived WAL are kept at most; -1: not stated.",
							NULL, &personalize_backup_retention, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomStringVariable("personalize.expected_standbys",
							   "Names (application_name) of the standbys that erasure_status() waits for, connected or not.",
							   NULL, &personalize_expected_standbys, "",
							   PGC_SUSET, GUC_LIST_INPUT, ErasureCheckStandbys, NULL, NULL);
}
