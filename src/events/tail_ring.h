/*
 * tail_ring.h
 *		Where the newest events of each person lie, in shared memory.
 */
#ifndef PERSONALIZE_TAIL_RING_H
#define PERSONALIZE_TAIL_RING_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/off.h"

/* An event that has been written. */
typedef struct TailEvent
{
	int64		userKey;
	uint64		transaction;	/* full id of the one that wrote it */
	BlockNumber block;
	OffsetNumber offset;
} TailEvent;

/* Where an event may lie. */
typedef struct TailPlace
{
	Oid			file;
	BlockNumber block;
	OffsetNumber offset;
	uint64		number;			/* in the order they were added */
} TailPlace;

/* Places that were found, the newest first. */
typedef struct TailPlaces
{
	TailPlace  *places;
	int64		count;
} TailPlaces;

/* What the ring holds now. */
typedef struct TailRingState
{
	Size		bytes;			/* of shared memory */
	int64		capacity;		/* places */
	int64		kept;
	uint64		next;			/* number of the next place */
	uint64		added;			/* since the server started */
	uint64		lost;			/* highest transaction of what was overwritten; 0: nothing was */
} TailRingState;

/* reserved: bytes of personalize.tail_ring_size that somebody else asks for.  False: there will be no ring. */
extern bool TailRingInit(Size reserved);

/* Add events of a file (of a partition) of this database. */
extern void TailRingAdd(Oid file, const TailEvent *events, int count);

/*
 * Find where the person's events lie that transactions from this one on have written,
 * and others by chance; no more than most + 1.  False if some of them may be lost.
 */
extern bool TailRingFind(int64 userKey, uint64 since, int64 most, TailPlaces *found);

/* True if places of transactions from this one on may be lost. */
extern bool TailRingHasLost(uint64 since);

/* False without a ring. */
extern bool TailRingLook(TailRingState *state);

#endif
