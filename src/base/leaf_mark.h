/*
 * leaf_mark.h
 *		Whether a leaf page of an index is what it was.
 */
#ifndef PERSONALIZE_LEAF_MARK_H
#define PERSONALIZE_LEAF_MARK_H

#include "postgres.h"

#include "base/page_mark.h"

/* A page of an index, when it was read; all zeros: none. */
typedef struct LeafMark
{
	Oid			index;
	Oid			file;			/* of the index */
	PageMark	page;
} LeafMark;

/* True if pages of an index may be marked. */
extern bool LeafMarkable(Relation index);

/* Mark a page that is pinned and locked; false: it cannot be. */
extern bool LeafMarkTake(Relation index, Buffer leaf, LeafMark *mark);

/* True if it is of this index; and if, besides, it is known to be the same. */
extern bool LeafMarkIsOf(Relation index, const LeafMark *mark);
extern bool LeafMarkHolds(Relation index, const LeafMark *mark);

#endif
