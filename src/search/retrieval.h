/*
 * retrieval.h
 *		The items that a query finds, and the score of given ones.
 */
#ifndef PERSONALIZE_RETRIEVAL_H
#define PERSONALIZE_RETRIEVAL_H

#include "postgres.h"

#include "search/search_query.h"

/* An item that has words of the query. */
typedef struct TextMatch
{
	int64		itemKey;
	double		score;
	double		covered;		/* the share of the query that it has, rare words counting more */
	double		named;			/* the share of the query that its name has, likewise */
	double		nameShare;		/* how much of its name the query is */
	int			words;			/* how many of the query's it has */
} TextMatch;

/* The items that have some word of the query, by key, palloc'd; returns how many. */
extern int	RetrieveItems(WordReader *reader, const TextScoreParams *params, const SearchQuery *query, TextMatch **matches);

/* The same of given items, in their order; what has no word has score 0. */
extern void RetrieveScores(WordReader *reader, const TextScoreParams *params, const SearchQuery *query,
						   const int64 *itemKeys, int count, TextMatch *matches);

#endif
