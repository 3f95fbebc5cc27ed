/*
 * event_pages.h
 *		Which pages of a day may hold events, and by which index they are found.
 */
#ifndef PERSONALIZE_EVENT_PAGES_H
#define PERSONALIZE_EVENT_PAGES_H

#include "postgres.h"

#include "access/attnum.h"
#include "events/event_cache.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/*
 * An index of this kind that finds all rows of a partition by a column (bigint),
 * opened; NULL if there is none.
 */
extern Relation EventOpenIndex(Relation partition, Oid accessMethod, AttrNumber column);

/* Which pages are meant. */
typedef struct EventPages
{
	Relation	partition;
	Snapshot	snapshot;
	int64		minTxid;		/* those that may hold txids from this one on; 0: all */
	int64		maxTxid;		/* and below this one; 0: all */
	const int64 *userKey;		/* if they are known, those that may hold events of this person; NULL: of anybody */
} EventPages;

/* Find them, in runs, palloc'd; how many runs. */
extern int	EventFindPages(const EventPages *options, BlockRun **runs);

#endif
