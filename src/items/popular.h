/*
 * popular.h
 *		What is popular now: lists that do not depend on a person.
 */
#ifndef PERSONALIZE_POPULAR_H
#define PERSONALIZE_POPULAR_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* A list of items, best first. */
typedef struct PopularItem
{
	int64		itemKey;
	double		score;
} PopularItem;

typedef struct PopularList
{
	int			count;
	const PopularItem *items;	/* with the scores of when it was made */
	double		left;			/* of each score */
	bool		cut;			/* there may be more */
	bool		faded;			/* kept, and by now all of it is too old to count */
} PopularList;

/* The score of an item of a list now. */
static inline double
PopularScore(const PopularList *list, int place)
{
	return list->items[place].score * list->left;
}

/* The longest lists: overall, and of a category. */
#define POPULAR_MAX_ITEMS 1000
#define POPULAR_MAX_OF_CATEGORY 100

/* Which list. */
typedef struct PopularQuery
{
	const text *category;		/* NULL: all */
	TimestampTz now;
	int64		halfLife;		/* microseconds */
	int			n;
} PopularQuery;

/*
 * Items by the sum of their events' weights, each halved with every half-life
 * of its age, as of query->now.  All lists are palloc'd.
 */
extern PopularList PopularTrending(const PopularQuery *query);

/*
 * The same for query->category and query->halfLife, with the scores of query->now, as it
 * was last found: longer than query->n, or shorter if list->cut.
 * Items that may not be returned are in it.  False: no such lists are kept.
 */
extern bool PopularKept(const PopularQuery *query, Snapshot snapshot, PopularList *list);

/* The list of all that is trending, by item. */
typedef struct PopularScores
{
	KeySet		keys;			/* in the list's order */
	const double *scores;		/* by number of the key, as of when the list was made */
	double		left;			/* what is left of them: a factor */
} PopularScores;

/*
 * The list that PopularKept finds of all categories.  What the scores point to is kept from
 * call to call: it stays as it is until this is called again.
 */
extern bool PopularKeptScores(const PopularQuery *query, Snapshot snapshot, PopularScores *scores);

extern void PopularInit(void);

#endif
