/*
 * shard.h
 *		Into which shard a key falls.
 */
#ifndef PERSONALIZE_SHARD_H
#define PERSONALIZE_SHARD_H

#include "postgres.h"

/* Users, and items, fall into this many shards and lock stripes. */
#define SHARD_COUNT 64

/* The shard (and lock stripe) of a user's or item's key: 0..63. */
static inline int
ShardOfKey(int64 key)
{
	/* Fibonacci hashing: the high bits of a product with 2^64 / phi */
	return (int) (((uint64) key * UINT64CONST(0x9E3779B97F4A7C15)) >> 58);
}

#endif
