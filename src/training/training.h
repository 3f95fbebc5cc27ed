/*
 * training.h
 *		What training and exporting are asked.
 */
#ifndef PERSONALIZE_TRAINING_H
#define PERSONALIZE_TRAINING_H

#include "postgres.h"

#include "fmgr.h"
#include "training/ranker.h"

/* The number of an engine that ranks searches; an error for any other. */
extern int	TrainingEngine(const char *name);

/* True if it retrieves its candidates from the catalogue. */
extern bool TrainingRetrieves(int engine);

/* The time of pages: arguments since and, after it, until, which is now if NULL. */
extern void TrainingSpan(FunctionCallInfo fcinfo, int argument, PageLogQuery *query);

/* How many pages at most, and the least propensity, out of arguments. */
extern int	TrainingMaxPages(FunctionCallInfo fcinfo, int argument);
extern double TrainingFraction(FunctionCallInfo fcinfo, int argument, const char *name, double least, double most);

#endif
