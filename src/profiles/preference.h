/*
 * preference.h
 *		What a person told us: favourite and hidden brands, categories, items.
 */
#ifndef PERSONALIZE_PREFERENCE_H
#define PERSONALIZE_PREFERENCE_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "items/item.h"
#include "utils/snapshot.h"

/* What a preference is about. */
typedef enum PreferenceSubject
{
	PREFERENCE_BRAND,
	PREFERENCE_CATEGORY,
	PREFERENCE_ITEM
} PreferenceSubject;
#define PREFERENCE_SUBJECT_COUNT 3

/* The most preferences a person can have. */
#define PREFERENCE_MAX 256

typedef struct Preference
{
	PreferenceSubject subject;
	bool		hidden;			/* else favourite */
	int64		key;			/* of value; for items the item_key */
	text	   *value;
	TimestampTz setAt;
} Preference;

/* Preferences of one person, in the context PreferenceRead was called in. */
typedef struct PreferenceList
{
	int			count;
	int			hiddenCount;
	Preference *preferences;
	KeySet		items[2];		/* favourite items, hidden ones */
	int			kinds[2];		/* number of brands and categories, by hidden */
} PreferenceList;

/* Read them, in one index lookup; never NULL.  Needs no rights on the table. */
extern PreferenceList *PreferenceRead(int64 userKey, Snapshot snapshot);

/* True if the item itself is hidden. */
static inline bool
PreferenceHidesItem(const PreferenceList *list, int64 itemKey)
{
	return KeySetHas(&list->items[true], itemKey);
}

/* True if its brand or category is; info is needed if kinds[true] > 0, NULL: not in the catalogue. */
extern bool PreferenceHidesKind(const PreferenceList *list, const ItemInfo *info);

/* How many of item, brand and category are favourites: 0..3; info is needed if kinds[false] > 0. */
extern int	PreferenceFavours(const PreferenceList *list, int64 itemKey, const ItemInfo *info);

#endif
