/*
 * erasure_private.h
 *		What erasure.c and erasure_purge.c share about an erasure under way.
 */
#ifndef PERSONALIZE_ERASURE_PRIVATE_H
#define PERSONALIZE_ERASURE_PRIVATE_H

#include "erasure/erasure.h"

#include "base/shard.h"
#include "base/txid.h"
#include "erasure/erasure_candidate.h"
#include "items/item_stat.h"
#include "utils/hsearch.h"

/* An erasure under way. */
typedef struct Erasure
{
	int			count;
	ErasurePerson *people;		/* by key */
	KeySet		keys;
	Snapshot	snapshot;
	TimestampTz now;
	int64		cutoff;
	bool		deletesEvents;
	HTAB	   *messages;		/* of MessageOwner; NULL: none */
	KeySet		probes;			/* the same messages, quicker to ask */
	ItemStatUncount *uncount;
	ErasureCandidates *candidates;	/* NULL: not noted */
	TxidSnapshot *positions[SHARD_COUNT];	/* of the profile processor */
} Erasure;

/* Order people by key. */
extern int	ErasureComparePeople(const void *left, const void *right);

/* Take away what every table holds of the people. */
extern void ErasurePurge(Erasure *erasure);

#endif
