/*
 * page_mark.c
 *		Whether a page is still what it was.
 *
 * Who keeps what a page said asks for each use whether it says the same.  To pin the page
 * for that takes many times as long as to look at its LSN.  A page that is much used is
 * looked at without any lock, so that processors do not take the buffer's header from each
 * other: if the buffer had the page, much used, both before and after, it had it in between,
 * for no page is thrown out, let in again and used that often within a look.  Of others the
 * header is locked: as long as it is, the buffer cannot be given another page.
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
