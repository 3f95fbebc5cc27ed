/*
 * dictionary.c
 *		Ids met for the first time, until they are filed under their keys.
 *
 * Rows hold keys of ids.  Whoever writes them appends ids that may be new to a log,
 * which costs no look-up and waits for nobody; a processor files them later, shard
 * by shard.  So an id may be logged more often than once, and a reader looks for it
 * where ids are filed and then here.
 */
#include "postgres.h"

#include "base/dictionary.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "base/relation.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/* Columns of _dictionary_log; src/base/dictionary.sql. */
typedef enum LogColumn
{
	LOG_KIND = 1,
	LOG_SHARD,
	LOG_KEY,
	LOG_ID,
	LOG_TXID
} LogColumn;
#define LOG_COLUMN_COUNT LOG_TXID

/* Append an id. */
void
DictionaryLogId(LazyWriter *log, DictionaryKind kind, int64 key, const char *id, int length, int64 txid)
{
	Datum		values[LOG_COLUMN_COUNT];
	bool		nulls[LOG_COLUMN_COUNT] = {false};

	values[LOG_KIND - 1] = CharGetDatum(kind);
	values[LOG_SHARD - 1] = Int16GetDatum(ShardOfKey(key));
	values[LOG_KEY - 1] = Int64GetDatum(key);
	values[LOG_ID - 1] = PointerGetDatum(cstring_to_text_with_len(id, length));
	values[LOG_TXID - 1] = Int64GetDatum(txid);
	LazyWriterAdd(log, values, nulls);
}

/* The statement that files what is logged of a kind. */
static char *
FoldStatement(const DictionaryFile *file)
{
	return psprintf("WITH folded AS (DELETE FROM personalize._dictionary_log"
					"  WHERE kind = '%c' AND shard = ANY ($1) RETURNING key, id),"
					" told AS (SELECT key, id, first_value(id) OVER (PARTITION BY key ORDER BY id) AS first"
					"  FROM (SELECT DISTINCT key, id FROM folded) d),"
					" seen AS (SELECT key, id FROM told WHERE id = first),"
					" colliding AS (SELECT l.key, l.id, COALESCE(f.id, l.first) AS other"
					"  FROM told l LEFT JOIN (%s) f ON f.key = l.key"
					"  WHERE NOT personalize_internal._same_id(l.id, COALESCE(f.id, l.first))),"
					" noted AS (%s), filed AS (%s)"
					" SELECT id, other FROM colliding ORDER BY id, other LIMIT 1",
					file->kind, file->filed, file->note, file->file);
}

/* True if anything of a kind is logged. */
static bool
IsLogged(DictionaryKind kind, Datum shards)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2ARRAYOID, CHAROID};
	const Datum values[] = {shards, CharGetDatum(kind)};

	return SpiUtilRun(&plan, "SELECT FROM personalize._dictionary_log WHERE kind = $2 AND shard = ANY ($1) LIMIT 1",
					  lengthof(types), types, values, NULL, false) > 0;
}

/* File what is logged of these shards. */
bool
DictionaryFold(DictionaryFile *file, const bool *shards, char **id, char **other)
{
	const Oid	types[] = {INT2ARRAYOID};
	Datum		chosen[SHARD_COUNT];
	Datum		values[1];
	int			count = 0;
	MemoryContext caller = CurrentMemoryContext;
	bool		collides;
	bool		isNull;
	SpiUtilScope scope;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
		if (shards[shard])
			chosen[count++] = Int16GetDatum(shard);
	values[0] = PointerGetDatum(construct_array(chosen, count, INT2OID, 2, true, TYPALIGN_SHORT));

	SpiUtilBegin(&scope);
	/* most often there is nothing; what there is may be few ids or millions */
	collides = IsLogged(file->kind, values[0]) &&
		SpiUtilRunOnce(FoldStatement(file), lengthof(types), types, values, NULL, false) > 0;
	if (collides)
	{
		*id = MemoryContextStrdup(caller, TextDatumGetCString(SpiUtilValue(0, 1, &isNull)));
		*other = MemoryContextStrdup(caller, TextDatumGetCString(SpiUtilValue(0, 2, &isNull)));
	}
	SpiUtilEnd(&scope);
	return !collides;
}

/* An id that is logged under one of these keys; NULL: none. */
text *
DictionaryFind(DictionaryKind kind, int64 first, int64 last, Snapshot snapshot)
{
	Relation	table = RelationOpenTable("_dictionary_log", AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	text	   *id = NULL;

	ScanKeyInit(&keys[0], LOG_KIND, BTEqualStrategyNumber, F_CHAREQ, CharGetDatum(kind));
	ScanKeyInit(&keys[1], LOG_KEY, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	ScanKeyInit(&keys[2], LOG_KEY, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
	scan = systable_beginscan(table, RelationIndex(table, "_dictionary_log_key_idx"), true, snapshot,
							  lengthof(keys), keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isNull;

		id = DatumGetTextPCopy(heap_getattr(tuple, LOG_ID, RelationGetDescr(table), &isNull));
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return id;
}
