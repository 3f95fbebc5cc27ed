/*
 * filter_check.h
 *		Filters that ask for what no item has.
 */
#ifndef PERSONALIZE_FILTER_CHECK_H
#define PERSONALIZE_FILTER_CHECK_H

#include "postgres.h"

#include "engines/context.h"

/*
 * Warn of a filter, once a session, that has a path which finds nothing in any item;
 * called when the answer is complete.  With explain, also say that it matched nothing.
 */
extern void FilterCheck(EngineContext *context);

#endif
