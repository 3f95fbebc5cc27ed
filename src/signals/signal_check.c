/*
 * signal_check.c
 *		Refusing definitions of signals that make no sense or could do harm.
 *
 * A definition is run by a worker for every event, so whatever could fail on
 * some event, or take long, is refused when it is made.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "base/argument.h"
#include "base/choice.h"
#include "base/interval.h"
#include "base/json_filter.h"
#include "base/words.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "signals/signal_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define MAX_FILTER_BYTES 1000
#define MAX_SIGNAL_PERIODS 16
#define MAX_SPAN (INT64CONST(3660) * USECS_PER_DAY)

/* Complain about filters that could fail, or keep a worker busy for long. */
void
SignalCheckFilter(Datum filter)
{
	char	   *string = DatumGetCString(DirectFunctionCall1(jsonpath_out, filter));
	char	   *unsafe = JsonFilterFindUnsafe(string);

	if (strlen(string) > MAX_FILTER_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("filter is longer than %d bytes", MAX_FILTER_BYTES)));
	if (unsafe != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("filter must not use %s", unsafe),
				 errdetail("The filter runs for every event, and this may fail or take long."),
				 errhint("Name the path, compare with == or starts with, and use no methods but type, size, double, ceiling, floor, abs and keyvalue.")));
}

/* Complain unless a span is of a sensible length. */
void
SignalCheckSpan(const char *what, Datum span)
{
	int64		length = IntervalLength(DatumGetIntervalP(span));

	if (length < USECS_PER_MINUTE || length > MAX_SPAN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 1 minute and 10 years, but is \"%s\"", what,
						DatumGetCString(DirectFunctionCall1(interval_out, span)))));
}

/* Complain unless the periods are. */
void
SignalCheckPeriods(Datum periods)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(periods), INTERVALOID, sizeof(Interval), false,
					  TYPALIGN_DOUBLE, &values, &nulls, &count);
	if (count < 1 || count > MAX_SIGNAL_PERIODS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("periods must hold 1 to %d intervals, but holds %d",
						MAX_SIGNAL_PERIODS, count)));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ArgumentReportNull("an element of periods");
		SignalCheckSpan("a period", values[i]);
	}
}

/* Complain unless the aggregates are some. */
void
SignalCheckAggregates(Datum aggregates)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(aggregates), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregates must not be empty"),
				 errhint("'{count,sum}' keeps what all but min, max, first and last are read from.")));
	for (int i = 0; i < count; i++)
	{
		char	   *name;

		if (nulls[i])
			ArgumentReportNull("an element of aggregates");
		name = TextDatumGetCString(values[i]);
		if (ChoiceFind(name, AggregateNames, AGGREGATE_KINDS) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" in aggregates is not an aggregate", name),
					 errhint("%s", ChoiceHint(name, "aggregates", AggregateNames, AGGREGATE_KINDS))));
	}
}

/* Complain about a basis that there is not. */
void
SignalCheckBasis(const char *basis)
{
	static const char *const bases[] = {"declared", "observed", SIGNAL_BASIS_INFERRED};

	if (ChoiceFind(basis, bases, lengthof(bases)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("basis \"%s\" is not declared, observed or inferred", basis),
				 errhint("%sWhat people said is declared, what they did is observed; what was concluded from it, or from several devices, is inferred and counted for cohorts only.",
						 ChoiceNearest(basis, bases, lengthof(bases)))));
}

/* Complain of a name that no signal has, or that is that of one which is disabled. */
void
SignalReportUnknown(const SignalSet *set, const char *name)
{
	const char **names = palloc_array(const char *, set->count + set->inferredCount + set->scopedCount + 1);
	int			count = 0;

	for (int i = 0; i < set->count; i++)
		names[count++] = set->signals[i].name;
	for (int i = 0; i < set->inferredCount; i++)
		names[count++] = set->inferred[i];
	for (int i = 0; i < set->scopedCount; i++)
		names[count++] = set->scoped[i].name;
	if (ChoiceFind(name, names, count) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signal \"%s\" is disabled", name),
				 errhint("SELECT personalize.enable_signal(%s) lets it count again.", quote_literal_cstr(name))));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("signal \"%s\" does not exist", name),
			 errhint("%s", ChoiceHint(name, "signals", names, count))));
}

/* The words of a value. */
static void
CollectWord(void *arg, const char *word, int length)
{
	StringInfo	words = arg;

	appendStringInfo(words, "%s%.*s", words->len > 0 ? ", " : "", length, word);
}

/* Complain unless what is called so is a value that the signal may count. */
void
SignalCheckValue(const Signal *signal, const char *what, const char *value)
{
	StringInfoData words;

	if (signal->path.kind == SIGNAL_KEY_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("signal \"%s\" has no values, so none of it can be \"%s\"", signal->name, value),
				 errhint("Only signals with a key path have values.")));
	if (value[0] == '\0' || strlen(value) > SIGNAL_MAX_VALUE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have 1 to %d bytes, but has %zu", what, SIGNAL_MAX_VALUE_BYTES, strlen(value))));
	if (!signal->path.words)
		return;
	initStringInfo(&words);
	WordsEach(value, strlen(value), SIGNAL_MAX_VALUE_BYTES, CollectWord, &words);
	if (strcmp(words.data, value) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("signal \"%s\" counts single words in lower case, not \"%s\"", signal->name, value),
				 words.len > 0 ? errhint("Its words are: %s.", words.data) : 0));
}
