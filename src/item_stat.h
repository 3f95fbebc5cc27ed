/*
 * item_stat.h
 *		Taking a person out of the statistics, and putting them back.
 */
#ifndef PERSONALIZE_ITEM_STAT_H
#define PERSONALIZE_ITEM_STAT_H

#include "postgres.h"

/*
 * Take out of the counters what the person's raw events have added, and out of
 * use the baskets; and back again.  Under the active snapshot, with the person's
 * stripe locked exclusively.
 */
extern void ItemStatPark(int64 userKey);
extern void ItemStatUnpark(int64 userKey);

#endif
