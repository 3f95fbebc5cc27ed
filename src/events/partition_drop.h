/*
 * partition_drop.h
 *		Days of event that have served their time.
 */
#ifndef PERSONALIZE_PARTITION_DROP_H
#define PERSONALIZE_PARTITION_DROP_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* What can be said of a day that is to go. */
typedef enum PartitionState
{
	PARTITION_MAY_GO,
	PARTITION_NOT_PASSED,		/* some processor has not seen all of it */
	PARTITION_WRITTEN,			/* somebody is importing history into it */
	PARTITION_NEEDED			/* a transaction's snapshot is older than its closing */
} PartitionState;

/*
 * Hold a closed day against being written, to the end of the transaction, and
 * tell whether it may go.  The caller has connected as the owner.
 */
extern PartitionState PartitionHoldForDrop(int32 day);

/*
 * Lock event so that a day can be dropped: at once, or waiting a moment; false
 * if somebody reads it.  Keep it short from here on to the end of the transaction.
 */
extern bool PartitionTryLockParent(void);

/* Drop a day that is held, with the parent locked; false if somebody reads it. */
extern bool PartitionDrop(int32 day);

/* Note that events of a day, which the processors have counted, are going. */
extern void PartitionNoteGone(int32 day);

#endif
