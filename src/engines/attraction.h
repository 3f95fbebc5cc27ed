/*
 * attraction.h
 *		How often people choose an item when they see it after a query.
 */
#ifndef PERSONALIZE_ATTRACTION_H
#define PERSONALIZE_ATTRACTION_H

#include "postgres.h"

#include "exposures/attraction_past.h"
#include "items/item.h"
#include "utils/snapshot.h"

/*
 * The logarithm of each item's odds of being chosen after a query, above those of an item
 * nobody knows: 0 where nothing is known.  True if something is known of the query.
 * past: the counts to go by; NULL: those of now.  unknown: how little is known of each after
 * the query, 1 for nothing, falling with the root of how often it was looked at.
 */
extern bool AttractionScore(const text *query, const int64 *itemKeys, int count, ItemReader *items,
							Snapshot snapshot, const AttractionPast *past, double *scores, double *unknown);

#endif
