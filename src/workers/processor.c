/*
 * processor.c
 *		The stream processors: which there are, and how far each has got.
 */
#include "postgres.h"

#include "workers/processor.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/choice.h"
#include "base/relation.h"
#include "base/row_place.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_processor_number);
PG_FUNCTION_INFO_V1(personalize_check_processor);

static const ProcessorMethods *processors[PROCESSOR_COUNT + 1];

/* Called from each processor's Init. */
void
ProcessorRegister(const ProcessorMethods *methods)
{
	Assert(methods->id >= 1 && methods->id <= PROCESSOR_COUNT);
	processors[methods->id] = methods;
}

/* The processor with this number, or NULL. */
const ProcessorMethods *
ProcessorGet(ProcessorId id)
{
	return processors[id];
}

/* The processor with this name; NULL: there is none. */
static const ProcessorMethods *
FindProcessor(const char *name)
{
	for (int id = 1; id <= PROCESSOR_COUNT; id++)
	{
		const ProcessorMethods *methods = ProcessorGet(id);

		if (methods != NULL && strcmp(methods->name, name) == 0)
			return methods;
	}
	return NULL;
}

/* The processor with this name, or an error that lists all. */
const ProcessorMethods *
ProcessorByName(const char *name)
{
	const ProcessorMethods *methods = FindProcessor(name);
	const char *names[PROCESSOR_COUNT];

	if (methods != NULL)
		return methods;
	for (int id = 1; id <= PROCESSOR_COUNT; id++)
		names[id - 1] = ProcessorGet(id)->name;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("processor \"%s\" does not exist", name),
			 errhint("%s", ChoiceHint(name, "processors", names, PROCESSOR_COUNT))));
}

/* _processor_number(name): NULL if there is none. */
Datum
personalize_processor_number(PG_FUNCTION_ARGS)
{
	const ProcessorMethods *methods = FindProcessor(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (methods == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT16(methods->id);
}

/* _check_processor(name): its number, or an error. */
Datum
personalize_check_processor(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16(ProcessorByName(text_to_cstring(PG_GETARG_TEXT_PP(0)))->id);
}

/* What is added to the phases during a rebuild. */
static char rebuildNotes[PROCESSOR_COUNT + 1][NAMEDATALEN];

/* Tell how much of a rebuild is done. */
void
ProcessorNoteRebuild(const ProcessorMethods *methods, int64 done, int64 total)
{
	char	   *note = rebuildNotes[methods->id];

	note[0] = '\0';
	if (total > 0)
		snprintf(note, NAMEDATALEN, ", %d %% rebuilt", (int) (100 * Min(done, total) / total));
}

/* Tell where a batch has got, for pg_stat_activity. */
void
ProcessorReportPhase(const ProcessorMethods *methods, const char *phase)
{
	char		activity[NAMEDATALEN * 2];

	/* a foreground call keeps showing its statement */
	if (MyBackendType != B_BG_WORKER)
		return;
	snprintf(activity, sizeof(activity), "%s: %s%s", methods->name, phase, rebuildNotes[methods->id]);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* True if processor.enabled, which is also the default. */
bool
ProcessorIsEnabled(ProcessorId id)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(id)};

	return SpiUtilRunAsOwner(&plan,
							 "SELECT FROM personalize.processor WHERE processor = $1 AND NOT enabled",
							 1, types, values, NULL, false) == 0;
}

/* Remember that a batch failed. */
void
ProcessorRecordFailure(const ProcessorMethods *methods, const char *message)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, TEXTOID, TEXTOID};
	Datum		values[3];

	values[0] = Int16GetDatum(methods->id);
	values[1] = CStringGetTextDatum(methods->name);
	values[2] = CStringGetTextDatum(message);
	SpiUtilRunAsOwner(&plan,
					  "INSERT INTO personalize.processor AS p"
					  " (processor, name, failures, last_error, last_error_at)"
					  " VALUES ($1, $2, 1, $3, pg_catalog.clock_timestamp())"
					  " ON CONFLICT (processor) DO UPDATE SET failures = p.failures + 1,"
					  " last_error = $3, last_error_at = pg_catalog.clock_timestamp()",
					  3, types, values, NULL, false);
}

/* Search the row of one shard's position; false: there is none. */
static bool
SearchPosition(Relation table, ProcessorId id, int shard, Snapshot snapshot, TupleTableSlot *slot)
{
	Relation	index = RelationOpenIndex(table, "processor_position_pkey", AccessShareLock);
	IndexScanDesc scan = index_beginscan(table, index, snapshot, NULL, 2, 0);
	ScanKeyData keys[2];
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(shard));
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/* Positions as they were last read, while their rows are the same: every reader of a profile asks. */
typedef struct KeptPosition
{
	Oid			table;			/* InvalidOid: none is kept */
	RowMark		mark;
	TxidSnapshot *position;		/* lives on */
} KeptPosition;

static KeptPosition keptPositions[PROCESSOR_COUNT + 1][SHARD_COUNT];

