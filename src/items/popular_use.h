/*
 * popular_use.h
 *		Which half-lives of what is trending are asked for.
 */
#ifndef PERSONALIZE_POPULAR_USE_H
#define PERSONALIZE_POPULAR_USE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The half-life of a fallback's list, in microseconds: a day.  Its lists are always kept. */
#define POPULAR_HALF_LIFE USECS_PER_DAY

/* Lists of as many half-lives are kept for a database, besides those of a day. */
#define POPULAR_USE_MAX 7

/* Say that what is trending is asked for with this half-life, in microseconds. */
extern void PopularUse(int64 halfLife);

/* Those of personalize.trending_half_lives, and of this database that were asked for in the last day; returns how many. */
extern int	PopularUseRead(int64 *halfLives);

extern void PopularUseInit(void);

#endif
