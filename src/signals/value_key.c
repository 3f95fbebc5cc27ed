/*
 * value_key.c
 *		Keys of features: a signal and a value in 64 bits.
 */
#include "postgres.h"

#include "signals/value_key.h"

/* The 48-bit value key of a text with this key. */
uint64
FeatureValueHash(int64 key)
{
	uint64		bits = (uint64) key;

	if (key >= 0)
	{
		if (bits < FEATURE_VALUE_HASHED)
			return bits;
		/* large numbers often share their low bits; MurmurHash3's finalizer */
		bits ^= bits >> 33;
		bits *= UINT64CONST(0xff51afd7ed558ccd);
		bits ^= bits >> 33;
	}
	bits = FEATURE_VALUE_HASHED | ((bits >> FEATURE_VALUE_DROPPED_BITS) & (FEATURE_VALUE_HASHED - 1));
	return Min(bits, FEATURE_VALUE_DISTINCT - 1);
}
