/*
 * signal_scope.c
 *		Signals of other scopes than a person.
 *
 * Nothing more is counted for them.  item_stat has every event of every item by the hour,
 * search_stat what came of every query by the day, as sums of integers out of which each
 * person is taken again exactly.  Such a signal names some of these and weighs them; feature
 * views read it by its name.  So it knows the past at once, and changing it counts nothing
 * anew.  What those sums cannot tell is refused when it is defined: numbers in properties,
 * filters, and what cannot be undone.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "base/choice.h"
#include "base/interval.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "people/purpose.h"
#include "signals/signal_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_PERIOD (400 * USECS_PER_DAY)

static const char *const scopeNames[] = {"user", "item", "category", "brand", "tag", "query", "global"};

/* The key path that says the same as a scope. */
static const char *const keyPaths[] = {NULL, "item", "item.category", "item.brand", "item.tags", "properties.query", "none"};

const char *const SignalQueryCounters[SIGNAL_QUERY_COUNTERS] = {"shown", "clicked", "carted", "bought"};
const int16 SignalQueryEvents[SIGNAL_QUERY_COUNTERS] = {
	EVENT_TYPE_VIEW_ITEM_LIST, EVENT_TYPE_SELECT_ITEM, EVENT_TYPE_ADD_TO_CART, EVENT_TYPE_PURCHASE
};

/* The scope of a name. */
SignalScope
SignalScopeFind(const char *name)
{
	int			scope = ChoiceFind(name, scopeNames, lengthof(scopeNames));

	if (scope < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scope \"%s\" does not exist", name),
				 errhint("%s", ChoiceHint(name, "scopes", scopeNames, lengthof(scopeNames)))));
	return (SignalScope) scope;
}

/* Its name. */
const char *
SignalScopeName(SignalScope scope)
{
	return scopeNames[scope];
}

/* The key path of a test of a scope's signal. */
const char *
SignalScopeKeyPath(SignalScope scope)
{
	return keyPaths[scope];
}

/* Complain of what a scope does not have. */
pg_noreturn static void
Refuse(SignalScope scope, const char *problem)
{
	bool		isQuery = scope == SIGNAL_SCOPE_QUERY;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a signal of scope \"%s\" cannot have %s", scopeNames[scope], problem),
			 errdetail("It is read from what is counted of everybody and can be undone exactly: %s.",
					   isQuery ? "how often items were shown for a query, chosen, put in the cart and bought, by day" :
					   "events and their values, by item and hour"),
			 errhint("It has key_path '%s', %s, aggregates count, sum, mean and decayed, purpose analytics, and no filter; what else there is to count is of scope user.",
					 keyPaths[scope],
					 isQuery ? "events view_item_list, select_item, add_to_cart and purchase, no value_path, periods of whole days" :
					 "value_path value or none, periods of whole hours")));
}

/* Complain unless the values of an array are all there, and some. */
static int
ReadArray(Datum array, Oid type, int16 length, bool byValue, char align, Datum **values)
{
	int			count;

	deconstruct_array(DatumGetArrayTypeP(array), type, length, byValue, align, values, NULL, &count);
	return count;
}

/* Complain of periods, or a half-life, that panes cannot tell. */
static void
CheckLength(SignalScope scope, const char *what, Datum span, bool isPeriod)
{
	int64		pane = scope == SIGNAL_SCOPE_QUERY ? USECS_PER_DAY : USECS_PER_HOUR;
	int64		length = IntervalLength(DatumGetIntervalP(span));

	if (length < pane || (isPeriod && (length % pane != 0 || length > MAX_PERIOD)))
		Refuse(scope, psprintf("%s \"%s\"", what, DatumGetCString(DirectFunctionCall1(interval_out, span))));
}

