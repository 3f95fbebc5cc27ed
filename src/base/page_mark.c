/*
 * page_mark.c
 *		Whether a page is still what it was.
 *
 * Who keeps what a page said asks for each use whether it says the same.  To pin the page
 * for that takes many times as long as to look at its LSN, so the buffer's header is locked
 * instead: as long as it is, the buffer cannot be given another page.
 */
#include "postgres.h"

#include "base/page_mark.h"

#include "compat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* True if the page is in that buffer, and nobody has changed it since. */
bool
PageMarkHolds(Relation relation, const PageMark *mark)
{
	BufferDesc *buffer = GetBufferDescriptor(mark->buffer - 1);
	BufferTag	tag;
	uint32		state;
	bool		holds;

	CompatInitBufferTag(&tag, relation, mark->block);
	state = LockBufHdr(buffer);
	holds = (state & BM_VALID) != 0 && BufferTagsEqual(&buffer->tag, &tag) &&
		PageGetLSN(BufferGetPage(mark->buffer)) == mark->lsn;
	/* what is used stays in memory, as if it had been pinned */
	if (holds && BUF_STATE_GET_USAGECOUNT(state) < BM_MAX_USAGE_COUNT)
		state += BUF_USAGECOUNT_ONE;
	UnlockBufHdr(buffer, state);
	return holds;
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
