/*
 * view_try.h
 *		Conditions on views, tried on a sample of what the view shows.
 */
#ifndef PERSONALIZE_VIEW_TRY_H
#define PERSONALIZE_VIEW_TRY_H

#include "postgres.h"

/*
 * A view whose conditions are tried.  Either it is read over a part of its table: part is
 * a query for rows of the table, of which the view has all or none that it groups; or it is
 * read for some keys: keys is a query for values of key, a bigint column of the view, and the
 * reader's own rights hold for what is read.  $1: per cent of the pages of table to look at; $2: readers().
 */
typedef struct ViewTry
{
	const char *view;
	const char *table;
	const char *part;
	const char *keys;
	const char *key;
	const char *tried;			/* columns of which the server knows nothing at all, each between commas */
	const char *lists;			/* columns of which it knows single values, but no lists */
	int32		(*readers) (void);	/* on what else it depends who reads; NULL: on nothing */
} ViewTry;

/* Make views known, when the library is loaded; the array is kept. */
extern void ViewTryRegister(const ViewTry *views, int count);

/* Have conditions tried, from when the library is loaded. */
extern void ViewTryInit(void);

#endif
