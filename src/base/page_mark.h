/*
 * page_mark.h
 *		Whether a page is still what it was.
 */
#ifndef PERSONALIZE_PAGE_MARK_H
#define PERSONALIZE_PAGE_MARK_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "storage/block.h"
#include "storage/buf.h"
#include "utils/relcache.h"

/* A page of a relation that is logged, when it was read. */
typedef struct PageMark
{
	XLogRecPtr	lsn;
	BlockNumber block;
	Buffer		buffer;			/* it was in this one */
} PageMark;

/* True if the page is in that buffer, and nobody has changed it since. */
extern bool PageMarkHolds(Relation relation, const PageMark *mark);

/* That is about to be asked: bring what it looks at into the processor's caches. */
extern void PageMarkPrefetch(const PageMark *mark);

#endif
