/*
 * feature_value.c
 *		The dictionary of features: from value keys back to texts.
 *
 * A feature's key holds 48 bits of its value.  Small whole numbers are kept as
 * they are; of other texts a hash is kept, and table feature_value gives the
 * text back.  Items are not in there: the upper bits of their key are a prefix
 * by which the catalogue, and the log of ids not yet in it, are searched.
 *
 * A text is a function of its hash, so what a backend has once read it may keep.
 * That a row is in the table is only remembered when another transaction has
 * committed it: ours may still be undone.
 */
#include "postgres.h"

#include "signals/feature_value.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/dictionary.h"
#include "base/key.h"
#include "base/keyed.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "people/policy.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_feature_value);
PG_FUNCTION_INFO_V1(personalize_value_key);

#define TEXT_CACHE_BYTES (1024 * 1024)
#define STORED_CACHE_ROWS 65536

/* A person's events say the same few values again and again. */
#define LATELY_REMEMBERED 256

/* A text the backend knows, by value key. */
typedef struct CachedText
{
	uint64		hash;			/* hash key, first */
	text	   *value;
} CachedText;

/* A text of a batch, by feature key. */
typedef struct BatchText
{
	uint64		featureKey;		/* hash key, first */
	text	   *value;
	bool		stored;
} BatchText;

struct FeatureValueBatch
{
	MemoryContext context;
	HTAB	   *texts;
};

static MemoryContext textContext = NULL;
static HTAB *textCache = NULL;	/* of CachedText */
static HTAB *storedCache = NULL;	/* feature keys of committed rows */
static Oid	storedRelation = InvalidOid;
static Oid	textRelation = InvalidOid;	/* the dictionary when textCache was made */
static bool textsMayBeGone = false;

/* Hashes whose texts are in textCache, by their low bits; 0: none, which is no hash of a text. */
static uint64 latelyRemembered[LATELY_REMEMBERED];

/* Relcache callback: the dictionary may have lost rows. */
static void
ForgetStored(Datum arg, Oid relationId)
{
	if (relationId == InvalidOid || relationId == storedRelation)
		storedRelation = InvalidOid;
	/* a reader may hold texts: they go before the next one begins */
	if (relationId == InvalidOid || relationId == textRelation)
		textsMayBeGone = true;
}

/* Make a hash table with 64-bit keys. */
static HTAB *
MakeTable(const char *name, Size entrySize, MemoryContext context)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = entrySize,.hcxt = context};

	return hash_create(name, 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Start with an empty batch of texts. */
FeatureValueBatch *
FeatureValueBatchBegin(void)
{
	FeatureValueBatch *batch = palloc0(sizeof(FeatureValueBatch));

	/* a sweep that has deleted texts has told of it before it let the shards go */
	AcceptInvalidationMessages();
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "personalize feature texts",
										   ALLOCSET_DEFAULT_SIZES);
	return batch;
}

/* True if the row is known to be in the table for good. */
static bool
IsStored(uint64 featureKey)
{
	return OidIsValid(storedRelation) &&
		hash_search(storedCache, &featureKey, HASH_FIND, NULL) != NULL;
}

/* Remember that the row is in the table for good. */
static void
RememberStored(uint64 featureKey, Oid relationId)
{
	if (storedRelation != relationId ||
		hash_get_num_entries(storedCache) >= STORED_CACHE_ROWS)
	{
		if (storedCache != NULL)
			hash_destroy(storedCache);
		storedCache = MakeTable("personalize stored features", sizeof(uint64), CacheMemoryContext);
		storedRelation = relationId;
	}
	hash_search(storedCache, &featureKey, HASH_ENTER, NULL);
}

/* Take a text along, unless the dictionary is known to have it. */
void
FeatureValueBatchAdd(FeatureValueBatch *batch, uint64 featureKey,
					 const char *text, int length)
{
	BatchText  *entry;
	bool		found;

	if (text == NULL || (FeatureKeyHash(featureKey) & FEATURE_VALUE_HASHED) == 0 ||
		IsStored(featureKey))
		return;
	if (batch->texts == NULL)
		batch->texts = MakeTable("personalize new features", sizeof(BatchText), batch->context);
	entry = hash_search(batch->texts, &featureKey, HASH_ENTER, &found);
	if (!found)
	{
		MemoryContext oldContext = MemoryContextSwitchTo(batch->context);

		entry->value = NULL;
		entry->stored = false;
		entry->value = cstring_to_text_with_len(text, length);
		MemoryContextSwitchTo(oldContext);
	}
}

/* Memory the batch takes. */
int64
FeatureValueBatchSize(const FeatureValueBatch *batch)
{
	return batch->texts == NULL ? 0 : MemoryContextMemAllocated(batch->context, true);
}

