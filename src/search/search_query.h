/*
 * search_query.h
 *		What somebody looks for: groups of words that mean the same.
 */
#ifndef PERSONALIZE_SEARCH_QUERY_H
#define PERSONALIZE_SEARCH_QUERY_H

#include "postgres.h"

#include "search/text_score.h"
#include "utils/snapshot.h"

/* Different words of a query that count: the first. */
#define QUERY_MAX_WORDS 32

/* As many words a synonym can have, and a term. */
#define QUERY_MAX_PHRASE 4

/* Words that an item must have together. */
typedef struct QueryAlternative
{
	int			count;
	text	   *words[QUERY_MAX_PHRASE];
	double		weight;			/* 1: the query's own */
} QueryAlternative;

/* A word of the query and what else will do. */
typedef struct QueryGroup
{
	text	   *form;			/* as it is written */
	int			count;
	int			capacity;
	QueryAlternative *alternatives; /* the word itself first */
} QueryGroup;

typedef struct SearchQuery
{
	int			count;
	QueryGroup	groups[QUERY_MAX_WORDS];
	const struct Language *language;
	text	   *didYouMean;		/* NULL: nothing was taken for a typing error */
} SearchQuery;

/* When the last word may be the beginning of one. */
typedef enum QueryEnding
{
	QUERY_IS_TYPED,				/* always, unless something follows it */
	QUERY_IS_COMPLETE			/* only if no item has it */
} QueryEnding;

/* Read the words of a query. */
extern SearchQuery *SearchQueryRead(Snapshot snapshot, const text *query);

/* Add to them what else will do, as the catalogue has it: synonyms, beginnings, corrections. */
extern void SearchQueryExpand(SearchQuery *read, WordReader *words, Snapshot snapshot, const TextScoreParams *params,
							  const text *query, QueryEnding ending);

#endif
