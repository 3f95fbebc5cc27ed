/*
 * item.c
 *		The catalogue, read by key.
 *
 * Processors and engines look up one item after another, by key.  Going through
 * the primary key's index by hand costs about 1 us a row; a SQL statement per
 * row would cost ten times that, and where the row was found last (row_place.h) a
 * fifth.  One scan is kept and restarted for each key.
 * It must live as long as the reader: an index scan remembers dead entries in
 * the memory context that is current when it is first asked for a row.
 *
 * Whether an item may be returned at all is asked of every candidate.  An engine says
 * which it is about to ask for: their rows lie all over memory, and what there is to wait
 * for is waited for together.
 */
#include "postgres.h"

#include "items/item.h"

#include <math.h>

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/dictionary.h"
#include "base/json_build.h"
#include "base/key.h"
#include "base/relation.h"
#include "base/row_place.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "items/item_cache.h"
#include "items/item_internal.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A reader's own rows are thrown away when they are so many. */
#define ITEM_CACHE_ROWS 8192

/* So are the items that it has found there are no rows of, which take less. */
#define ABSENT_ITEMS 262144

static const char *const fieldNames[FIELD_COUNT] = {
	"item_key", "available", "hidden", "item_id", "category", "brand", "price", "currency", "tags",
	"attributes", "created_at"
};

/* So many rows are expected at a time: more would drive each other out of the processor's caches. */
#define EXPECT_ROWS 256

/* A row that cannot be kept for other readers. */
typedef struct ItemEntry
{
	int64		key;			/* hash key, first */
	ItemRow		row;
} ItemEntry;

/* The names of attributes that give a number; the first that is there does. */
#define MAX_NUMBER_NAMES 4
static const char *const numberNames[ITEM_NUMBERS][MAX_NUMBER_NAMES] = {
	[ITEM_RATING] = {"rating", "average_rating", "stars"},
	[ITEM_REVIEWS] = {"reviews", "review_count", "rating_count", "votes"},
	[ITEM_POPULARITY] = {"popularity", "sales", "sold"},
	[ITEM_STOCK] = {"stock", "inventory", "quantity"},
	[ITEM_MARGIN] = {"margin"}
};

/* Open the table for look-ups. */
ItemReader *
ItemReaderBegin(Snapshot snapshot)
{
	static uint64 readers = 0;
	ItemReader *reader = palloc0(sizeof(ItemReader));

	reader->number = ++readers;
	reader->context = CurrentMemoryContext;
	reader->snapshot = snapshot;
	reader->table = RelationOpenTable("item", AccessShareLock);
	reader->slot = table_slot_create(reader->table, NULL);
	reader->all.name = "item_pkey";
	reader->ofCategory.name = "item_category_created_at_idx";
	reader->byAge.name = "item_created_at_idx";
	return reader;
}

/* The number of a column. */
static AttrNumber
ColumnNumber(ItemReader *reader, ItemField field)
{
	if (reader->columns[field] == InvalidAttrNumber)
		reader->columns[field] = get_attnum(RelationGetRelid(reader->table), fieldNames[field]);
	return reader->columns[field];
}

/* Open an index, unless it is open. */
static void
OpenIndex(ItemReader *reader, ItemIndex *index)
{
	if (index->relation == NULL)
		index->relation = RelationOpenIndex(reader->table, index->name, AccessShareLock);
}

/* Begin scans of an index with so many keys, unless that was done. */
void
ItemReaderBeginScan(ItemReader *reader, ItemIndex *index, int keys)
{
	if (index->scan != NULL)
		return;
	OpenIndex(reader, index);
	index->scan = index_beginscan(reader->table, index->relation, reader->snapshot, NULL, keys, 0);
}

/* Put the row of a key into the slot if it is there, or where it was found lately. */
static bool
FindRow(ItemReader *reader, int64 key)
{
	if (reader->slotHolds && reader->slotKey == key)
		return true;
	reader->slotHolds = RowPlaceFetch(reader->table, reader->snapshot, key, reader->slot);
	reader->slotKey = key;
	return reader->slotHolds;
}

/* Put the row of a key into the slot, by the primary key; false if there is none. */
static bool
SearchRow(ItemReader *reader, int64 key)
{
	ScanKeyData scanKey;

	ItemReaderBeginScan(reader, &reader->all, 1);
	ScanKeyInit(&scanKey, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key));
	index_rescan(reader->all.scan, &scanKey, 1, NULL, 0);
	reader->slotHolds = index_getnext_slot(reader->all.scan, ForwardScanDirection, reader->slot);
	return reader->slotHolds;
}

