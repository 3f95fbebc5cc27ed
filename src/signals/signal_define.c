/*
 * signal_define.c
 *		create_signal, alter_signal, drop_signal, enable_signal, disable_signal, backfill_signal.
 *
 * A definition says what has been counted, so it never changes under its
 * number: altering what a signal counts gives it a new one, and the old counts
 * are dropped from profiles as they are next written.  Numbers are not used
 * again.  Changes wait for running batches of the profile processor, which hold
 * a lock on table signal, so that an event is counted by one definition.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "base/argument.h"
#include "base/choice.h"
#include "base/path_filter.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "people/purpose.h"
#include "signals/signal_internal.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

PG_FUNCTION_INFO_V1(personalize_create_signal);
PG_FUNCTION_INFO_V1(personalize_alter_signal);
PG_FUNCTION_INFO_V1(personalize_drop_signal);
PG_FUNCTION_INFO_V1(personalize_enable_signal);
PG_FUNCTION_INFO_V1(personalize_disable_signal);
PG_FUNCTION_INFO_V1(personalize_backfill_signal);

#define MAX_SIGNAL_EVENTS 64
#define MAX_WEIGHT "1000000"
#define DEFAULT_PURPOSE "personalization"

#define ARGUMENT_COUNT (ARGUMENT_AGGREGATES + 1)	/* of those that are kept */

const char *const SignalArgumentNames[] = {
	"name", "events", "key_path", "weights", "value_path", "filter", "periods", "half_life", "purposes", "basis", "description",
	"aggregates", "scope"
};

/*
 * A row of signal: the same columns, events as numbers, weights in an array
 * beside them and purposes as a mask; at the end the number and the scope.
 */
typedef struct SignalRow
{
	Datum		values[ARGUMENT_COUNT + 2];
	char		nulls[ARGUMENT_COUNT + 2];
} SignalRow;
#define ROW_NUMBER ARGUMENT_COUNT
#define ROW_SCOPE (ARGUMENT_COUNT + 1)

static const Oid rowTypes[ARGUMENT_COUNT + 2] = {
	TEXTOID, INT2ARRAYOID, TEXTOID, NUMERICARRAYOID, TEXTOID, JSONPATHOID,
	INTERVALARRAYOID, INTERVALOID, INT4OID, TEXTOID, TEXTOID, TEXTARRAYOID, INT2OID, TEXTOID
};

/* Keep batches of the profile processor out until the transaction ends. */
static void
LockDefinitions(void)
{
	LockRelationOid(RelationFind("signal", false), ShareRowExclusiveLock);
}

/* The signal's name out of the first argument. */
static char *
NameArgument(FunctionCallInfo fcinfo)
{
	char	   *name;

	ArgumentCheckGiven(fcinfo, ARGUMENT_NAME, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_NAME));
	if (!ChoiceIsName(name, NAMEDATALEN - 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("signal name \"%s\" is empty, longer than %d bytes or has control characters", name, NAMEDATALEN - 1)));
	return name;
}

/* Complain that nothing of this name has ever been tracked. */
pg_noreturn static void
ReportUntracked(const char *name)
{
	const char **names;
	int			count = SignalEventNames(&names);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("event \"%s\" has never been tracked", name),
			 errhint("%s", ChoiceHint(name, "events", names, count))));
}

/* Ask whether an event that nobody has tracked yet is one that is misspelt. */
static void
AskWhetherMeant(const char *name)
{
	const char **names;
	int			count = SignalEventNames(&names);
	char	   *nearest = ChoiceNearest(name, names, count);

	if (nearest[0] != '\0')
		ereport(NOTICE,
				(errmsg("event \"%s\" has never been tracked", name),
				 errhint("%sIt is counted once it is tracked.", nearest)));
}

/* The number of an event type, registered if it is new, unless nothing is to be stored. */
static int16
ResolveEvent(const char *name, int length, bool dry)
{
	int			event = length > 64 ? -1 : EventTypeLookup(name, length);

	if (event < 0 && length > 0 && length <= 64)
	{
		if (dry)
			ReportUntracked(name);
		AskWhetherMeant(name);
		event = EventTypeDefine(name, length);
	}
	if (event < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event name \"%.*s\" is empty or longer than 64 bytes",
						pg_mbcliplen(name, length, 100), name)));
	return (int16) event;
}

