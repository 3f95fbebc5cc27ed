/*
 * profile_backfill.h
 *		Counting profiles anew, all of them or a part alone, for the processor.
 */
#ifndef PERSONALIZE_PROFILE_BACKFILL_H
#define PERSONALIZE_PROFILE_BACKFILL_H

#include "postgres.h"

#include "profiles/profile_delta.h"
#include "workers/processor.h"

/* The parts the running batch counts anew alone; NULL: it counts all. */
extern ProfileParts *ProfilePartsOnly(void);

/* What ProcessorMethods has of the same names. */
extern void ProfileClear(const bool *shards);
extern void ProfileRebuilt(void);
extern void ProfileLockParts(void);
extern void ProfileClearParts(const bool *shards, const ProcessorParts *parts);
extern void ProfileFilled(const ProcessorParts *parts);

#endif
