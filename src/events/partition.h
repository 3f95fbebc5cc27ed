/*
 * partition.h
 *		The days of event: making, listing and closing their partitions.
 */
#ifndef PERSONALIZE_PARTITION_H
#define PERSONALIZE_PARTITION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Bytes a partition's name needs, its end included. */
#define PARTITION_NAME_LENGTH 32

/* The day of a time: whole days since 2000-01-01 UTC. */
extern int32 PartitionDay(TimestampTz time);

/* Name of the partition of a day: "event_p20260131". */
extern void PartitionName(int32 day, char *name);

/* True for a name that the partition of a day has. */
extern bool PartitionIsDayName(const char *name);

/*
 * The partition for an arrival time, opened RowExclusiveLock, made if it does
 * not exist yet.  Its day stays open until the transaction ends, and is opened
 * again if it was closed.
 */
extern Relation PartitionOpenForInsert(TimestampTz receivedAt);

/* Make partitions from today up to days ahead; returns how many were made. */
extern int	PartitionMakeAhead(int days);

/* Have what is made until SpiUtilEnd, as the owner, lie where days and their indexes should. */
extern void PartitionPinTablespace(void);

/* Make the partitions of these days in this transaction; returns how many were made. */
extern int	PartitionMakeDays(const int32 *days, int count);

/*
 * OIDs of the partitions in the order of days, from the day of since on; not those
 * every processor has passed, unless all.
 */
extern List *PartitionList(Snapshot snapshot, bool all, TimestampTz since);

/* Partitions that were attached by hand under a name that is no day's, as SQL names them. */
extern List *PartitionForeign(void);

/* The days that have a partition, sorted; all, or those not every processor has passed. */
extern List *PartitionDays(Snapshot snapshot, bool all);

/* True if some event of a day, as far as it can be seen, has a txid from this one on. */
extern bool PartitionHasTxidFrom(int32 day, int64 txid);

/*
 * Mark days before yesterday as passed if every event in them, visible or not,
 * has a txid below allSeenBelow, and give them their btree(user_key, ts); the
 * oldest first, no more than so many.  Returns how many were closed.
 */
extern int	PartitionCloseDays(int64 allSeenBelow, int most);

/* Bring the BRIN indexes of open days up to date. */
extern void PartitionSummarize(void);

/* Called once when the library is loaded. */
extern void PartitionInit(void);

#endif