/* Complain of events that are not counted of queries. */
static void
CheckQueryEvents(Datum events)
{
	Datum	   *values;
	int			count = ReadArray(events, INT2OID, sizeof(int16), true, TYPALIGN_SHORT, &values);

	for (int i = 0; i < count; i++)
	{
		bool		found = false;

		for (int j = 0; j < SIGNAL_QUERY_COUNTERS; j++)
			found |= DatumGetInt16(values[i]) == SignalQueryEvents[j];
		if (!found)
			Refuse(SIGNAL_SCOPE_QUERY, psprintf("event \"%s\"", EventTypeName(DatumGetInt16(values[i]))));
	}
}

/* Complain of aggregates that sums do not tell. */
static void
CheckAggregates(SignalScope scope, Datum aggregates)
{
	static const Aggregate allowed[] = {AGGREGATE_COUNT, AGGREGATE_SUM, AGGREGATE_MEAN, AGGREGATE_DECAYED};
	Datum	   *values;
	int			count = ReadArray(aggregates, TEXTOID, -1, false, TYPALIGN_INT, &values);

	for (int i = 0; i < count; i++)
	{
		char	   *name = TextDatumGetCString(values[i]);
		bool		found = false;

		for (int j = 0; j < lengthof(allowed); j++)
			found |= strcmp(name, AggregateNames[allowed[j]]) == 0;
		if (!found)
			Refuse(scope, psprintf("aggregate \"%s\"", name));
	}
}

/* Complain of purposes other than that of what is counted of everybody. */
static void
CheckPurposes(SignalScope scope, int32 purposes)
{
	PurposeCatalogue *catalogue = PurposeCatalogueNow();

	if (purposes != SignalScopePurposes())
		Refuse(scope, psprintf("purposes \"%s\"", PurposeFormatMask(purposes, catalogue)));
}

/* What allows events to be counted over all people. */
int32
SignalScopePurposes(void)
{
	return PurposeBit(PurposeCatalogueNow(), "analytics", strlen("analytics"));
}

/* Complain unless what is given of a definition, by SignalArgument, can be read from counters. */
void
SignalScopeCheck(SignalScope scope, const Datum *values, const char *nulls)
{
#define GIVEN(argument) (nulls[argument] == ' ')
	Datum	   *periods;

	if (scope == SIGNAL_SCOPE_USER)
		return;
	if (GIVEN(ARGUMENT_KEY_PATH) && strcmp(TextDatumGetCString(values[ARGUMENT_KEY_PATH]), keyPaths[scope]) != 0 &&
		strcmp(TextDatumGetCString(values[ARGUMENT_KEY_PATH]), "none") != 0)
		Refuse(scope, psprintf("key_path \"%s\"", TextDatumGetCString(values[ARGUMENT_KEY_PATH])));
	if (GIVEN(ARGUMENT_VALUE_PATH) && (scope == SIGNAL_SCOPE_QUERY || strcmp(TextDatumGetCString(values[ARGUMENT_VALUE_PATH]), "value") != 0))
		Refuse(scope, psprintf("value_path \"%s\"", TextDatumGetCString(values[ARGUMENT_VALUE_PATH])));
	if (GIVEN(ARGUMENT_FILTER))
		Refuse(scope, "a filter");
	if (GIVEN(ARGUMENT_BASIS) && strcmp(TextDatumGetCString(values[ARGUMENT_BASIS]), SIGNAL_BASIS_INFERRED) == 0)
		Refuse(scope, "basis \"inferred\"");
	if (GIVEN(ARGUMENT_EVENTS) && scope == SIGNAL_SCOPE_QUERY)
		CheckQueryEvents(values[ARGUMENT_EVENTS]);
	if (GIVEN(ARGUMENT_AGGREGATES))
		CheckAggregates(scope, values[ARGUMENT_AGGREGATES]);
	if (GIVEN(ARGUMENT_HALF_LIFE))
		CheckLength(scope, "half_life", values[ARGUMENT_HALF_LIFE], false);
	for (int i = GIVEN(ARGUMENT_PERIODS) ? ReadArray(values[ARGUMENT_PERIODS], INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE, &periods) : 0; i > 0; i--)
		CheckLength(scope, "period", periods[i - 1], true);
	if (GIVEN(ARGUMENT_PURPOSES))
		CheckPurposes(scope, DatumGetInt32(values[ARGUMENT_PURPOSES]));
#undef GIVEN
}

