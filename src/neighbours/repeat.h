/*
 * repeat.h
 *		How likely people are to come back to an item of their session.
 */
#ifndef PERSONALIZE_REPEAT_H
#define PERSONALIZE_REPEAT_H

#include "postgres.h"

#include "neighbours/session.h"

/* The newest so many distinct items of a session may be come back to. */
#define REPEAT_PLACES 8

/* Kinds of last clicks, of how many items a session has had, and of what a click was. */
#define REPEAT_KINDS 4
#define REPEAT_LENGTHS 4
#define REPEAT_CODES 4

/* How often it was possible, and happened. */
typedef struct RepeatChance
{
	int64		hits;
	int64		chances;
} RepeatChance;

/* Of all sessions, by the place of the item among the newest ones. */
typedef struct RepeatPlace
{
	RepeatChance byLength[REPEAT_KINDS][REPEAT_LENGTHS];
	RepeatChance byHistory[REPEAT_CODES][REPEAT_CODES][2];	/* last click, the one before, were there two */
} RepeatPlace;

/* As many chances a place has. */
#define REPEAT_CHANCES (sizeof(RepeatPlace) / sizeof(RepeatChance))

typedef struct RepeatCounts
{
	RepeatPlace places[REPEAT_PLACES];
} RepeatCounts;

/* What a session looks like after some of its clicks. */
typedef struct RepeatSituation
{
	int			count;			/* newest distinct items */
	int64		items[REPEAT_PLACES];
	int			times[REPEAT_PLACES];	/* seen so far */
	int			ages[REPEAT_PLACES];	/* clicks ago */
	int			kind;
	int			length;			/* class of how many distinct items */
	int			last;			/* code of the last click, and of the one before */
	int			before;
	bool		two;			/* clicks at least */
} RepeatSituation;

/* Look at clicks, given newest first. */
extern void RepeatLook(RepeatSituation *situation, const int64 *clicks, int count);

/* Add all clicks of a session to the counts, or take them out (sign -1). */
extern void RepeatCountSession(RepeatCounts *counts, const Session *session, int sign);

/* The chance that the next click is on the item at a place of a situation. */
extern double RepeatProbability(const RepeatCounts *counts, const RepeatSituation *situation, int place);

#endif