/* Events with their weights, while a row is put together. */
typedef struct EventList
{
	bool		dry;			/* nothing is to be stored */
	int			count;
	Datum		numbers[MAX_SIGNAL_EVENTS];
	Datum		weights[MAX_SIGNAL_EVENTS];
	bool		weightNulls[MAX_SIGNAL_EVENTS];
} EventList;

/* The place of an event in the list; appended if it is new. */
static int
FindEvent(EventList *list, int16 number, bool append)
{
	for (int i = 0; i < list->count; i++)
	{
		if (DatumGetInt16(list->numbers[i]) == number)
			return i;
	}
	if (!append)
		return -1;
	if (list->count == MAX_SIGNAL_EVENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a signal counts at most %d events", MAX_SIGNAL_EVENTS)));
	list->numbers[list->count] = Int16GetDatum(number);
	list->weightNulls[list->count] = true;
	return list->count++;
}

/* Read event names. */
static void
AddEvents(EventList *list, Datum events)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(events), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name;

		if (nulls[i])
			ArgumentReportNull("an element of events");
		name = TextDatumGetCString(values[i]);
		FindEvent(list, ResolveEvent(name, strlen(name), list->dry), true);
	}
	if (list->count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events must not be empty"),
				 errhint("NULL counts every type of event whose weight is not 0.")));
}

/* A weight out of JSON. */
static Datum
WeightDatum(const char *event, const JsonbValue *value)
{
	Datum		limit = DirectFunctionCall3(numeric_in, CStringGetDatum(MAX_WEIGHT),
											ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	if (value->type != jbvNumeric ||
		!DatumGetBool(DirectFunctionCall2(numeric_le,
										  DirectFunctionCall1(numeric_abs,
															  NumericGetDatum(value->val.numeric)),
										  limit)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight of event \"%s\" is not a number between -%s and %s",
						event, MAX_WEIGHT, MAX_WEIGHT)));
	return NumericGetDatum(value->val.numeric);
}

/* Read weights: {event: number, ...}; events that are not listed are added if append. */
static void
AddWeights(EventList *list, Jsonb *weights, bool append)
{
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(weights))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights must be a JSON object of events and numbers")));
	iterator = JsonbIteratorInit(&weights->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *name;
		int			place;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&iterator, &value, true);
		place = FindEvent(list, ResolveEvent(name, strlen(name), list->dry), append);
		if (place < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("weights name event \"%s\", which the signal does not count", name)));
		list->weights[place] = WeightDatum(name, &value);
		list->weightNulls[place] = false;
	}
}

/* Put events and weights, as given by the arguments, into the row. */
static void
SetEvents(SignalRow *row, FunctionCallInfo fcinfo, bool dry)
{
	EventList	list = {.dry = dry};
	bool		hasEvents = !PG_ARGISNULL(ARGUMENT_EVENTS);
	int			dimensions[1];
	int			bounds[1] = {1};

	if (!hasEvents && PG_ARGISNULL(ARGUMENT_WEIGHTS))
		return;
	if (hasEvents)
		AddEvents(&list, PG_GETARG_DATUM(ARGUMENT_EVENTS));
	if (!PG_ARGISNULL(ARGUMENT_WEIGHTS))
		AddWeights(&list, PG_GETARG_JSONB_P(ARGUMENT_WEIGHTS), !hasEvents);
	dimensions[0] = list.count;
	row->values[ARGUMENT_EVENTS] =
		PointerGetDatum(construct_array(list.numbers, list.count, INT2OID, sizeof(int16),
										true, TYPALIGN_SHORT));
	row->values[ARGUMENT_WEIGHTS] =
		PointerGetDatum(construct_md_array(list.weights, list.weightNulls, 1, dimensions, bounds,
										   NUMERICOID, -1, false, TYPALIGN_INT));
	row->nulls[ARGUMENT_EVENTS] = row->nulls[ARGUMENT_WEIGHTS] = ' ';
}

