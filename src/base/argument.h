/*
 * argument.h
 *		Arguments of functions that must be given.
 */
#ifndef PERSONALIZE_ARGUMENT_H
#define PERSONALIZE_ARGUMENT_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"

/* Complain that something is null; it is called by name. */
pg_noreturn static inline void
ArgumentReportNull(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be null", name)));
}

/* Complain unless an argument is given. */
static inline void
ArgumentCheckGiven(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ArgumentReportNull(name);
}

#endif