/* Complain of a name that means something to feature views already. */
void
SignalScopeCheckName(SignalScope scope, const char *name)
{
	/* asked of the table: compiling all signals for each new one would cost the square of them */
	bool		taken = scope == SIGNAL_SCOPE_QUERY ? ChoiceFind(name, SignalQueryCounters, SIGNAL_QUERY_COUNTERS) >= 0 :
		scope != SIGNAL_SCOPE_USER && EventTypeLookup(name, strlen(name)) >= 0;

	if (taken)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is what is counted of scope \"%s\" already", name, scopeNames[scope]),
				 errhint("Feature views read it by this name. Give the signal another one.")));
}

/* Complain of a name that is such a signal's. */
void
SignalRefuseScoped(const SignalSet *set, const char *name)
{
	const ScopedSignal *signal = SignalFindScoped(set, name);

	if (signal != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("signal \"%s\" is of scope \"%s\", not of a person", name, scopeNames[signal->scope]),
				 errhint("get_features() reads it: SELECT personalize.get_features(..., %s); so do feature views of %s.",
						 quote_literal_cstr(name), signal->scope == SIGNAL_SCOPE_GLOBAL ? "entity shop" : "that entity")));
}

/* The periods of a definition, in microseconds. */
static void
ReadPeriods(ScopedSignal *signal, Datum array)
{
	Datum	   *values;

	signal->periodCount = ReadArray(array, INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE, &values);
	signal->periods = palloc_array(int64, signal->periodCount + 1);
	for (int i = 0; i < signal->periodCount; i++)
		signal->periods[i] = IntervalLength(DatumGetIntervalP(values[i]));
}

/* Add a signal that is not kept by user to a set. */
void
SignalScopeAdd(SignalSet *set, const Signal *signal, SignalScope scope, Datum periods)
{
	ScopedSignal *scoped;

	if (set->scopedCount == 0)
		set->scoped = palloc(sizeof(ScopedSignal));
	else if ((set->scopedCount & (set->scopedCount - 1)) == 0)
		set->scoped = repalloc(set->scoped, sizeof(ScopedSignal) * set->scopedCount * 2);
	scoped = &set->scoped[set->scopedCount++];
	*scoped = (ScopedSignal)
	{
		.id = signal->id,.name = signal->name,.scope = scope,.enabled = true,
		.ofValue = signal->factor == SIGNAL_FACTOR_VALUE,.halfLife = signal->halfLife
	};
	ReadPeriods(scoped, periods);
}

/* Switch one off. */
void
SignalScopeDisable(SignalSet *set, int id)
{
	for (int i = 0; i < set->scopedCount; i++)
		if (set->scoped[i].id == id)
			set->scoped[i].enabled = false;
}

/* Order them by name. */
static int
CompareScoped(const void *left, const void *right)
{
	return strcmp(((const ScopedSignal *) left)->name, ((const ScopedSignal *) right)->name);
}

/* Have them be found by name. */
void
SignalScopeSort(SignalSet *set)
{
	qsort(set->scoped, set->scopedCount, sizeof(ScopedSignal), CompareScoped);
}

/* The signal of a name that is not kept by user. */
const ScopedSignal *
SignalFindScoped(const SignalSet *set, const char *name)
{
	ScopedSignal wanted = {.name = unconstify(char *, name)};

	return set->scopedCount == 0 ? NULL : bsearch(&wanted, set->scoped, set->scopedCount, sizeof(ScopedSignal), CompareScoped);
}