/* Put the arguments that are not NULL into the row, checked. */
static void
SetArguments(SignalRow *row, FunctionCallInfo fcinfo, bool dry)
{
	for (int i = 0; i < ARGUMENT_COUNT; i++)
	{
		if (PG_ARGISNULL(i) || i == ARGUMENT_EVENTS || i == ARGUMENT_WEIGHTS)
			continue;
		row->values[i] = PG_GETARG_DATUM(i);
		row->nulls[i] = ' ';
	}
	SetEvents(row, fcinfo, dry);
	if (!PG_ARGISNULL(ARGUMENT_KEY_PATH))
		SignalPathCheckKey(TextDatumGetCString(row->values[ARGUMENT_KEY_PATH]));
	if (!PG_ARGISNULL(ARGUMENT_VALUE_PATH))
		SignalPathCheckValue(TextDatumGetCString(row->values[ARGUMENT_VALUE_PATH]));
	if (!PG_ARGISNULL(ARGUMENT_FILTER))
	{
		row->values[ARGUMENT_FILTER] = PointerGetDatum(PathFilterRead(row->values[ARGUMENT_FILTER]));
		SignalCheckFilter(row->values[ARGUMENT_FILTER]);
	}
	if (!PG_ARGISNULL(ARGUMENT_PERIODS))
		SignalCheckPeriods(row->values[ARGUMENT_PERIODS]);
	if (!PG_ARGISNULL(ARGUMENT_HALF_LIFE))
		SignalCheckSpan("half_life", row->values[ARGUMENT_HALF_LIFE]);
	if (!PG_ARGISNULL(ARGUMENT_BASIS))
		SignalCheckBasis(TextDatumGetCString(row->values[ARGUMENT_BASIS]));
	if (!PG_ARGISNULL(ARGUMENT_AGGREGATES))
		SignalCheckAggregates(row->values[ARGUMENT_AGGREGATES]);
	if (!PG_ARGISNULL(ARGUMENT_PURPOSES))
		row->values[ARGUMENT_PURPOSES] = Int32GetDatum(PurposeGetMask(PG_GETARG_ARRAYTYPE_P(ARGUMENT_PURPOSES),
															  PurposeCatalogueRead(GetActiveSnapshot())));
}

/* Put all arguments of create_signal into the row, checked; returns the scope. */
static SignalScope
SetNew(SignalRow *row, FunctionCallInfo fcinfo, bool dry)
{
	SignalScope scope = PG_ARGISNULL(ARGUMENT_SCOPE) ? SIGNAL_SCOPE_USER :
		SignalScopeFind(TextDatumGetCString(PG_GETARG_DATUM(ARGUMENT_SCOPE)));
	PurposeCatalogue *purposes = PurposeCatalogueNow();

	memset(row->nulls, 'n', sizeof(row->nulls));
	SetArguments(row, fcinfo, dry);
	if (PG_ARGISNULL(ARGUMENT_PURPOSES))
		row->values[ARGUMENT_PURPOSES] = Int32GetDatum(scope != SIGNAL_SCOPE_USER ? SignalScopePurposes() :
													   PurposeBit(purposes, DEFAULT_PURPOSE, strlen(DEFAULT_PURPOSE)));
	row->nulls[ARGUMENT_PURPOSES] = ' ';
	SignalScopeCheck(scope, row->values, row->nulls);
	row->values[ROW_SCOPE] = CStringGetTextDatum(SignalScopeName(scope));
	row->nulls[ROW_SCOPE] = ' ';
	return scope;
}

