/*
 * person_fit.h
 *		Who may be in numbers that were fitted to everybody's pages.
 *
 * Such numbers keep nothing of a person, but what they have learnt cannot be taken out of
 * them.  So they note the time of the pages they have seen, and count who of those is
 * forgotten, or withdraws, after that; health() tells.  Whoever has no page of that time
 * left is in none, unless retention may have removed pages of that time: then only who
 * came later is known to be in none.
 */
#ifndef PERSONALIZE_PERSON_FIT_H
#define PERSONALIZE_PERSON_FIT_H

#include "executor/spi.h"
#include "people/person_store.h"

/* SQL: whether person p may be in what was fitted to pages of a time. */
#define PERSON_FITTED(since, until) \
	"(EXISTS (SELECT FROM personalize.exposure AS e" \
	"  WHERE e.user_key = p.user_key AND e.query_key <> 0 AND e.shown_at >= " since " AND e.shown_at < " until ")" \
	" OR (EXISTS (SELECT FROM personalize._gone AS g WHERE g.what = 'exposure' AND g.before > " since ")" \
	"  AND NOT EXISTS (SELECT FROM personalize.profile AS f WHERE f.user_key = p.user_key AND f.first_seen >= " until ")))"

/* How one table counts them. */
typedef struct PersonFit
{
	const char *lock;			/* locks it: whoever fits sees who is gone, or is seen */
	const char *count;			/* counts people ($1, bigint[]) in its rows */
	SPIPlanPtr	lockPlan;
	SPIPlanPtr	countPlan;
} PersonFit;

extern void PersonFitCount(PersonFit *fit, const PersonRemoval *removal);

#endif							/* PERSONALIZE_PERSON_FIT_H */
