/*
 * view_sample.h
 *		Rows of views, for conditions to be tried on.
 */
#ifndef PERSONALIZE_VIEW_SAMPLE_H
#define PERSONALIZE_VIEW_SAMPLE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

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

/* Some rows of a view. */
typedef struct ViewSample
{
	TupleDesc	desc;
	HeapTuple  *rows;
	int			count;
} ViewSample;

/* Rows that the current user would see, valid until one asks again; NULL: none are known.  Under an active snapshot. */
extern const ViewSample *ViewSampleOf(const ViewTry *view);

#endif
