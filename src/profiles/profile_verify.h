/*
 * profile_verify.h
 *		What a row of profile holds against what the raw events say.
 */
#ifndef PERSONALIZE_PROFILE_VERIFY_H
#define PERSONALIZE_PROFILE_VERIFY_H

#include "postgres.h"

#include "profiles/profile_row.h"
#include "profiles/segment.h"
#include "workers/processor_verify.h"

/* What the raw events that are left say of somebody. */
typedef struct ProfileExpected
{
	int64		userKey;
	ProfileDelta *delta;		/* NULL: there are none */
	int32		allowed;		/* purposes of any of them */
	const SignalSet *signals;
	const SegmentSet *segments;
} ProfileExpected;

/* Name the parts that are compared. */
extern void ProfileVerifyBegin(ProcessorVerification *verification);

/* Compare a row, which may be missing (NULL). */
extern void ProfileVerify(ProcessorVerification *verification, ProfileExpected *expected, const StoredProfile *stored);

#endif
