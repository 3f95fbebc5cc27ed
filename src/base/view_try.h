/*
 * view_try.h
 *		Conditions on views, tried on a sample of what the view shows.
 */
#ifndef PERSONALIZE_VIEW_TRY_H
#define PERSONALIZE_VIEW_TRY_H

#include "postgres.h"

#include "base/view_sample.h"

/* Make views known, when the library is loaded; the array is kept. */
extern void ViewTryRegister(const ViewTry *views, int count);

/* Have conditions tried, from when the library is loaded. */
extern void ViewTryInit(void);

#endif