/* What a definition would be as a row; returns its scope. */
SignalScope
SignalDefineTry(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	/* columns of signal after its number and name */
	static const SignalArgument columns[] = {
		ARGUMENT_EVENTS, ARGUMENT_WEIGHTS, ARGUMENT_KEY_PATH, ARGUMENT_VALUE_PATH,
		ARGUMENT_FILTER, ARGUMENT_PERIODS, ARGUMENT_HALF_LIFE, ARGUMENT_PURPOSES, ARGUMENT_AGGREGATES
	};
	SignalRow	row;
	SignalScope scope = SetNew(&row, fcinfo, true);

	if (scope != SIGNAL_SCOPE_USER)
		row.values[ARGUMENT_KEY_PATH] = CStringGetTextDatum(SignalScopeKeyPath(scope));
	if (!PG_ARGISNULL(ARGUMENT_BASIS) &&
		strcmp(TextDatumGetCString(row.values[ARGUMENT_BASIS]), SIGNAL_BASIS_INFERRED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("an inferred signal cannot be tested"),
				 errdetail("A test shows single people, of whom nobody may know what was inferred.")));
	values[0] = Int16GetDatum(SIGNAL_FIRST_OWN);
	values[1] = CStringGetTextDatum("test_signal");
	nulls[0] = nulls[1] = false;
	for (int i = 0; i < lengthof(columns); i++)
	{
		values[i + 2] = row.values[columns[i]];
		nulls[i + 2] = row.nulls[columns[i]] == 'n';
	}
	return scope;
}

/* Run a statement of this file; definitions change rarely, so plans are not kept. */
static uint64
Run(const char *sql, int count, const Oid *types, const Datum *values, const char *nulls)
{
	int			result = SPI_execute_with_args(sql, count, unconstify(Oid *, types),
											   unconstify(Datum *, values), nulls, false, 0);

	if (result < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(result));
	return SPI_processed;
}

/* The next number never used. */
static int16
NextNumber(void)
{
	bool		isNull;
	int			number;

	SPI_execute("SELECT max(signal)::integer FROM (SELECT signal FROM personalize.signal"
				" UNION ALL SELECT signal FROM personalize.signal_state) AS s", false, 1);
	number = DatumGetInt32(SpiUtilValue(0, 1, &isNull));
	number = isNull ? SIGNAL_FIRST_OWN : Max(number + 1, SIGNAL_FIRST_OWN);
	if (number > PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("all numbers of signals have been used")));
	return number;
}

/* Remember something about a signal; since: it counts completely from now on. */
static void
SetState(int16 number, bool enabled, bool since, bool dropped)
{
	const Oid	types[] = {INT2OID, BOOLOID, TIMESTAMPTZOID, BOOLOID};
	Datum		values[] = {
		Int16GetDatum(number), BoolGetDatum(enabled),
		TimestampTzGetDatum(GetCurrentTimestamp()), BoolGetDatum(dropped)
	};

	Run("INSERT INTO personalize.signal_state AS s (signal, enabled, complete_since, dropped)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT (signal) DO UPDATE SET enabled = excluded.enabled,"
		" complete_since = coalesce(excluded.complete_since, s.complete_since),"
		" dropped = excluded.dropped",
		4, types, values, since ? NULL : "  n ");
}

/* True if a signal is counted for cohorts only. */
static bool
IsInferred(int16 number)
{
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(number)};

	return Run("SELECT FROM personalize.signal WHERE signal = $1 AND basis = '" SIGNAL_BASIS_INFERRED "'",
			   lengthof(types), types, values, NULL) > 0;
}

/* What a signal is kept by. */
static SignalScope
ScopeOf(int16 number)
{
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(number)};
	bool		isNull;

	Run("SELECT scope FROM personalize.signal WHERE signal = $1", lengthof(types), types, values, NULL);
	return SignalScopeFind(TextDatumGetCString(SpiUtilValue(0, 1, &isNull)));
}

/* True if a signal is counted in profiles. */
static bool
IsOfProfiles(int16 number)
{
	return !IsInferred(number) && ScopeOf(number) == SIGNAL_SCOPE_USER;
}

/* Complain of a basis that would take a signal out of profiles, or into them. */
static void
CheckSameLane(const char *name, int16 number, const char *basis)
{
	if (IsInferred(number) != (strcmp(basis, SIGNAL_BASIS_INFERRED) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("basis of signal \"%s\" cannot become %s", name, basis),
				 errdetail("Inferred signals are counted for cohorts only, others in profiles only."),
				 errhint("Create another signal.")));
}

/* A signal counts from now on, and what raw events say of the time before is filled in. */
static void
CountAnew(int16 number, bool ofProfiles)
{
	SetState(number, true, ofProfiles, false);
	/* cohorts are counted of raw events when their time is over, and other scopes when they are read */
	if (ofProfiles)
		ProcessorAskBackfill(PROCESSOR_PROFILE, number);
}

