/*
 * txid_snapshot.h
 *		Snapshots over txids as sets.
 */
#ifndef PERSONALIZE_TXID_SNAPSHOT_H
#define PERSONALIZE_TXID_SNAPSHOT_H

#include "postgres.h"

/* A txid is incarnation << TXID_BITS | full transaction id. */
#define TXID_BITS 48
#define TXID_MASK ((UINT64CONST(1) << TXID_BITS) - 1)

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

/* Put an incarnation before a full transaction id. */
static inline int64
MakeTxid(int32 incarnation, uint64 transactionId)
{
	return (int64) (((uint64) incarnation << TXID_BITS) | (transactionId & TXID_MASK));
}

/* A snapshot that sees nothing. */
extern TxidSnapshot *TxidSnapshotNothing(void);

/* A copy, to be freed by one pfree(). */
extern TxidSnapshot *TxidSnapshotCopy(const TxidSnapshot *snapshot);

/* Put the ids in progress in order. */
extern void TxidSnapshotSort(TxidSnapshot *snapshot);

/* The same snapshot as if it had been taken when txid was still to come. */
extern TxidSnapshot *TxidSnapshotCut(const TxidSnapshot *snapshot, int64 txid);

/* A snapshot that sees what either of the two sees. */
extern TxidSnapshot *TxidSnapshotJoin(const TxidSnapshot *a, const TxidSnapshot *b);

/* True if everything that inner sees is seen by outer. */
extern bool TxidSnapshotContains(const TxidSnapshot *outer, const TxidSnapshot *inner);

/* No event whose txid is below this is unseen. */
extern int64 TxidSnapshotMin(const TxidSnapshot *snapshot);

/* No event whose txid is this or above is seen. */
extern int64 TxidSnapshotMax(const TxidSnapshot *snapshot);

/* True if an event with this txid is seen by the snapshot. */
extern bool TxidIsSeen(int64 txid, const TxidSnapshot *snapshot);

#endif
