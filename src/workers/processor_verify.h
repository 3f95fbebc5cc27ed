/*
 * processor_verify.h
 *		verify_counts(): what a processor holds against what the raw events say.
 */
#ifndef PERSONALIZE_PROCESSOR_VERIFY_H
#define PERSONALIZE_PROCESSOR_VERIFY_H

#include "postgres.h"

#include "base/shard.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"
#include "workers/processor.h"

/* One kind of thing that a processor holds. */
typedef struct ProcessorPart
{
	const char *what;
	int64		compared;		/* keys */
	int64		wrong;
	int64		expected;		/* of the keys compared, in all */
	int64		found;
	char	   *first;			/* the first that is wrong, in words; NULL: none */
} ProcessorPart;
#define PROCESSOR_MAX_PARTS 6

/* A comparison under way. */
typedef struct ProcessorVerification
{
	Snapshot	snapshot;
	bool		shards[SHARD_COUNT];	/* those of this pass */
	TimestampTz since;			/* what happened before may have lost raw events */
	TimestampTz keptSince;		/* retention may have removed what happened before */
	bool		filling;		/* some part is still to be counted anew (processor_backfill.h) */
	ProcessorPart parts[PROCESSOR_MAX_PARTS];
	MemoryContext context;		/* lives as long as the comparison */
} ProcessorVerification;

/*
 * Compare one key's count: exactly, or if some of its raw events may be gone, that
 * nothing is missing of what is left.  key, in words, is freed.
 */
extern void ProcessorVerifyKey(ProcessorVerification *verification, int part, int64 expected, int64 found,
							   bool exactly, char *key);

#endif
