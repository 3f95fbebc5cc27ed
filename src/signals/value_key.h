/*
 * value_key.h
 *		Keys of features: a signal and a value in 64 bits.
 */
#ifndef PERSONALIZE_VALUE_KEY_H
#define PERSONALIZE_VALUE_KEY_H

#include "postgres.h"

/* A feature's key: the signal in the high 16 bits, a hash of the value below. */
#define FEATURE_HASH_MASK ((UINT64CONST(1) << 48) - 1)
#define FeatureKeyMake(signal, hash) \
	(((uint64) (uint16) (signal) << 48) | ((uint64) (hash) & FEATURE_HASH_MASK))
#define FeatureKeySignal(key) ((int) ((uint64) (key) >> 48))
#define FeatureKeyHash(key) ((uint64) (key) & FEATURE_HASH_MASK)

/* Set in the value keys of everything but small whole numbers. */
#define FEATURE_VALUE_HASHED (UINT64CONST(1) << 47)

/* The value key of signals without a key path; its text is empty. */
#define FEATURE_VALUE_NONE FEATURE_VALUE_HASHED

/* No value: the feature that holds all different values of a signal. */
#define FEATURE_VALUE_DISTINCT FEATURE_HASH_MASK

/* So many bits of a hashed key (key.h) a value key does without. */
#define FEATURE_VALUE_DROPPED_BITS 16

/*
 * The 48-bit value key of a text whose key is KeyFromBytes(text): a whole number
 * below 2^47 is its own value key, anything else has bit 47 set.  Never FEATURE_VALUE_DISTINCT.
 */
extern uint64 FeatureValueHash(int64 key);

#endif