/* Keep the position in the slot, if its row can be told to be the same later. */
static void
KeepPosition(KeptPosition *kept, Relation table, Snapshot snapshot, TupleTableSlot *slot,
			 const TxidSnapshot *position)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	kept->table = InvalidOid;
	if (kept->position != NULL)
		pfree(kept->position);
	kept->position = NULL;
	if (RowMarkTake(table, snapshot, slot, &kept->mark))
	{
		kept->position = TxidSnapshotCopy(position);
		kept->table = RelationGetRelid(table);
	}
	MemoryContextSwitchTo(caller);
}

/* Read one shard's position; NULL: there is none. */
static TxidSnapshot *
ReadPosition(Relation table, ProcessorId id, int shard, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	int64		key = (int64) id * SHARD_COUNT + shard;
	TxidSnapshot *position = NULL;
	bool		found = RowPlaceFetch(table, snapshot, key, slot);

	if (!found && SearchPosition(table, id, shard, snapshot, slot))
	{
		found = true;
		RowPlaceKeep(table, snapshot, key, slot);
	}
	if (found)
	{
		bool		isNull;
		Datum		asof = slot_getattr(slot, 3, &isNull);

		position = TxidSnapshotParse(TextDatumGetCString(asof));
		KeepPosition(&keptPositions[id][shard], table, snapshot, slot, position);
	}
	ExecDropSingleTupleTableSlot(slot);
	return position;
}

/* Up to where the processor has got with a shard, as the snapshot sees it. */
TxidSnapshot *
ProcessorPosition(ProcessorId id, int shard, Snapshot snapshot)
{
	Relation	table = RelationOpenTable("processor_position", AccessShareLock);
	const KeptPosition *kept = &keptPositions[id][shard];
	TxidSnapshot *position;

	if (kept->table == RelationGetRelid(table) && RowMarkHolds(table, snapshot, &kept->mark))
		position = TxidSnapshotCopy(kept->position);
	else
		position = ReadPosition(table, id, shard, snapshot);
	table_close(table, AccessShareLock);
	return position ? position : TxidSnapshotNothing();
}

/* Refuse a position that loses something the stored one contains. */
static void
ReportBackwards(const ProcessorMethods *methods, int shard, const TxidSnapshot *position)
{
	TxidSnapshot *stored = ProcessorPosition(methods->id, shard, GetLatestSnapshot());

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("position of processor \"%s\" in shard %d would run backwards",
					methods->name, shard),
			 errdetail("\"%s\" does not contain \"%s\", up to where events are counted: some would count twice.",
					   TxidSnapshotFormat(position), TxidSnapshotFormat(stored)),
			 errhint("Nothing was counted. If it stays so, SELECT personalize.rebuild_processor('%s') counts anew.",
					 methods->name)));
}

/* Move a processor's position on; it never loses what it contains. */
void
ProcessorStorePosition(const ProcessorMethods *methods, TxidSnapshot *const positions[SHARD_COUNT])
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2ARRAYOID, TEXTARRAYOID};
	Datum		shards[SHARD_COUNT];
	Datum		texts[SHARD_COUNT];
	Datum		values[3];
	bool		stored[SHARD_COUNT] = {false};
	int			count = 0;
	SpiUtilScope scope;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		if (positions[shard] == NULL)
			continue;
		shards[count] = Int16GetDatum(shard);
		texts[count++] = CStringGetTextDatum(TxidSnapshotFormat(positions[shard]));
	}
	values[0] = Int16GetDatum(methods->id);
	values[1] = PointerGetDatum(construct_array(shards, count, INT2OID, 2, true, TYPALIGN_SHORT));
	values[2] = PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "INSERT INTO personalize.processor_position AS p (processor, shard, asof)"
			   " SELECT $1, t.shard, t.asof FROM unnest($2, $3) AS t (shard, asof)"
			   " ON CONFLICT (processor, shard) DO UPDATE SET asof = excluded.asof"
			   " WHERE personalize_internal._txid_contains(excluded.asof, p.asof)"
			   " RETURNING p.shard",
			   3, types, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isNull;

		stored[DatumGetInt16(SpiUtilValue(row, 1, &isNull))] = true;
	}
	SpiUtilEnd(&scope);
	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		if (positions[shard] != NULL && !stored[shard])
			ReportBackwards(methods, shard, positions[shard]);
	}
}

/* A processor has seen all events with a txid below this. */
int64
ProcessorSeenBelow(ProcessorId id, Snapshot snapshot)
{
	int64		below = PG_INT64_MAX;

	for (int shard = 0; processors[id] && shard < SHARD_COUNT; shard++)
	{
		int64		seen = TxidSnapshotMin(ProcessorPosition(id, shard, snapshot));

		below = Min(below, seen);
	}
	return below;
}

/* Every processor, disabled ones too, has seen all events with a txid below this. */
int64
ProcessorAllSeenBelow(Snapshot snapshot)
{
	int64		below = PG_INT64_MAX;

	for (int id = 1; id <= PROCESSOR_COUNT; id++)
	{
		int64		seen = ProcessorSeenBelow(id, snapshot);

		below = Min(below, seen);
	}
	return below;
}
