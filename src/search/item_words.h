/*
 * item_words.h
 *		The words of an item, packed as the index has them.
 *
 * Attributes are searched in one of four weights, A to D.  How often a word occurs in
 * each, and how many words there are, are four bytes in an integer, A lowest.
 */
#ifndef PERSONALIZE_ITEM_WORDS_H
#define PERSONALIZE_ITEM_WORDS_H

#include "postgres.h"

#include "port/pg_bitutils.h"

#define WEIGHT_COUNT 4

/* The byte of a weight. */
static inline int
PackedByte(int32 packed, int weight)
{
	return ((uint32) packed >> (8 * weight)) & 0xff;
}

/*
 * A number of words as a byte: up to 31 exactly, beyond that 16 steps to each double
 * (3 % off at most), up to half a million.
 */
static inline int
LengthEncode(int words)
{
	int			power;

	if (words < 32)
		return words;
	power = Min(pg_leftmost_one_pos32(words), 18);
	return 32 + (power - 5) * 16 + (Min(words, (1 << 19) - 1) >> (power - 4) & 15);
}

static inline int
LengthDecode(int code)
{
	if (code < 32)
		return code;
	return (16 + (code - 32) % 16) << ((code - 32) / 16 + 1);
}

#endif
