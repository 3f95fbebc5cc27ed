/*
 * tail_cover.h
 *		Which events are all in the ring of the newest ones.
 */
#ifndef PERSONALIZE_TAIL_COVER_H
#define PERSONALIZE_TAIL_COVER_H

#include "postgres.h"

#include "events/event.h"
#include "events/tail_ring.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* Where an event of the person may lie. */
typedef struct TailTid
{
	int			partition;		/* in the list */
	ItemPointerData tid;
} TailTid;

/* What is known of a person's tail. */
typedef struct TailFound
{
	List	   *partitions;		/* of Relation, opened AccessShareLock: those with places */
	TailTid    *tids;			/* by partition and place, each once */
	int64		count;
} TailFound;

extern void TailCoverInit(void);

/*
 * Find where all events lie that a scan may ask for; false if that is not known, and
 * the pages have to be read.  The ring is brought up to date first, if it can be.
 */
extern bool TailCoverFind(const EventScanOptions *options, TailFound *found);

/* Close the partitions in the list that are not NULL, and forget the rest. */
extern void TailFoundEnd(TailFound *found);

/* Rows are about to be written into a partition: true if they are to be noted. */
extern bool TailCoverWants(void);

/* Note rows that this transaction has written into a partition. */
extern void TailCoverNote(Relation partition, const TailEvent *events, int count);

#endif
