/*
 * page_log.h
 *		Pages that people were shown after queries, and what followed.
 */
#ifndef PERSONALIZE_PAGE_LOG_H
#define PERSONALIZE_PAGE_LOG_H

#include "postgres.h"

#include "engines/search_page.h"

/* A page with what followed. */
typedef struct LoggedPage
{
	SearchPage	page;
	int64		queryKey;
	const int16 *slots;			/* by item; 0: not told */
	const int16 *labels;		/* 0: nothing, 1: clicked, 2: put into a cart, 3: bought */
	const double *rows;			/* features, of SEARCH_FEATURE_COUNT an item */
} LoggedPage;

/* Which pages. */
typedef struct PageLogQuery
{
	TimestampTz since;
	TimestampTz until;			/* and before that */
	int			maxPages;		/* so many of them, chosen by a hash */
	bool		chosen;			/* only those of which something was chosen */
} PageLogQuery;

/* Pages by time, in CurrentMemoryContext. */
typedef struct PageLog
{
	PageLogQuery query;
	int			count;
	LoggedPage *pages;
	int64		rowCount;
} PageLog;

/* Read pages of people who allow analytics. */
extern PageLog *PageLogRead(const PageLogQuery *query);

/* Give them their features, as a variant of rank_search or, if retrieves, search_items has them. */
extern void PageLogFill(PageLog *log, const Variant *variant, bool retrieves);

/* Leave out the pages of people whose data may not be used any more, whatever the snapshot; true if there are some. */
extern bool PageLogDropGone(PageLog *log);

#endif
