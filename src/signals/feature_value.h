/*
 * feature_value.h
 *		The dictionary of features: from value keys back to texts.
 */
#ifndef PERSONALIZE_FEATURE_VALUE_H
#define PERSONALIZE_FEATURE_VALUE_H

#include "postgres.h"

#include "signals/signal.h"
#include "signals/value_key.h"
#include "utils/snapshot.h"

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