/* Put the row of a key into the slot; false if there is none. */
bool
ItemReaderFetch(ItemReader *reader, int64 key)
{
	MemoryContext oldContext = MemoryContextSwitchTo(reader->context);
	bool		found = FindRow(reader, key);

	if (!found)
	{
		found = SearchRow(reader, key);
		if (found)
			RowPlaceKeep(reader->table, reader->snapshot, key, reader->slot);
	}
	MemoryContextSwitchTo(oldContext);
	return found;
}

/* A field of the row in the slot. */
Datum
ItemReaderField(ItemReader *reader, ItemField field, bool *isNull)
{
	return slot_getattr(reader->slot, ColumnNumber(reader, field), isNull);
}

/* A field of the row in the slot, detoasted and copied; NULL if it is null. */
static void *
CopyField(ItemReader *reader, ItemField field)
{
	bool		isNull;
	Datum		value = ItemReaderField(reader, field, &isNull);

	return isNull ? NULL : PG_DETOAST_DATUM_COPY(value);
}

/* Make the cache, empty. */
static void
ResetCache(ItemReader *reader)
{
	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(ItemEntry)};

	if (reader->rows == NULL)
		reader->rows = AllocSetContextCreate(reader->context, "personalize items",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(reader->rows);
	control.hcxt = reader->rows;
	reader->cache = hash_create("personalize items", 256, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Rows of these keys are about to be asked for. */
void
ItemReaderExpect(ItemReader *reader, const int64 *keys, int count)
{
	int64		others[EXPECT_ROWS];
	int			otherCount = 0;

	for (int i = 0; i < Min(count, EXPECT_ROWS); i++)
	{
		const ItemRow *row = ItemCacheFind(reader->table, keys[i]);

		if (row != NULL)
			RowMarkPrefetch(&row->mark);
		else
			others[otherCount++] = keys[i];
	}
	RowPlacePrefetch(reader->table, others, otherCount);
}

/* Whether these are offered is about to be asked for. */
void
ItemReaderExpectOffered(ItemReader *reader, const int64 *keys, int count)
{
	RowPlacePrefetch(reader->table, keys, Min(count, EXPECT_ROWS));
}

/* Fill a row from the slot. */
static void
FillRow(ItemReader *reader, int64 key, ItemRow *row)
{
	MemoryContext oldContext = MemoryContextSwitchTo(row->context);
	ItemInfo   *info = &row->info;
	bool		isNull;

	info->key = key;
	info->available = DatumGetBool(ItemReaderField(reader, FIELD_AVAILABLE, &isNull));
	info->hidden = DatumGetBool(ItemReaderField(reader, FIELD_HIDDEN, &isNull));
	info->itemId = CopyField(reader, FIELD_ITEM_ID);
	info->category = CopyField(reader, FIELD_CATEGORY);
	info->brand = CopyField(reader, FIELD_BRAND);
	info->price = CopyField(reader, FIELD_PRICE);
	info->currency = CopyField(reader, FIELD_CURRENCY);
	info->tags = CopyField(reader, FIELD_TAGS);
	info->createdAt = DatumGetTimestampTz(ItemReaderField(reader, FIELD_CREATED_AT, &isNull));
	info->categoryKey = info->category ? KeyFromText(info->category) : 0;
	info->brandKey = info->brand ? KeyFromText(info->brand) : 0;
	MemoryContextSwitchTo(oldContext);
}

/* The row that is kept of a key, if it is still the same; NULL: it may not be. */
static ItemRow *
FindKept(ItemReader *reader, int64 key)
{
	ItemRow    *row = ItemCacheFind(reader->table, key);

	if (row == NULL || row->checkedBy == reader->number)
		return row;
	if (!RowMarkHolds(reader->table, reader->snapshot, &row->mark))
		return NULL;
	row->checkedBy = reader->number;
	return row;
}

/* Keep the row in the slot; NULL: it cannot be kept. */
static ItemRow *
KeepRow(ItemReader *reader, int64 key)
{
	RowMark		mark;
	ItemRow    *row;

	if (!RowMarkTake(reader->table, reader->snapshot, reader->slot, &mark) ||
		(row = ItemCacheMake(reader->table)) == NULL)
		return NULL;
	FillRow(reader, key, row);
	row->mark = mark;
	row->checkedBy = reader->number;
	ItemCacheKeep(row, key);
	return row;
}

/* Remember that there is no row. */
static void
KeepAbsent(ItemReader *reader, int64 key)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->context);

	if (reader->absent.table == NULL)
		KeySetInit(&reader->absent, 256);
	else if (reader->absent.count >= ABSENT_ITEMS)
		KeySetClear(&reader->absent);
	KeySetAdd(&reader->absent, key);
	MemoryContextSwitchTo(caller);
}

