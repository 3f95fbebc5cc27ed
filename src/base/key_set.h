/*
 * key_set.h
 *		A set of keys.
 */
#ifndef PERSONALIZE_KEY_SET_H
#define PERSONALIZE_KEY_SET_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"

/* Open addressing with linear probing; at most half full. */
typedef struct KeySet
{
	int			count;
	int			capacity;		/* a power of two */
	int64	   *keys;
	bool	   *used;
} KeySet;

/* Make room for so many keys, in the current memory context. */
static inline void
KeySetInit(KeySet *set, int keys)
{
	set->count = 0;
	set->capacity = pg_nextpower2_32(2 * Max(keys, 8));
	set->keys = palloc_extended(sizeof(int64) * set->capacity, MCXT_ALLOC_HUGE);
	set->used = palloc_extended(sizeof(bool) * set->capacity, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* Spread a key over a table (Fibonacci hashing). */
static inline uint32
KeySpread(int64 key)
{
	return (uint32) (((uint64) key * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/* The place of a key, or the free one where it belongs. */
static inline int
KeySetFind(const KeySet *set, int64 key)
{
	uint32		place = KeySpread(key);

	for (;; place++)
	{
		place &= set->capacity - 1;
		if (!set->used[place] || set->keys[place] == key)
			return place;
	}
}

/* True if the key is in the set. */
static inline bool
KeySetHas(const KeySet *set, int64 key)
{
	return set->count > 0 && set->used[KeySetFind(set, key)];
}

/* Put a key in; false if it was there. */
static inline bool
KeySetAdd(KeySet *set, int64 key)
{
	int			place = KeySetFind(set, key);

	if (set->used[place])
		return false;
	if (2 * (set->count + 1) > set->capacity)
	{
		KeySet		larger;

		KeySetInit(&larger, set->capacity);
		for (int i = 0; i < set->capacity; i++)
		{
			if (set->used[i])
			{
				int			to = KeySetFind(&larger, set->keys[i]);

				larger.used[to] = true;
				larger.keys[to] = set->keys[i];
			}
		}
		larger.count = set->count;
		pfree(set->keys);
		pfree(set->used);
		*set = larger;
		place = KeySetFind(set, key);
	}
	set->used[place] = true;
	set->keys[place] = key;
	set->count++;
	return true;
}

/* The keys as an array for SQL. */
static inline Datum
KeySetArray(const KeySet *set)
{
	Datum	   *keys = palloc_extended(sizeof(Datum) * Max(set->count, 1), MCXT_ALLOC_HUGE);
	int			count = 0;

	for (int i = 0; i < set->capacity; i++)
		if (set->used[i])
			keys[count++] = Int64GetDatum(set->keys[i]);
	return PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

#endif
