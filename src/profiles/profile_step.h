/*
 * profile_step.h
 *		Events that are steps of a sequence, as a profile keeps them.
 */
#ifndef PERSONALIZE_PROFILE_STEP_H
#define PERSONALIZE_PROFILE_STEP_H

#include "postgres.h"

#include "events/event.h"

/* Steps, where parts of a profile are numbers of signals. */
#define PROFILE_PART_STEPS (-1)

/* As many are kept, the newest ones. */
#define PROFILE_MAX_STEPS 128

/* What steps may have in common. */
typedef enum ProfileStepKey
{
	PROFILE_STEP_QUERY,			/* value key of signal search_term */
	PROFILE_STEP_ITEM,
	PROFILE_STEP_SESSION
} ProfileStepKey;
#define PROFILE_STEP_KEYS 3

typedef struct ProfileStep
{
	TimestampTz ts;
	int32		mask;			/* purposes the event may be used for */
	int16		event;
	uint8		has;			/* bits of ProfileStepKey */
	int64		keys[PROFILE_STEP_KEYS];
} ProfileStep;

/* Steps, newest first, each once. */
typedef struct ProfileSteps
{
	int			count;
	ProfileStep steps[PROFILE_MAX_STEPS];
} ProfileSteps;

/* What an event is as a step; its query, NULL if it has none, is the event's. */
extern const char *ProfileStepSet(ProfileStep *step, const EventRow *row, int *length);

/* qsort comparator: newest first, and those of one time in one order; 0: they are the same. */
extern int	ProfileStepCompare(const void *left, const void *right);

/* Add steps, which are sorted in place; those longer before the newest than horizon go. */
extern void ProfileStepsAdd(ProfileSteps *steps, ProfileStep *added, int count, int64 horizon);

/* The packed form: a version byte and varints. */
extern bytea *ProfileStepsPack(const ProfileSteps *steps);
extern void ProfileStepsUnpack(const bytea *packed, ProfileSteps *steps);

#endif
