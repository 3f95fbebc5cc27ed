/*
 * item_stat.h
 *		Taking people out of the statistics, and putting them back.
 */
#ifndef PERSONALIZE_ITEM_STAT_H
#define PERSONALIZE_ITEM_STAT_H

#include "base/key_set.h"
#include "events/event.h"

/*
 * Take out of the counters what the person's raw events have added, and out of
 * use the baskets; and back again.  Under the active snapshot, with the person's
 * stripe locked exclusively.
 */
extern void ItemStatPark(int64 userKey);
extern void ItemStatUnpark(int64 userKey);

/*
 * Add a person's baskets once more, or with times -1 take them out, where the counters
 * stay as they are: the events become another's.  True if there are any; lists that are
 * made of baskets are spoilt then.  As the two above.
 */
extern bool ItemStatCountBaskets(int64 userKey, int64 times, int64 movesTo);

typedef struct ItemStatUncount ItemStatUncount;

/*
 * Take events of these people out of the counters, of those given only what was
 * counted; ItemStatUncountAdd tells whether it was.  The caller is alone with the
 * people (PurgeLockStripes), and their consent is still what it was.  Reads under
 * the active snapshot.
 */
extern ItemStatUncount *ItemStatUncountBegin(const KeySet *people);
extern bool ItemStatUncountAdd(ItemStatUncount *uncount, const EventRow *row);
extern void ItemStatUncountEnd(ItemStatUncount *uncount);

/* Called once when the library is loaded. */
extern void ItemStatInit(void);

#endif
