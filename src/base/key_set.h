/*
 * key_set.h
 *		A set of keys, numbered in the order in which they came.
 */
#ifndef PERSONALIZE_KEY_SET_H
#define PERSONALIZE_KEY_SET_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

/* A key of a set. */
typedef struct KeySetEntry
{
	int64		key;
	int			number;			/* how many came before */
	char		status;
} KeySetEntry;

/* Spread a key over a table (Fibonacci hashing). */
static inline uint32
KeySpread(int64 key)
{
	return (uint32) (((uint64) key * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

#define SH_PREFIX keyset
#define SH_ELEMENT_TYPE KeySetEntry
#define SH_KEY_TYPE int64
#define SH_KEY key
#define SH_HASH_KEY(table, key) KeySpread(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Some keys; all zero is a set of none, to which nothing can be added. */
typedef struct KeySet
{
	int			count;
	keyset_hash *table;
} KeySet;

/* Make room for so many keys, in the current memory context, where the set stays. */
static inline void
KeySetInit(KeySet *set, int keys)
{
	set->count = 0;
	set->table = keyset_create(CurrentMemoryContext, Max(keys, 8), NULL);
}

/* Take all keys out again; the room stays. */
static inline void
KeySetClear(KeySet *set)
{
	set->count = 0;
	keyset_reset(set->table);
}

/* A copy in the current memory context. */
static inline KeySet
KeySetCopy(const KeySet *set)
{
	KeySet		copy = {set->count, NULL};

	if (set->table == NULL)
	{
		KeySetInit(&copy, 8);
		return copy;
	}
	copy.table = palloc(sizeof(keyset_hash));
	*copy.table = *set->table;
	copy.table->ctx = CurrentMemoryContext;
	copy.table->data = palloc_extended(sizeof(KeySetEntry) * copy.table->size, MCXT_ALLOC_HUGE);
	memcpy(copy.table->data, set->table->data, sizeof(KeySetEntry) * copy.table->size);
	return copy;
}

/* True if the key is in the set. */
static inline bool
KeySetHas(const KeySet *set, int64 key)
{
	return set->count > 0 && keyset_lookup(set->table, key) != NULL;
}

/* The number of a key, put in if it is not there: then its number is the count before. */
static inline int
KeySetNumber(KeySet *set, int64 key)
{
	bool		found;
	KeySetEntry *entry = keyset_insert(set->table, key, &found);

	if (!found)
		entry->number = set->count++;
	return entry->number;
}

/* Put a key in; false if it was there. */
static inline bool
KeySetAdd(KeySet *set, int64 key)
{
	int			count = set->count;

	return KeySetNumber(set, key) == count;
}

/* Walk over the keys: place is 0 at first; false after the last one. */
static inline bool
KeySetNext(const KeySet *set, uint64 *place, int64 *key)
{
	while (set->count > 0 && *place < set->table->size)
	{
		const KeySetEntry *entry = &set->table->data[(*place)++];

		*key = entry->key;
		if (entry->status == keyset_SH_IN_USE)
			return true;
	}
	return false;
}

/* The keys as an array for SQL. */
static inline Datum
KeySetArray(const KeySet *set)
{
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(set->count, 1), MCXT_ALLOC_HUGE);
	uint64		place = 0;
	int64		key;
	int			count = 0;

	while (KeySetNext(set, &place, &key))
		keys[count++] = Int64GetDatum(key);
	return PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

#endif
