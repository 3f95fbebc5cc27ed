/*
 * person_expiry.h
 *		What is past its time goes: how a table takes part.
 */
#ifndef PERSONALIZE_PERSON_EXPIRY_H
#define PERSONALIZE_PERSON_EXPIRY_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The most things one step tells of. */
#define PERSON_EXPIRY_LINES 4

/* What a step is to do, and what came of it. */
typedef struct PersonExpiry
{
	TimestampTz asOf;
	bool		hasCutoff;		/* false: kept without end */
	TimestampTz cutoff;			/* what lies before is past its time */
	bool		dryRun;
	int64		maxRows;		/* to be removed */
	bool		hasNextKey;		/* begin with this user; out: the rest begins there */
	int64		nextKey;
	bool		passed;			/* the whole table has been looked at */
	int64		removed;
	int64		damaged;		/* rows that could not be read, and are left */
	const char *remaker;		/* the processor that makes them anew */
	const char *busy;			/* who is at work instead; NULL: nobody */
	int			lineCount;
	struct
	{
		const char *what;
		int64		removed;
	}			lines[PERSON_EXPIRY_LINES];
} PersonExpiry;

/* Tell how much of something was removed. */
extern void PersonExpiryReport(PersonExpiry *expiry, const char *what, int64 removed);

/* Say that the step could not get at what it is about. */
extern void PersonExpirySetBusy(PersonExpiry *expiry, const char *busy);

/* Say that rows were left, which a processor can make anew, because they could not be read. */
extern void PersonExpirySetDamaged(PersonExpiry *expiry, int64 damaged, const char *remaker);

/*
 * Delete rows of a table, or count them: condition speaks of its row as t, of
 * the cutoff as $1.  No more than maxRows of them are deleted.
 */
extern void PersonExpiryDelete(PersonExpiry *expiry, const char *table, const char *condition);

/* See what was committed before locks were had. */
extern void PersonExpiryPushSnapshot(void);

#endif
