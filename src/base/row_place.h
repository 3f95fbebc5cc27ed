/*
 * row_place.h
 *		Where rows were found lately.
 */
#ifndef PERSONALIZE_ROW_PLACE_H
#define PERSONALIZE_ROW_PLACE_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

extern void RowPlaceInit(void);

/*
 * Put the row of a key that is unique in a table into the slot, if it is where it
 * was found before and is the one that the snapshot sees; false: search the index.
 */
extern bool RowPlaceFetch(Relation table, Snapshot snapshot, int64 key, TupleTableSlot *slot);

/* Remember where the row in the slot, which an index search has found, lies. */
extern void RowPlaceKeep(Relation table, Snapshot snapshot, int64 key, const TupleTableSlot *slot);

/* Rows of these keys are about to be fetched. */
extern void RowPlacePrefetch(Relation table, const int64 *keys, int count);

#endif
