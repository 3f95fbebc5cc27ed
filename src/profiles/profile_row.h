/*
 * profile_row.h
 *		A row of profile, taken apart to be changed.
 */
#ifndef PERSONALIZE_PROFILE_ROW_H
#define PERSONALIZE_PROFILE_ROW_H

#include "postgres.h"

#include "base/keyed.h"
#include "profiles/profile_delta.h"

/* A stored row. */
typedef struct StoredProfile
{
	Datum		values[PROFILE_COLUMN_COUNT + 1];	/* by ProfileColumn */
	bool		nulls[PROFILE_COLUMN_COUNT + 1];
} StoredProfile;

/* The columns of a row that was read. */
extern void ProfileRowTake(TupleTableSlot *slot, StoredProfile *stored);

/* Find a user's row; false if there is none. */
extern bool ProfileRowRead(KeyedTable *table, Snapshot snapshot, int64 userKey, StoredProfile *stored, ItemPointer tid);

/* True if nothing is known. */
extern bool ProfileRowIsEmpty(const StoredProfile *stored);

/* Make the row of a user nobody knows yet. */
extern void ProfileRowInit(StoredProfile *stored, int64 userKey);

/* The row's features, detoasted; NULL if there are none. */
extern FeatureState *ProfileRowFeatures(const StoredProfile *stored);

/* Put features into the row. */
extern void ProfileRowSetFeatures(StoredProfile *stored, const FeatureState *features);

/* The row's recent items. */
extern void ProfileRowRecent(const StoredProfile *stored, ProfileRecent *recent);

/* Put recent items into the row. */
extern void ProfileRowSetRecent(StoredProfile *stored, const ProfileRecent *recent);

/* The row's steps. */
extern void ProfileRowSteps(const StoredProfile *stored, ProfileSteps *steps);

/* Put steps into the row. */
extern void ProfileRowSetSteps(StoredProfile *stored, const ProfileSteps *steps);

/* Forget the steps that the events themselves tell about: those from a time on. */
extern void ProfileRowForgetSteps(StoredProfile *stored, TimestampTz oldest);

#endif
