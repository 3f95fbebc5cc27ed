/*
 * page_mark.c
 *		Whether a page is still what it was.
 *
 * Who keeps what a page said asks for each use whether it says the same.  To pin the page
 * for that takes many times as long as to look at its LSN.
 *
 * Why the LSN tells: a change is made to the page, then logged, then the LSN set, all under
 * the page's lock, and only after that can its transaction commit, here as in recovery.  Who
 * has a snapshot that sees the commit took it after that, under a lock that orders memory, so
 * a look sees the new LSN; a change that is under way, or has come since, is one the snapshot
 * does not see.  Halves of two LSNs that were read together are the old one only where the old
 * halves are.  Pruning, freezing, splitting and vacuuming are logged in the same way.  What is
 * not logged changes no more than hints (flags of dead entries, what is known of
 * transactions, and of the whole page), which nobody keeps; where hints are logged, they
 * change the LSN, and the page is read again.  No LSN comes twice for a page: two records have
 * two, in recovery pages are read only once they are all consistent, and a restart
 * forgets all marks.
 *
 * Why the page is the one that was marked: a page that is much used is looked at without any
 * lock, so that processors do not take the buffer's header from each other.  If the buffer had
 * the page, valid and much used, both before and after, it had it in between: else it was
 * passed over five times by those who look for a victim, thrown out, another page read into
 * the buffer and thrown out, the first one read into this very buffer again and used five
 * times, all between two loads.  Even a backend that is stopped there for so long would see
 * the other page's LSN, which is another one, unless one and the same record had changed both
 * when the mark was taken.  Of other pages the header is locked: as long as it is, the buffer
 * cannot be given another page.
 */
#include "postgres.h"

#include "base/page_mark.h"

#include "compat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* What the state of a buffer says of its page while that is much used. */
#define USED_MASK (BM_LOCKED | BM_VALID | BM_TAG_VALID | BUF_USAGECOUNT_MASK)
#define MUCH_USED (BM_VALID | BM_TAG_VALID | BM_MAX_USAGE_COUNT * BUF_USAGECOUNT_ONE)

/* True if the page, much used, is in the buffer. */
static inline bool
IsMuchUsed(BufferDesc *buffer, const BufferTag *tag)
{
	return (pg_atomic_read_u32(&buffer->state) & USED_MASK) == MUCH_USED && BufferTagsEqual(&buffer->tag, tag);
}

/* The same question, asked with the header locked. */
static bool
HoldsLocked(BufferDesc *buffer, const BufferTag *tag, const PageMark *mark)
{
	uint32		state = LockBufHdr(buffer);
	bool		holds = (state & BM_VALID) != 0 && BufferTagsEqual(&buffer->tag, tag) &&
		PageGetLSN(BufferGetPage(mark->buffer)) == mark->lsn;

	/* what is used stays in memory, as if it had been pinned */
	if (holds && BUF_STATE_GET_USAGECOUNT(state) < BM_MAX_USAGE_COUNT)
		state += BUF_USAGECOUNT_ONE;
	UnlockBufHdr(buffer, state);
	return holds;
}

/* True if the page is in that buffer, and nobody has changed it since. */
bool
PageMarkHolds(Relation relation, const PageMark *mark)
{
	BufferDesc *buffer = GetBufferDescriptor(mark->buffer - 1);
	BufferTag	tag;
	XLogRecPtr	lsn;

	CompatInitBufferTag(&tag, relation, mark->block);
	if (IsMuchUsed(buffer, &tag))
	{
		pg_read_barrier();
		lsn = PageGetLSN(BufferGetPage(mark->buffer));
		pg_read_barrier();
		if (IsMuchUsed(buffer, &tag))
			return lsn == mark->lsn;
	}
	return HoldsLocked(buffer, &tag, mark);
}

/* That is about to be asked. */
void
PageMarkPrefetch(const PageMark *mark)
{
#ifdef __GNUC__
	__builtin_prefetch(GetBufferDescriptor(mark->buffer - 1));
	__builtin_prefetch(BufferGetPage(mark->buffer));
#endif
}
