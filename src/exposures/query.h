/*
 * query.h
 *		What people typed into a search box.
 */
#ifndef PERSONALIZE_QUERY_H
#define PERSONALIZE_QUERY_H

#include "postgres.h"

/* So many bytes of a query count. */
#define QUERY_MAX_BYTES 512

/*
 * The words of a query, in lower case, with a space between them: those that begin
 * within its first QUERY_MAX_BYTES bytes.  NULL if it has none.
 */
extern text *QueryRead(const char *query, int length);

/* The key of what QueryRead gave; never 0. */
extern int64 QueryKey(const text *query);

/*
 * Texts on their way to search_query: collect, note each with its key, and write when
 * the searchers have been written, without whom a text is not kept.
 */
typedef struct QueryTexts QueryTexts;
extern QueryTexts *QueryTextsBegin(void);
extern void QueryTextsAdd(QueryTexts *texts, int64 key, const text *query);
extern void QueryTextsWrite(QueryTexts *texts);

/* Drop the texts, of these keys (bigint[]), that nobody is known to have searched any more. */
extern void QueryForget(Datum keys);

/* True if so many people have searched the text of a key that it may be shown. */
extern bool QueryIsShown(int64 key);

/* So many people must have searched a text before analysts see it. */
extern int	QueryMinPeople(void);

/* Called once when the library is loaded. */
extern void QueryInit(void);

#endif
