/*
 * argument.h
 *		Arguments of functions that must be given, or have a default.
 */
#ifndef PERSONALIZE_ARGUMENT_H
#define PERSONALIZE_ARGUMENT_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"

/* Complain that something is null; it is called by name. */
pg_noreturn extern void ArgumentReportNull(const char *name);

/* Complain unless an argument is given or has a default. */
extern void ArgumentCheckGiven(FunctionCallInfo fcinfo, int argument, const char *name);

/* Complain of an interval that is less than nothing. */
extern void ArgumentCheckSpan(FunctionCallInfo fcinfo, int argument, const char *name);

/* Complain of a procedure that commits where it cannot: in a transaction block or a function. */
extern void ArgumentCheckNonatomic(FunctionCallInfo fcinfo, const char *call, const char *hint);

/* What to do about a transaction above READ COMMITTED, for a hint. */
extern char *ArgumentIsolationHint(void);

#endif