/* Order texts as the table's key does. */
static int
CompareBatchTexts(const void *left, const void *right)
{
	uint64		leftKey = (*(BatchText *const *) left)->featureKey;
	uint64		rightKey = (*(BatchText *const *) right)->featureKey;

	return leftKey < rightKey ? -1 : leftKey > rightKey;
}

/* Look the texts up and mark those the table has. */
static void
MarkStored(BatchText **texts, int count)
{
	KeyedTable *table = KeyedOpen("feature_value", "feature_value_pkey", AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Oid			relationId = RelationFind("feature_value", false);

	for (int i = 0; i < count; i++)
	{
		uint64		featureKey = texts[i]->featureKey;
		Datum		keys[] = {
			Int16GetDatum(FeatureKeySignal(featureKey)),
			Int64GetDatum(FeatureKeyHash(featureKey))
		};
		TupleTableSlot *slot;
		bool		isNull;

		slot = KeyedSeekOne(table, snapshot, 2, keys);
		if (slot == NULL)
			continue;
		texts[i]->stored = true;
		if (!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(slot_getsysattr(slot,
																					   MinTransactionIdAttributeNumber,
																					   &isNull))))
			RememberStored(featureKey, relationId);
	}
	UnregisterSnapshot(snapshot);
	KeyedClose(table);
}

/*
 * Insert the texts that are not there yet.  Two processors may meet the same
 * new texts, and in different rounds in different order, so only one at a time
 * does this until its transaction ends.
 */
