/*
 * person_pages.h
 *		On which pages of a day a person's events are, while nobody else writes any.
 */
#ifndef PERSONALIZE_PERSON_PAGES_H
#define PERSONALIZE_PERSON_PAGES_H

#include "postgres.h"

#include "storage/block.h"
#include "utils/relcache.h"

/* Of one person and one day; the pages in order. */
typedef struct PersonPages
{
	int64		userKey;
	Oid			file;			/* of the day; one that is rewritten is another */
	BlockNumber *blocks;
	int			count;
	int			capacity;
} PersonPages;

/*
 * The pages of a day without an index on user_key that may hold events of the person; all
 * are looked at, unless they are remembered.  NULL: nothing may be remembered, for others
 * may write events of the person.  keyOffset: of the key, in bytes into a tuple's data.
 */
extern const PersonPages *PersonPagesOf(Relation partition, int64 userKey, int keyOffset);

#endif
