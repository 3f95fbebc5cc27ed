/*
 * processor.h
 *		Exactly-once batches over the raw events.
 */
#ifndef PERSONALIZE_PROCESSOR_H
#define PERSONALIZE_PROCESSOR_H

#include "postgres.h"

#include "base/key_set.h"
#include "base/lock.h"
#include "base/shard.h"
#include "base/txid.h"
#include "events/event.h"
#include "executor/tuptable.h"

struct ProcessorVerification;

/* processor.processor; the order in which they are run. */
typedef enum ProcessorId
{
	PROCESSOR_PROFILE = 1,
	PROCESSOR_ITEM_STAT,
	PROCESSOR_NEIGHBOUR,
	PROCESSOR_EXPOSURE
} ProcessorId;
#define PROCESSOR_COUNT 4

/* Parts that are counted anew alone; not 0. */
typedef struct ProcessorParts
{
	int			count;
	int16	   *parts;
} ProcessorParts;

/*
 * What a processor does with a batch.  begin returns its state, allocated in
 * CurrentMemoryContext, which lives until finish has returned; add is called
 * once per event, in arrival order, in a context that is reset after each
 * event; finish writes the result in (table, key) order.  A batch may be cut
 * into several begin/add/finish rounds inside one transaction, so the result
 * must not depend on the cut.  An error thrown by any of them is undone; if it
 * comes again, the event that causes it is found and set aside.
 */
typedef struct ProcessorMethods
{
	ProcessorId id;
	const char *name;
	bool		shardedByUser;	/* shardOf is ShardOfKey(userKey) */
	bool		oneWriter;		/* its shards have rows in common: a batch has all of them, under one lock */
	bool		keysOnly;		/* it needs neither value nor properties */
	bool		gathers;		/* a row holds all that is known of its key */
	int			batches;		/* what waits in so many batches is taken at once; 0: 1 */
	int			(*shardOf) (const EventRow *row);	/* by the keys; -1: not for this processor */
	void	   *(*begin) (void);
	void		(*add) (void *state, const EventRow *row);
	void		(*finish) (void *state);

	/* Fold the dictionary log for these shards before the events; may be NULL. */
	void		(*fold) (const bool *shards);

	/*
	 * What verify_counts() uses: addToCompare is add, but writes nothing; compare
	 * takes the place of finish.  NULL: it cannot be compared.
	 */
	void		(*addToCompare) (void *state, const EventRow *row);
	void		(*compare) (void *state, struct ProcessorVerification *verification);

	/*
	 * For a rebuild: delete what was written for some shards, which are then counted
	 * anew in the same transaction, and what is to be done after the last of them
	 * (may be NULL).  If held tells of how many events its rows are made (else NULL), as many
	 * shards are taken at a time as hold about a batch, and what waits goes on waiting.
	 */
	void		(*clear) (const bool *shards);
	int64		(*held) (void);
	void		(*rebuilt) (void);

	/*
	 * For parts that can be counted anew alone (NULL: there are none): keep them from
	 * being defined, changed and dropped to the end of the transaction; forget for some
	 * shards what was written of some; what is to be done when some are complete.  From
	 * clearParts to the end of the batch add counts only ProcessorPartsOnly().
	 */
	void		(*lockParts) (void);
	void		(*clearParts) (const bool *shards, const ProcessorParts *parts);
	void		(*filled) (const ProcessorParts *parts);
} ProcessorMethods;

/* How many locks its shards are under, the first shards' each. */
static inline int
ProcessorLocks(const ProcessorMethods *methods)
{
	return methods->oneWriter ? 1 : SHARD_COUNT;
}

/* Called from each processor's Init. */
extern void ProcessorRegister(const ProcessorMethods *methods);
extern const ProcessorMethods *ProcessorGet(ProcessorId id);

/* Which shards a batch takes, and how. */
typedef struct ProcessorBatchOptions
{
	int			workerNumber;	/* takes the shards that are workerNumber */
	int			workerCount;	/* modulo workerCount; 0 of 1 takes all */
	bool		wait;			/* wait for shards others hold, else skip them */
	bool		isolate;		/* find and set aside the event that fails */
	bool		resting;		/* no back-fill now */
} ProcessorBatchOptions;

