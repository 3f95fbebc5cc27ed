/*
 * bought.h
 *		What a person has bought lately, and does not buy again.
 */
#ifndef PERSONALIZE_BOUGHT_H
#define PERSONALIZE_BOUGHT_H

#include "postgres.h"

#include "engines/context.h"

/*
 * Exclude what the person has bought in that time up to now, or as_of, and has not given
 * back since.  NULL: what was bought lately of categories where people do not buy an item
 * twice, unless candidates are given or the parameter exclude_bought_learned is 0.
 */
extern void BoughtExclude(EngineContext *context, const Interval *interval);

/* When the person last bought an item and has not given it back since; false: not lately. */
extern bool BoughtAt(EngineContext *context, int64 itemKey, TimestampTz *ts);

/* The parameter exclude_bought_learned. */
extern const EngineParameters BoughtParameters;

#endif