/* A row that is read for this reader alone; NULL: there is none. */
static ItemRow *
FindOwn(ItemReader *reader, int64 key)
{
	ItemEntry  *entry;
	ItemRow    *kept;

	if (KeySetHas(&reader->absent, key))
		return NULL;
	entry = reader->cache ? hash_search(reader->cache, &key, HASH_FIND, NULL) : NULL;
	if (entry != NULL)
		return &entry->row;
	if (!ItemReaderFetch(reader, key))
	{
		KeepAbsent(reader, key);
		return NULL;
	}
	if ((kept = KeepRow(reader, key)) != NULL)
		return kept;
	if (reader->cache == NULL || hash_get_num_entries(reader->cache) >= ITEM_CACHE_ROWS)
		ResetCache(reader);
	entry = hash_search(reader->cache, &key, HASH_ENTER, NULL);
	memset(&entry->row, 0, sizeof(ItemRow));
	entry->row.context = reader->rows;
	FillRow(reader, key, &entry->row);
	return &entry->row;
}

/* A row; NULL: there is none. */
static ItemRow *
GetRow(ItemReader *reader, int64 key)
{
	ItemRow    *kept = FindKept(reader, key);

	return kept ? kept : FindOwn(reader, key);
}

/* A catalogue row; NULL if there is none. */
const ItemInfo *
ItemReaderGet(ItemReader *reader, int64 key)
{
	const ItemRow *row = GetRow(reader, key);

	return row ? &row->info : NULL;
}

/* A number of an object of attributes; NaN: there is none. */
static double
GetNumber(Jsonb *attributes, ItemNumber number)
{
	for (int i = 0; attributes && i < MAX_NUMBER_NAMES && numberNames[number][i]; i++)
	{
		const char *name = numberNames[number][i];
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&attributes->root, name, strlen(name), &buffer);

		if (value != NULL && value->type == jbvNumeric)
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	}
	return NAN;
}

/* Read the numbers that the attributes of the row in the slot give. */
static void
FillNumbers(ItemReader *reader, ItemRow *row)
{
	Jsonb	   *attributes = CopyField(reader, FIELD_ATTRIBUTES);

	row->numbers = MemoryContextAlloc(row->context, sizeof(double) * ITEM_NUMBERS);
	for (int i = 0; i < ITEM_NUMBERS; i++)
		row->numbers[i] = GetNumber(attributes, i);
	if (attributes != NULL)
		pfree(attributes);
}

/* A number that an item's attributes give. */
double
ItemReaderNumber(ItemReader *reader, int64 key, ItemNumber number)
{
	ItemRow    *row = GetRow(reader, key);

	if (row != NULL && row->numbers == NULL && ItemReaderFetch(reader, key))
		FillNumbers(reader, row);
	return row != NULL && row->numbers ? row->numbers[number] : (double) NAN;
}

/* True if an item is of a category: those of lists are asked for again and again, so their rows are kept. */
bool
ItemReaderIsOf(ItemReader *reader, int64 key, const text *category)
{
	const ItemRow *row = GetRow(reader, key);

	return row != NULL && row->info.category != NULL && TextIsSame(row->info.category, category);
}

/* True if the row in the slot is of an item that engines may return. */
bool
ItemReaderHoldsOffered(ItemReader *reader)
{
	bool		isNull;

	return DatumGetBool(ItemReaderField(reader, FIELD_AVAILABLE, &isNull)) &&
		!DatumGetBool(ItemReaderField(reader, FIELD_HIDDEN, &isNull));
}

/* What is kept of a row where it was found. */
typedef enum OfferedDigest
{
	DIGEST_OFFERED = 1,
	DIGEST_NOT_OFFERED
} OfferedDigest;

/* False if the catalogue says so: what all backends know of the row is found sooner than the row that this one may have kept. */
static bool
AskOffered(ItemReader *reader, int64 key)
{
	RowDigest	digest = {{0}};
	const ItemRow *kept;
	bool		offered;

	if (RowPlaceDigest(reader->table, reader->snapshot, key, &digest))
		return digest.words[0] == DIGEST_OFFERED;
	if ((kept = FindKept(reader, key)) != NULL)
		return kept->info.available && !kept->info.hidden;
	if (!ItemReaderFetch(reader, key))
		return true;
	offered = ItemReaderHoldsOffered(reader);
	digest.words[0] = offered ? DIGEST_OFFERED : DIGEST_NOT_OFFERED;
	RowPlaceKeepDigest(reader->table, reader->snapshot, key, reader->slot, &digest);
	return offered;
}

