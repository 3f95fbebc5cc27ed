/*
 * hand_write.h
 *		Being told before a statement of somebody else's writes a relation of ours.
 */
#ifndef PERSONALIZE_HAND_WRITE_H
#define PERSONALIZE_HAND_WRITE_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* A relation whose writers are somebody's concern; static, filled in by who registers it. */
typedef struct HandWatch
{
	const char *relation;		/* name in the extension's schema */
	void		(*tell) (void); /* called before each statement that writes it */

	/* of hand_write.c */
	Oid			relationId;
	uint64		generation;		/* that it is of */
	struct HandWatch *next;
} HandWatch;

/* Make it known; called when the library is loaded. */
extern void HandWatchRegister(HandWatch *watch);

#endif
