/*
 * view_sample.h
 *		Rows of views, for conditions to be tried on.
 */
#ifndef PERSONALIZE_VIEW_SAMPLE_H
#define PERSONALIZE_VIEW_SAMPLE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "base/view_try.h"

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
