/*
 * txid.h
 *		Transaction ids that survive restores, and snapshots over them.
 */
#ifndef PERSONALIZE_TXID_H
#define PERSONALIZE_TXID_H

#include "postgres.h"

#include "base/txid_snapshot.h"

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

/* True if a txid is of the present incarnation, which is not begun for that. */
extern bool TxidIsCurrent(int64 txid);

/* True if the tables were filled anew from a dump since a txid: their files are none of then. */
extern bool TxidWasDumped(int64 txid);

/* The active snapshot over txids, with this transaction's own id unseen. */
extern TxidSnapshot *TxidSnapshotTake(void);

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

#endif
