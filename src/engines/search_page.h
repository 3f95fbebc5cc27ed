/*
 * search_page.h
 *		The features that the items of a page had when it was shown.
 */
#ifndef PERSONALIZE_SEARCH_PAGE_H
#define PERSONALIZE_SEARCH_PAGE_H

#include "postgres.h"

#include "engines/search_features.h"

/* A page that somebody was shown after a query. */
typedef struct SearchPage
{
	int64		userKey;
	const text *query;
	TimestampTz at;
	int			count;
	const int64 *itemKeys;
	const float4 *scores;		/* of the search that has found them; not a number: none */
} SearchPage;

/*
 * Fill rows, one of SEARCH_FEATURE_COUNT doubles an item, with what rank_search() or, if
 * retrieves, search_items() would have gone by at that time; what does not apply is 0.
 * past: what pages share; its clicks are those before that day.
 */
extern void SearchPageFeatures(const Variant *variant, bool retrieves, SearchPast *past,
							   const SearchPage *page, double *rows);

#endif
