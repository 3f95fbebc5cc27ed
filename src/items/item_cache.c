/*
 * item_cache.c
 *		Catalogue rows that a backend keeps from call to call.
 *
 * To take a row apart costs several times as much as to see that it is still the same
 * (RowMarkHolds), and searches ask for a hundred rows each.  Whoever reads is given
 * pointers, so nothing is thrown away before the transaction ends.
 */
#include "postgres.h"

#include "items/item_cache.h"

#include "access/xact.h"
#include "base/grow.h"
#include "base/key_set.h"
#include "compat.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* As many rows are kept, of some 300 bytes each, or as many bytes; then all are forgotten. */
#define MOST_ROWS 32768
#define MOST_BYTES (16 * 1024 * 1024)

/* So many at first. */
#define FIRST_ROWS 256

static MemoryContext memory = NULL;
static Oid	tableId;			/* of the rows */
static KeySet keys;
static ItemRow **rows;			/* by number of the key */
static int	capacity;
static int	made;				/* rows, with those that have been replaced */

/* Forget all. */
static void
Reset(void)
{
	MemoryContextReset(memory);
	keys = (KeySet) {0};
	rows = NULL;
	capacity = made = 0;
}

/* True if it is time to forget all. */
static bool
IsFull(void)
{
	return made >= MOST_ROWS || MemoryContextMemAllocated(memory, false) >= MOST_BYTES;
}

/* Make room again between transactions. */
static void
EndTransaction(XactEvent event, void *argument)
{
	bool		ends = event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT;

	if (made > 0 && ends && IsFull())
		Reset();
}

/* Called once when the library is loaded. */
void
ItemCacheInit(void)
{
	RegisterXactCallback(EndTransaction, NULL);
}

/* The row that is kept of a key. */
ItemRow *
ItemCacheFind(Relation table, int64 key)
{
	const KeySetEntry *entry;

	if (keys.count == 0 || tableId != RelationGetRelid(table))
		return NULL;
	entry = keyset_lookup(keys.table, key);
	return entry ? rows[entry->number] : NULL;
}

/* Make ready to keep rows of a table. */
static void
Prepare(Oid table)
{
	MemoryContext caller;

	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "personalize items", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(memory);
	capacity = FIRST_ROWS;
	rows = palloc_array(ItemRow *, capacity);
	KeySetInit(&keys, capacity);
	MemoryContextSwitchTo(caller);
	tableId = table;
}

/* A row to fill. */
ItemRow *
ItemCacheMake(Relation table)
{
	ItemRow    *row;

	if (keys.table == NULL)
		Prepare(RelationGetRelid(table));
	/* the extension was dropped and created: what was kept goes at the end of the transaction */
	if (tableId != RelationGetRelid(table))
		made = MOST_ROWS;
	if (IsFull())
		return NULL;
	row = MemoryContextAllocZero(memory, sizeof(ItemRow));
	row->context = memory;
	made++;
	return row;
}

/* Keep it. */
void
ItemCacheKeep(ItemRow *row, int64 key)
{
	GrowArray(rows, keys.count + 1, capacity, FIRST_ROWS);
	rows[KeySetNumber(&keys, key)] = row;
}
