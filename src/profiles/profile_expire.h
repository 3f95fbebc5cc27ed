/*
 * profile_expire.h
 *		What is past its time goes from profiles.
 */
#ifndef PERSONALIZE_PROFILE_EXPIRE_H
#define PERSONALIZE_PROFILE_EXPIRE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* What to look at, and what came of it. */
typedef struct ProfileExpiry
{
	TimestampTz asOf;
	TimestampTz before;			/* older: past its time whatever the signal needs */
	bool		dryRun;
	int64		maxChanged;		/* profiles to write; ten times as many are looked at */
	bool		hasNextKey;		/* begin with this user; out: the rest begins there */
	int64		nextKey;
	int64		profiles;		/* gone */
	int64		features;		/* of others, that lost panes */
	int64		recent;			/* items of others */
	int64		damaged;		/* that could not be read, and are left */
} ProfileExpiry;

/*
 * Take from profiles the panes that no period of their signal reaches any more
 * or that lie wholly before expiry->before, recent items before that, and
 * profiles whose person has done nothing since.  The caller holds the
 * processor's locks and has set a snapshot taken under them.
 */
extern void ProfileExpire(ProfileExpiry *expiry);

#endif
