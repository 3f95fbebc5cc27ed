/*
 * txid.h
 *		Transaction ids that survive restores, and snapshots over them.
 */
#ifndef PERSONALIZE_TXID_H
#define PERSONALIZE_TXID_H

#include "postgres.h"

/*
 * What had been committed when a snapshot was taken, over the txid column of
 * event.  Every transaction of an earlier incarnation counts as committed, none
 * of a later one does.
 */
typedef struct TxidSnapshot
{
	int32		incarnation;
	uint64		xmin;			/* all below are committed or aborted */
	uint64		xmax;			/* none from here on is seen */
	int			inProgressCount;
	uint64	   *inProgress;		/* sorted; in xmin..xmax, not seen */
} TxidSnapshot;

/*
 * The txid of events written now: assigns the top-level transaction id if
 * there is none and remembers that this transaction has written events.
 */
extern int64 TxidForEvents(void);

/* The same of entries of the ledger, which are no events. */
extern int64 TxidForDecisions(void);

/* No transaction that has an id by now has this one or a higher one. */
extern int64 TxidNext(void);

/* True if this (top-level) transaction has written events. */
extern bool TxidHasWrittenEvents(void);

/*
 * False in a new or restored database until its first event or rollup_now(): a
 * restore that is still under way must not be disturbed.
 */
extern bool TxidIsInUse(void);

/* The active snapshot over txids, with this transaction's own id unseen. */
extern TxidSnapshot *TxidSnapshotTake(void);

/* A snapshot that sees nothing. */
extern TxidSnapshot *TxidSnapshotNothing(void);

/* The same snapshot as if it had been taken when txid was still to come. */
extern TxidSnapshot *TxidSnapshotCut(const TxidSnapshot *snapshot, int64 txid);

/* No event whose txid is below this is unseen. */
extern int64 TxidSnapshotMin(const TxidSnapshot *snapshot);

/* No event whose txid is this or above is seen. */
extern int64 TxidSnapshotMax(const TxidSnapshot *snapshot);

/* Text form: incarnation:xmin:xmax:xid,xid,... */
extern TxidSnapshot *TxidSnapshotParse(const char *string);
extern char *TxidSnapshotFormat(const TxidSnapshot *snapshot);

/* The txid that a transaction id of the recent past would have written events under. */
extern int64 TxidOfNow(uint32 transactionId);

/*
 * The transaction id behind a txid; 0 (invalid) if an earlier incarnation had it, so that no
 * transaction of now can be older.
 */
extern uint32 TxidTransactionId(int64 txid);

/* True if an event with this txid is seen by the snapshot. */
extern bool TxidIsSeen(int64 txid, const TxidSnapshot *snapshot);

#endif
