/*
 * feature_value.h
 *		The dictionary of features: from value keys back to texts.
 */
#ifndef PERSONALIZE_FEATURE_VALUE_H
#define PERSONALIZE_FEATURE_VALUE_H

#include "postgres.h"

#include "signals/signal.h"
#include "utils/snapshot.h"

/* Set in the value keys of everything but small whole numbers. */
#define FEATURE_VALUE_HASHED (UINT64CONST(1) << 47)

/* The value key of signals without a key path; its text is empty. */
#define FEATURE_VALUE_NONE FEATURE_VALUE_HASHED

/*
 * The 48-bit value key of a text whose key is KeyFromBytes(text): a whole number
 * below 2^47 is its own value key, anything else has bit 47 set.
 */
extern uint64 FeatureValueHash(int64 key);

/* Texts that a processor has met and that the dictionary may lack. */
typedef struct FeatureValueBatch FeatureValueBatch;

/* Allocates in CurrentMemoryContext. */
extern FeatureValueBatch *FeatureValueBatchBegin(void);

/* text NULL: nothing to remember. */
extern void FeatureValueBatchAdd(FeatureValueBatch *batch, uint64 featureKey,
								 const char *text, int length);
extern int64 FeatureValueBatchSize(const FeatureValueBatch *batch);

/* Write what the dictionary lacks and empty the batch. */
extern void FeatureValueBatchWrite(FeatureValueBatch *batch);

/*
 * Bound the backend's cache of texts.  To be called before a reader's work:
 * what the functions below return is valid until then.
 */
extern void FeatureValueTrimCache(void);

/* Let FeatureValueText know a text that may not be in the dictionary yet. */
extern void FeatureValueRemember(uint64 featureKey, const char *text, int length);

/* The text of a signal's value; NULL if nobody knows it. */
extern text *FeatureValueText(const Signal *signal, uint64 hash, Snapshot snapshot);

/* Called once when the library is loaded. */
extern void FeatureValueInit(void);

#endif
