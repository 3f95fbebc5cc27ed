/*
 * tail_cover.h
 *		Which events are all in the ring of the newest ones.
 */
#ifndef PERSONALIZE_TAIL_COVER_H
#define PERSONALIZE_TAIL_COVER_H

#include "postgres.h"

#include "events/tail_ring.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Whose events are asked for. */
typedef struct TailQuestion
{
	Snapshot	snapshot;
	int64		userKey;
	int64		minTxid;		/* those with this txid and higher ones */
	int64		maxRead;		/* so many at most, and one more; 0: all */
	int64		(*coverFrom) (Snapshot snapshot);	/* the least minTxid that is ever asked for; NULL: this one */
} TailQuestion;

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
 * Find where all events lie that are asked for, and others by chance; false if that is
 * not known, and the pages have to be read.  The ring is brought up to date first, if it
 * can be.
 */
extern bool TailCoverFind(const TailQuestion *question, TailFound *found);

/* Close the partitions in the list that are not NULL, and forget the rest. */
extern void TailFoundEnd(TailFound *found);

/* How many partitions of this database are covered. */
extern int	TailCoverCountDays(void);

/* True if there is a list; only then the rest may be called. */
extern bool TailCoverExists(void);

/* The next listed partition of this database, from place 0 on; InvalidOid: there is none. */
extern Oid	TailCoverNext(int *place);

/* Take a partition off the list: it has events that are not in the ring. */
extern void TailCoverRemove(Oid partition);

#endif
