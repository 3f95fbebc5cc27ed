/*
 * neighbour_rebuild.h
 *		Counting neighbours anew, for the processor.
 */
#ifndef PERSONALIZE_NEIGHBOUR_REBUILD_H
#define PERSONALIZE_NEIGHBOUR_REBUILD_H

#include "postgres.h"

/* Forget the sessions of the people of some shards, and make the lists of the items of these shards anew. */
extern void NeighbourClear(const bool *shards);

/* About how many events sessions are made of. */
extern int64 NeighbourHeld(void);

#endif