static void
InsertTexts(BatchText **texts, int count)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2ARRAYOID, INT8ARRAYOID, TEXTARRAYOID};
	Datum	   *columns[3];
	Datum		arrays[3];
	int			inserted = 0;

	for (int i = 0; i < 3; i++)
		columns[i] = palloc(sizeof(Datum) * count);
	for (int i = 0; i < count; i++)
	{
		if (texts[i]->stored)
			continue;
		columns[0][inserted] = Int16GetDatum(FeatureKeySignal(texts[i]->featureKey));
		columns[1][inserted] = Int64GetDatum(FeatureKeyHash(texts[i]->featureKey));
		columns[2][inserted++] = PointerGetDatum(texts[i]->value);
	}
	if (inserted == 0)
		return;

	DictionaryLock();
	arrays[0] = PointerGetDatum(construct_array(columns[0], inserted, INT2OID,
												sizeof(int16), true, TYPALIGN_SHORT));
	arrays[1] = PointerGetDatum(construct_array(columns[1], inserted, INT8OID,
												sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	arrays[2] = PointerGetDatum(construct_array(columns[2], inserted, TEXTOID,
												-1, false, TYPALIGN_INT));
	SpiUtilRunAsOwner(&plan,
					  "INSERT INTO personalize.feature_value (signal, value_key, value)"
					  " SELECT * FROM unnest($1, $2, $3) ON CONFLICT DO NOTHING",
					  3, types, arrays, NULL, false);
}

/* Write what the dictionary lacks and empty the batch. */
void
FeatureValueBatchWrite(FeatureValueBatch *batch)
{
	HASH_SEQ_STATUS status;
	BatchText **texts;
	BatchText  *entry;
	MemoryContext oldContext;
	int			count = 0;

	if (batch->texts == NULL)
		return;
	oldContext = MemoryContextSwitchTo(batch->context);
	texts = palloc(sizeof(BatchText *) * hash_get_num_entries(batch->texts));
	hash_seq_init(&status, batch->texts);
	while ((entry = hash_seq_search(&status)) != NULL)
		texts[count++] = entry;
	qsort(texts, count, sizeof(BatchText *), CompareBatchTexts);
	MarkStored(texts, count);
	InsertTexts(texts, count);
	MemoryContextSwitchTo(oldContext);
	MemoryContextReset(batch->context);
	batch->texts = NULL;
}

/* Bound the backend's cache of texts. */
void
FeatureValueTrimCache(void)
{
	if (textContext == NULL)
		textContext = AllocSetContextCreate(CacheMemoryContext, "personalize feature texts",
											ALLOCSET_DEFAULT_SIZES);
	else if (textCache != NULL && !textsMayBeGone &&
			 MemoryContextMemAllocated(textContext, true) <= TEXT_CACHE_BYTES)
		return;
	textCache = NULL;
	textsMayBeGone = false;
	textRelation = RelationFind("feature_value", true);
	memset(latelyRemembered, 0, sizeof(latelyRemembered));
	MemoryContextReset(textContext);
	textCache = MakeTable("personalize feature texts", sizeof(CachedText), textContext);
}

/* The cache's entry of a hash; its value is NULL if it is new. */
static CachedText *
FindCachedText(uint64 hash)
{
	CachedText *entry;
	bool		found;

	entry = hash_search(textCache, &hash, HASH_ENTER, &found);
	if (!found)
		entry->value = NULL;
	return entry;
}

/* Put a text into the cache. */
static text *
SetCachedText(CachedText *entry, const char *value, int length)
{
	MemoryContext oldContext = MemoryContextSwitchTo(textContext);

	entry->value = cstring_to_text_with_len(value, length);
	MemoryContextSwitchTo(oldContext);
	return entry->value;
}

/* Let FeatureValueText know a text that may not be in the dictionary yet. */
void
FeatureValueRemember(uint64 featureKey, const char *text, int length)
{
	uint64		hash = FeatureKeyHash(featureKey);
	uint64	   *lately = &latelyRemembered[hash % LATELY_REMEMBERED];
	CachedText *entry;

	if (text == NULL || (hash & FEATURE_VALUE_HASHED) == 0 || *lately == hash)
		return;
	entry = FindCachedText(hash);
	if (entry->value == NULL)
		SetCachedText(entry, text, length);
	*lately = hash;
}

/* Read the text of a value from feature_value into the cache. */
static void
ReadDictionary(CachedText *entry, const Signal *signal, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("feature_value", "feature_value_pkey", AccessShareLock);
	Datum		keys[] = {Int16GetDatum(signal->id), Int64GetDatum(entry->hash)};
	TupleTableSlot *slot;
	bool		isNull;

	slot = KeyedSeekOne(table, snapshot, 2, keys);
	if (slot != NULL)
	{
		text	   *value = DatumGetTextPP(slot_getattr(slot, 3, &isNull));

		SetCachedText(entry, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	}
	KeyedClose(table);
}

/* The id of an item of the catalogue under a key from first to last, palloc'd; NULL: none. */
static text *
FindItemId(int64 first, int64 last, Snapshot snapshot)
{
	Relation	relation = RelationOpenTable("item", AccessShareLock);
	AttrNumber	keyColumn = get_attnum(RelationGetRelid(relation), "item_key");
	AttrNumber	idColumn = get_attnum(RelationGetRelid(relation), "item_id");
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	text	   *id = NULL;

	ScanKeyInit(&keys[0], keyColumn, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	ScanKeyInit(&keys[1], keyColumn, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
	scan = systable_beginscan(relation, RelationIndex(relation, "item_pkey"), true, snapshot,
							  lengthof(keys), keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isNull;

		id = DatumGetTextPCopy(heap_getattr(tuple, idColumn, RelationGetDescr(relation), &isNull));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return id;
}

/* Read the id of an item, whose key begins like this, into the cache. */
static bool
ReadItemId(CachedText *entry, Snapshot snapshot)
{
	int64		first = (int64) ((UINT64CONST(1) << 63) | (entry->hash << FEATURE_VALUE_DROPPED_BITS));
	int64		last = first + (INT64CONST(1) << FEATURE_VALUE_DROPPED_BITS) - 1;
	text	   *id = FindItemId(first, last, snapshot);

	if (id == NULL)
		id = DictionaryFind(DICTIONARY_ITEM, first, last, snapshot);
	if (id == NULL)
		return false;
	SetCachedText(entry, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
	pfree(id);
	return true;
}

/* The text of a signal's value; NULL if nobody knows it. */
text *
FeatureValueText(const Signal *signal, uint64 hash, Snapshot snapshot)
{
	CachedText *entry = FindCachedText(hash);

	if (entry->value != NULL)
		return entry->value;
	if ((hash & FEATURE_VALUE_HASHED) == 0)
	{
		char		digits[32];

		snprintf(digits, sizeof(digits), UINT64_FORMAT, hash);
		return SetCachedText(entry, digits, strlen(digits));
	}
	if (signal->path.kind != SIGNAL_KEY_ITEM || !ReadItemId(entry, snapshot))
		ReadDictionary(entry, signal, snapshot);
	return entry->value;
}

/* _feature_value(signal, value_key): the text behind a value, if the purpose in force covers the signal. */
Datum
personalize_feature_value(PG_FUNCTION_ARGS)
{
	const SignalSet *set = SignalSetGet();
	int			id = PG_GETARG_INT16(0);
	text	   *value = NULL;

	FeatureValueTrimCache();
	if (id >= 0 && id < set->idLimit && set->byId[id] != NULL &&
		(set->byId[id]->purposes & PolicyBits(NULL)) != 0)
		value = FeatureValueText(set->byId[id], PG_GETARG_INT64(1), GetActiveSnapshot());
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(pg_detoast_datum_copy(value));
}

/* _value_key(value): the key under which features keep a value. */
Datum
personalize_value_key(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	if (VARSIZE_ANY_EXHDR(value) == 0)
		PG_RETURN_INT64(FEATURE_VALUE_NONE);
	PG_RETURN_INT64(FeatureValueHash(KeyFromText(value)));
}

/* Watch for a dictionary that is truncated or made anew. */
void
FeatureValueInit(void)
{
	RelationWatch(ForgetStored);
}
