/*
 * training.c
 *		What training and exporting are asked: checks of their arguments.
 */
#include "postgres.h"

#include "training/training.h"

#include <math.h>

#include "base/argument.h"
#include "base/choice.h"
#include "compat.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* The engines that rank searches. */
static const char *const engines[] = {"rank_search", "search_items"};

/* As many pages at most. */
#define MAX_PAGES 1000000

/* The number of an engine that ranks searches. */
int
TrainingEngine(const char *name)
{
	int			engine = RegistryFind(name, false);

	if (ChoiceFind(name, engines, lengthof(engines)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("engine \"%s\" does not rank searches", name),
				 errhint("%s", ChoiceHint(name, "engines that do", engines, lengthof(engines)))));
	return engine;
}

/* True if it retrieves its candidates from the catalogue. */
bool
TrainingRetrieves(int engine)
{
	return strcmp(RegistryGet(engine)->name, "search_items") == 0;
}

/* A time as one would write it. */
static const char *
FormatTime(TimestampTz time)
{
	return timestamptz_to_str(time);
}

/* Complain of a time that is none. */
static void
CheckTime(const char *name, TimestampTz time)
{
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be finite, not \"%s\"", name, TIMESTAMP_IS_NOBEGIN(time) ? "-infinity" : "infinity")));
}

/* The time of pages. */
void
TrainingSpan(FunctionCallInfo fcinfo, int argument, PageLogQuery *query)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	ArgumentCheckGiven(fcinfo, argument, "since");
	query->since = PG_GETARG_TIMESTAMPTZ(argument);
	query->until = PG_ARGISNULL(argument + 1) ? now : PG_GETARG_TIMESTAMPTZ(argument + 1);
	CheckTime("since", query->since);
	CheckTime("until", query->until);
	if (query->since >= query->until)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("since \"%s\" is not before until \"%s\"", pstrdup(FormatTime(query->since)),
						pstrdup(FormatTime(query->until)))));
	/* a page is asked as of its time, which must have come */
	query->until = Min(query->until, now);
}

/* How many pages at most. */
int
TrainingMaxPages(FunctionCallInfo fcinfo, int argument)
{
	int			most;

	ArgumentCheckGiven(fcinfo, argument, "max_pages");
	most = PG_GETARG_INT32(argument);
	if (most < 1 || most > MAX_PAGES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_pages \"%d\" is not between 1 and %d", most, MAX_PAGES)));
	return most;
}

/* A number between bounds. */
double
TrainingFraction(FunctionCallInfo fcinfo, int argument, const char *name, double least, double most)
{
	double		value;

	ArgumentCheckGiven(fcinfo, argument, name);
	value = PG_GETARG_FLOAT8(argument);
	if (!(value >= least && value <= most))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" is not between %g and %g", name,
						DatumGetCString(DirectFunctionCall1(float8out, PG_GETARG_DATUM(argument))), least, most)));
	return value;
}