/* False if the catalogue says that engines must not return the item. */
bool
ItemReaderIsOffered(ItemReader *reader, int64 key)
{
	if (reader->asked && reader->askedKey == key)
		return reader->offered;
	reader->offered = AskOffered(reader, key);
	reader->asked = true;
	reader->askedKey = key;
	return reader->offered;
}

/* Append the members of the row in the slot, those that are not null. */
static void
PushRow(ItemReader *reader, JsonbParseState **state)
{
	static const struct
	{
		ItemField	field;
		const char *name;
	}			texts[] = {
		{FIELD_ITEM_ID, "item_id"}, {FIELD_CATEGORY, "category"}, {FIELD_BRAND, "brand"},
		{FIELD_CURRENCY, "currency"}
	};
	char		createdAt[MAXDATELEN + 1];
	int			utc = 0;
	bool		isNull;
	void	   *value;

	for (int i = 0; i < lengthof(texts); i++)
		if ((value = CopyField(reader, texts[i].field)) != NULL)
			JsonPushText(state, texts[i].name, value);
	if ((value = CopyField(reader, FIELD_PRICE)) != NULL)
		JsonPushNumeric(state, "price", value);
	if ((value = CopyField(reader, FIELD_TAGS)) != NULL)
		JsonPushTexts(state, "tags", value);
	if ((value = CopyField(reader, FIELD_ATTRIBUTES)) != NULL)
		JsonPushJsonb(state, "attributes", value);
	JsonEncodeDateTime(createdAt, ItemReaderField(reader, FIELD_CREATED_AT, &isNull), TIMESTAMPTZOID, &utc);
	JsonPushString(state, "created_at", pstrdup(createdAt));
}

/* A row as the JSON object that filters see. */
Jsonb *
ItemReaderJson(ItemReader *reader, int64 key, const text *itemId)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (ItemReaderFetch(reader, key))
		PushRow(reader, &state);
	else if (itemId != NULL)
		JsonPushText(&state, "item_id", itemId);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The attributes of a row. */
Jsonb *
ItemReaderAttributes(ItemReader *reader, int64 key)
{
	return ItemReaderFetch(reader, key) ? CopyField(reader, FIELD_ATTRIBUTES) : NULL;
}

/* What a member of that object is. */
ItemMember
ItemMemberKind(const char *name, int length)
{
	for (int i = FIELD_ITEM_ID; i < FIELD_COUNT; i++)
		if (strlen(fieldNames[i]) == length && memcmp(fieldNames[i], name, length) == 0)
			return i == FIELD_ATTRIBUTES ? ITEM_MEMBER_OBJECT : ITEM_MEMBER_VALUE;
	return ITEM_MEMBER_NONE;
}

/* The names of all. */
char *
ItemMemberNames(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = FIELD_ITEM_ID; i < FIELD_COUNT; i++)
		appendStringInfo(&names, "%s%s", i == FIELD_ITEM_ID ? "" : ", ", fieldNames[i]);
	return names.data;
}

/* The id behind a key; NULL if it is not known. */
text *
ItemReaderId(ItemReader *reader, int64 key)
{
	const ItemRow *kept;

	if (KeyIsNumber(key))
	{
		char		digits[MAXINT8LEN + 1];

		return cstring_to_text_with_len(digits, pg_lltoa(key, digits));
	}
	if ((kept = FindKept(reader, key)) != NULL)
		return DatumGetTextPCopy(PointerGetDatum(kept->info.itemId));
	if (ItemReaderFetch(reader, key))
		return CopyField(reader, FIELD_ITEM_ID);
	return DictionaryFind(DICTIONARY_ITEM, key, key, reader->snapshot);
}

/* Close an index, if it was used. */
static void
CloseIndex(ItemIndex *index)
{
	if (index->scan != NULL)
		index_endscan(index->scan);
	if (index->relation != NULL)
		index_close(index->relation, AccessShareLock);
	RelationForgetIndex(&index->known);
}

/* Close everything again. */
void
ItemReaderEnd(ItemReader *reader)
{
	ExecDropSingleTupleTableSlot(reader->slot);
	if (BufferIsValid(reader->visible))
		ReleaseBuffer(reader->visible);
	CloseIndex(&reader->all);
	CloseIndex(&reader->ofCategory);
	CloseIndex(&reader->byAge);
	table_close(reader->table, AccessShareLock);
	if (reader->rows != NULL)
		MemoryContextDelete(reader->rows);
	if (reader->absent.table != NULL)
		keyset_destroy(reader->absent.table);
	pfree(reader);
}