/* A number is not used any more. */
static void
Retire(int16 number, bool enabled)
{
	SetState(number, enabled, false, true);
	ProcessorForgetBackfill(PROCESSOR_PROFILE, number);
}

/* Find a signal; its number, and if it came with the extension. */
static int16
FindSignal(const char *name, bool *builtin)
{
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(name)};
	bool		isNull;

	if (Run("SELECT signal, builtin FROM personalize.signal WHERE name = $1",
			1, types, values, NULL) == 0)
		SignalReportUnknown(SignalSetGet(), name);
	*builtin = DatumGetBool(SpiUtilValue(0, 2, &isNull));
	return DatumGetInt16(SpiUtilValue(0, 1, &isNull));
}

/* Find a signal that may be changed. */
static int16
FindOwnSignal(const char *name)
{
	bool		builtin;
	int16		number = FindSignal(name, &builtin);

	if (builtin)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signal \"%s\" comes with the extension and cannot be changed", name),
				 errhint("Switch it off with personalize.disable_signal and create one of your own.")));
	return number;
}

/* create_signal(name, events, key_path, ...): returns the new signal's number. */
Datum
personalize_create_signal(PG_FUNCTION_ARGS)
{
	char	   *name = NameArgument(fcinfo);
	const Oid	nameTypes[] = {TEXTOID};
	SignalRow	row;
	SpiUtilScope spi;
	SignalScope scope;
	bool		inferred;
	int16		number;

	ArgumentCheckGiven(fcinfo, ARGUMENT_KEY_PATH, "key_path");
	ArgumentCheckGiven(fcinfo, ARGUMENT_PERIODS, "periods");
	ArgumentCheckGiven(fcinfo, ARGUMENT_HALF_LIFE, "half_life");
	ArgumentCheckGiven(fcinfo, ARGUMENT_BASIS, "basis");
	ArgumentCheckGiven(fcinfo, ARGUMENT_AGGREGATES, "aggregates");
	LockDefinitions();
	scope = SetNew(&row, fcinfo, false);
	SignalScopeCheckName(scope, name);
	inferred = strcmp(TextDatumGetCString(row.values[ARGUMENT_BASIS]), SIGNAL_BASIS_INFERRED) == 0;
	SpiUtilBegin(&spi);
	if (Run("SELECT FROM personalize.signal WHERE name = $1", 1, nameTypes, row.values, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("signal \"%s\" already exists", name)));
	number = NextNumber();
	row.values[ROW_NUMBER] = Int16GetDatum(number);
	row.nulls[ROW_NUMBER] = ' ';
	Run("INSERT INTO personalize.signal (name, events, key_path, weights, value_path, filter,"
		" periods, half_life, purposes, basis, description, aggregates, signal, scope)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
		lengthof(rowTypes), rowTypes, row.values, row.nulls);
	CountAnew(number, scope == SIGNAL_SCOPE_USER && !inferred);
	SpiUtilEnd(&spi);
	PG_RETURN_INT16(number);
}