/* What one batch did. */
typedef struct ProcessorBatchResult
{
	int64		events;			/* events that counted */
	int64		rejected;		/* events set aside */
	bool		more;			/* a further batch is waiting */
	bool		busy;			/* some shard was held by another */
	bool		backfilled;		/* it has counted parts alone; others may be waiting */
} ProcessorBatchResult;

/* Run one batch in the current transaction. */
extern ProcessorBatchResult ProcessorRunBatch(const ProcessorMethods *methods,
											  const ProcessorBatchOptions *options);

/* Note that somebody waits, or works, where batches do; true if this backend has seen that lately. */
extern void ProcessorNoteWait(void);
extern bool ProcessorIsAwaited(void);

/* True if processor.enabled. */
extern bool ProcessorIsEnabled(ProcessorId id);

/* The processor with this name, or an error. */
extern const ProcessorMethods *ProcessorByName(const char *name);

/* Mark the shards that are still to be counted anew, as the active snapshot sees it; how many. */
extern int	ProcessorOutdated(ProcessorId id, bool shards[SHARD_COUNT]);

/* True in a batch that counts some anew, whose rows are incomplete until it ends. */
extern bool ProcessorIsRebuilding(void);

/* The parts that the batch counts anew alone; NULL: it counts all. */
extern const ProcessorParts *ProcessorPartsOnly(void);

/* Parts as an array for SQL. */
extern Datum ProcessorPartArray(const ProcessorParts *parts);

/* Have a part counted anew, in the background or by rollup_now(); or not any more. */
extern void ProcessorAskBackfill(ProcessorId id, int16 part);
extern void ProcessorForgetBackfill(ProcessorId id, int16 part);

/* Delete the rows of a table that fall into the shards; keyOf tells a row's key, false: it stays. */
extern void ProcessorClearTable(const char *table, const char *index, const bool *shards,
								bool (*keyOf) (TupleTableSlot *slot, int64 *key));

/* Let what is read see what this transaction has written; pop it again. */
extern void ProcessorPushSnapshot(void);

/* Remember in table processor that a batch failed; in a transaction of its own. */
extern void ProcessorRecordFailure(const ProcessorMethods *methods, const char *message);

/* Up to where the processor has got with a shard, as the snapshot sees it. */
extern TxidSnapshot *ProcessorPosition(ProcessorId id, int shard, Snapshot snapshot);

/*
 * Events of people (NULL: of everybody) that a processor has set aside, and whether an event is one
 * of them; each is used up by one match.
 */
extern uint64 ProcessorReadRejected(const char *processor, const KeySet *people, EventRow **rejected);
extern bool ProcessorTakeRejected(const EventRow *row, EventRow *rejected, uint64 count);

/*
 * Count a person's events again, as far as the processor has passed them; what
 * it had written of them is gone, and the caller holds the stripe exclusively.
 */
extern void ProcessorRecount(ProcessorId id, int64 userKey);

/*
 * Count a person's events as another's who has them from now on, as far as the processor
 * has passed those of that one; the caller holds both stripes exclusively.
 */
extern void ProcessorRecountAs(ProcessorId id, int64 userKey, int64 asKey);

/* Visit these events, under the active snapshot. */
extern void ProcessorVisitPassed(ProcessorId id, int64 userKey,
								 void (*visit) (void *state, const EventRow *row), void *state);

/*
 * Move a processor's position on in the shards that are not NULL; refused if one
 * does not contain what it replaces.  The caller holds the shards.
 */
extern void ProcessorStorePosition(const ProcessorMethods *methods,
								   TxidSnapshot *const positions[SHARD_COUNT]);

/* A processor, or every one, disabled ones too, has seen all events with a txid below this. */
extern int64 ProcessorSeenBelow(ProcessorId id, Snapshot snapshot);
extern int64 ProcessorAllSeenBelow(Snapshot snapshot);

/*
 * Be the only one to write what a processor writes, to the end of the transaction:
 * its shards exclusively, all stripes shared.  False if it does not let go soon.
 */
extern bool ProcessorPause(ProcessorId id);

/* True if an error tells of the server's state rather than of an event. */
extern bool ProcessorErrorIsPassing(int sqlState);

/* Tell where a batch has got, for pg_stat_activity, and how much of a rebuild is done; total 0: there is none. */
extern void ProcessorNoteRebuild(const ProcessorMethods *methods, int64 done, int64 total);
extern void ProcessorReportPhase(const ProcessorMethods *methods, const char *phase);

/* Called once when the library is loaded. */
extern void ProcessorInit(void);

#endif
