/*
 * caps.h
 *		How many items of one category and of one brand a page may have.
 */
#ifndef PERSONALIZE_CAPS_H
#define PERSONALIZE_CAPS_H

#include "postgres.h"

#include "items/item.h"

typedef struct Caps Caps;

/* Nothing is counted yet; 0: any number. */
extern Caps *CapsBegin(int maxPerCategory, int maxPerBrand);

/* True if one more may be there; item NULL: not in the catalogue, so of no kind. */
extern bool CapsHaveRoom(const Caps *caps, const ItemInfo *item);

extern void CapsCount(Caps *caps, const ItemInfo *item);

/* Forget what was counted since a mark. */
extern int	CapsMark(const Caps *caps);
extern void CapsRewind(Caps *caps, int mark);

#endif
