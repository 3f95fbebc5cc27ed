/*
 * processor_verify.h
 *		verify_counts(): what a processor holds against what the raw events say.
 */
#ifndef PERSONALIZE_PROCESSOR_VERIFY_H
#define PERSONALIZE_PROCESSOR_VERIFY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "processor.h"
#include "utils/snapshot.h"

/* One kind of thing that a processor holds. */
typedef struct VerifyPart
{
	const char *what;
	int64		compared;		/* keys */
	int64		wrong;
	int64		expected;		/* of the keys compared, in all */
	int64		found;
	char	   *first;			/* the first that is wrong, in words; NULL: none */
} VerifyPart;
#define VERIFY_MAX_PARTS 2

/* A comparison under way. */
typedef struct Verification
{
	Snapshot	snapshot;
	bool		shards[EVENT_SHARDS];	/* those of this pass */
	TimestampTz since;			/* what happened before may have lost raw events */
	TimestampTz keptSince;		/* retention may have removed what happened before */
	VerifyPart	parts[VERIFY_MAX_PARTS];
	MemoryContext context;		/* lives as long as the comparison */
} Verification;

/*
 * Compare one key's count: exactly, or if some of its raw events may be gone, that
 * nothing is missing of what is left.  key is palloc'd words for it.
 */
extern void VerifyCount(Verification *verification, int part, int64 expected, int64 found,
						bool exactly, const char *key);

#endif