/* alter_signal(name, events, key_path, ...): what is NULL stays as it is. */
Datum
personalize_alter_signal(PG_FUNCTION_ARGS)
{
	char	   *name = NameArgument(fcinfo);
	bool		countsAnew = !PG_ARGISNULL(ARGUMENT_AGGREGATES);
	SignalRow	row;
	SpiUtilScope scope;
	int16		number;

	for (int i = ARGUMENT_EVENTS; i <= ARGUMENT_BASIS; i++)
		countsAnew |= i != ARGUMENT_HALF_LIFE && !PG_ARGISNULL(i);
	if (PG_ARGISNULL(ARGUMENT_EVENTS) && !PG_ARGISNULL(ARGUMENT_WEIGHTS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alter_signal changes weights only together with events")));
	memset(row.nulls, 'n', sizeof(row.nulls));
	LockDefinitions();
	SetArguments(&row, fcinfo, false);
	SpiUtilBegin(&scope);
	number = FindOwnSignal(name);
	SignalScopeCheck(ScopeOf(number), row.values, row.nulls);
	if (!PG_ARGISNULL(ARGUMENT_BASIS))
		CheckSameLane(name, number, TextDatumGetCString(row.values[ARGUMENT_BASIS]));
	if (countsAnew)
	{
		bool		ofProfiles = IsOfProfiles(number);

		Retire(number, true);
		number = NextNumber();
		CountAnew(number, ofProfiles);
	}
	row.values[ROW_NUMBER] = Int16GetDatum(number);
	row.nulls[ROW_NUMBER] = ' ';
	Run("UPDATE personalize.signal SET events = coalesce($2, events), key_path = coalesce($3, key_path),"
		" weights = CASE WHEN $2 IS NULL THEN weights ELSE $4 END,"
		" value_path = coalesce($5, value_path), filter = coalesce($6, filter),"
		" periods = coalesce($7, periods), half_life = coalesce($8, half_life),"
		" purposes = coalesce($9, purposes), basis = coalesce($10, basis),"
		" description = coalesce($11, description), aggregates = coalesce($12, aggregates), signal = $13 WHERE name = $1",
		ARGUMENT_COUNT + 1, rowTypes, row.values, row.nulls);
	SpiUtilEnd(&scope);
	PG_RETURN_INT16(number);
}

/* drop_signal(name) */
Datum
personalize_drop_signal(PG_FUNCTION_ARGS)
{
	char	   *name = NameArgument(fcinfo);
	const Oid	types[] = {INT2OID};
	Datum		values[1];
	SpiUtilScope scope;
	int16		number;

	LockDefinitions();
	SpiUtilBegin(&scope);
	number = FindOwnSignal(name);
	values[0] = Int16GetDatum(number);
	Retire(number, false);
	Run("DELETE FROM personalize.signal WHERE signal = $1", 1, types, values, NULL);
	Run("DELETE FROM personalize.feature_value WHERE signal = $1", 1, types, values, NULL);
	SpiUtilEnd(&scope);
	PG_RETURN_VOID();
}

/* Switch a signal on or off. */
static Datum
Switch(FunctionCallInfo fcinfo, bool enabled)
{
	char	   *name = NameArgument(fcinfo);
	const Oid	types[] = {INT2OID};
	Datum		values[1];
	SpiUtilScope scope;
	bool		builtin;
	bool		isNull;
	bool		was;

	LockDefinitions();
	SpiUtilBegin(&scope);
	values[0] = Int16GetDatum(FindSignal(name, &builtin));
	was = Run("SELECT enabled FROM personalize.signal_state WHERE signal = $1",
			  1, types, values, NULL) == 0 ||
		DatumGetBool(SpiUtilValue(0, 1, &isNull));
	if (was != enabled)
		SetState(DatumGetInt16(values[0]), enabled, enabled && IsOfProfiles(DatumGetInt16(values[0])), false);
	/* what it has counted is kept: it may be more than raw events still tell */
	if (!enabled)
		ProcessorForgetBackfill(PROCESSOR_PROFILE, DatumGetInt16(values[0]));
	SpiUtilEnd(&scope);
	PG_RETURN_VOID();
}

/* enable_signal(name) */
Datum
personalize_enable_signal(PG_FUNCTION_ARGS)
{
	return Switch(fcinfo, true);
}

/* disable_signal(name) */
Datum
personalize_disable_signal(PG_FUNCTION_ARGS)
{
	return Switch(fcinfo, false);
}

/* backfill_signal(name): have the raw events that exist counted for it again. */
Datum
personalize_backfill_signal(PG_FUNCTION_ARGS)
{
	char	   *name = NameArgument(fcinfo);
	const Oid	types[] = {INT2OID};
	Datum		values[1];
	SpiUtilScope scope;
	bool		builtin;

	LockDefinitions();
	SpiUtilBegin(&scope);
	values[0] = Int16GetDatum(FindSignal(name, &builtin));
	SignalRefuseElsewhere(SignalSetGet(), name);
	if (Run("SELECT FROM personalize.signal_state WHERE signal = $1 AND NOT enabled", 1, types, values, NULL) > 0)
		SignalReportUnknown(SignalSetGet(), name);
	ProcessorAskBackfill(PROCESSOR_PROFILE, DatumGetInt16(values[0]));
	SpiUtilEnd(&scope);
	PG_RETURN_VOID();
}
