/*
 * leaf_mark.c
 *		Whether a leaf page of an index is what it was.
 *
 * To go down an index costs several times as much as to see that a leaf page is still the
 * same, so whoever looks for the same again and again keeps what a page said, with its LSN.
 * Whoever adds an entry, takes one out, or splits the page changes the page, and logs it,
 * before a snapshot sees what that was for.  Only the flags of dead entries are not logged.
 * What a page says is no more than what the index does: rows must be looked at.
 *
 * The pages to the left and right may come and go without a change of this one, so it must
 * tell by itself that what is looked for would be here and nowhere else: the entries at its
 * two ends do, or its bounds.
 *
 * An index that is made anew has another file.  Indexes that are not logged are not
 * remembered, nor anything under serializable transactions, which must leave word of what
 * they read.
 */
#include "postgres.h"

#include "base/leaf_mark.h"

#include "access/xact.h"
#include "compat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* True if pages of an index may be marked. */
bool
LeafMarkable(Relation index)
{
	return RelationNeedsWAL(index) && !IsolationIsSerializable();
}

/* Mark a page. */
bool
LeafMarkTake(Relation index, Buffer leaf, LeafMark *mark)
{
	mark->index = RelationGetRelid(index);
	mark->file = CompatRelationFile(index);
	mark->page.lsn = PageGetLSN(BufferGetPage(leaf));
	mark->page.block = BufferGetBlockNumber(leaf);
	mark->page.buffer = leaf;
	return LeafMarkable(index) && !XLogRecPtrIsInvalid(mark->page.lsn);
}

/* True if it is of this index. */
bool
LeafMarkIsOf(Relation index, const LeafMark *mark)
{
	return mark->index == RelationGetRelid(index) && mark->file == CompatRelationFile(index);
}

/* True if it is known to be the same. */
bool
LeafMarkHolds(Relation index, const LeafMark *mark)
{
	return LeafMarkIsOf(index, mark) && LeafMarkable(index) && PageMarkHolds(index, &mark->page);
}
