/*
 * signal.c
 *		Signal definitions, compiled once per backend.
 *
 * The tables signal, signal_state and event_type are read as a whole into one
 * memory context: a SignalSet.  A statement trigger on them sends a relcache
 * invalidation of signal, upon which every backend reads them anew when it next
 * asks.  Whoever holds the old set may go on using it until the transaction
 * ends.  Definitions are read under a fresh snapshot, never the transaction's:
 * a set compiled in a long REPEATABLE READ transaction serves later ones too.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/choice.h"
#include "base/grow.h"
#include "base/interval.h"
#include "base/relation.h"
#include "compat.h"
#include "events/event_detail.h"
#include "events/gone.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "signals/signal_internal.h"

PG_FUNCTION_INFO_V1(personalize_definition_changed);

/* Columns of signal, in order; src/signals/signal.sql. */
typedef enum SignalColumn
{
	SIGNAL_SIGNAL = 1,
	SIGNAL_NAME,
	SIGNAL_EVENTS,
	SIGNAL_WEIGHTS,
	SIGNAL_KEY_PATH,
	SIGNAL_VALUE_PATH,
	SIGNAL_FILTER,
	SIGNAL_PERIODS,
	SIGNAL_HALF_LIFE,
	SIGNAL_PURPOSES,
	SIGNAL_AGGREGATES,
	SIGNAL_BASIS,
	SIGNAL_SCOPE,
	SIGNAL_COLUMN_COUNT = SIGNAL_SCOPE
} SignalColumn;

/* A definition with the weights of its events, while the set is put together. */
typedef struct Definition
{
	Signal		signal;
	bool		allEvents;
	int			eventCount;
	int16	   *events;
	int64	   *weights;		/* PG_INT64_MIN: the event type's own */
	FeaturePolicy policy;
} Definition;

/* Definitions of one kind. */
typedef struct Definitions
{
	int			count;
	int			capacity;
	Definition *all;
} Definitions;

/* The compiled set of this backend, and whether it is still current. */
static SignalSet *currentSet = NULL;
static MemoryContext currentContext = NULL;
static Oid	currentRelation = InvalidOid;
static bool currentIsValid = false;

/* Relcache callback: the definitions changed, or everything may have. */
static void
ForgetDefinitions(Datum arg, Oid relationId)
{
	if (relationId == InvalidOid || relationId == currentRelation)
		currentIsValid = false;
}

/* Statement trigger: tell every backend that definitions changed. */
Datum
personalize_definition_changed(PG_FUNCTION_ARGS)
{
	Oid			relationId = RelationFind("signal", true);

	if (OidIsValid(relationId))
		CacheInvalidateRelcacheByRelid(relationId);
	return PointerGetDatum(NULL);
}

/*
 * How finely and how long a signal is counted.  A period below 6 hours needs
 * panes of 5 minutes, one below 3 days panes of an hour.  Kept is what the
 * longest period needs, and for decay five half-lives (3 % are left then).
 */
static FeaturePolicy
ChoosePolicy(ArrayType *periods, int64 halfLife)
{
	FeaturePolicy policy = {.fine = FEATURE_GRAIN_DAY,.expireAfter = 5 * halfLife};
	Datum	   *values;
	int			count;

	deconstruct_array(periods, INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE,
					  &values, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		int64		length = IntervalLength(DatumGetIntervalP(values[i]));

		if (length < 6 * USECS_PER_HOUR)
		{
			policy.fine = FEATURE_GRAIN_5MIN;
			policy.hourAfter = Max(policy.hourAfter, length);
		}
		else if (length < 3 * USECS_PER_DAY)
		{
			policy.fine = Min(policy.fine, FEATURE_GRAIN_HOUR);
			policy.dayAfter = Max(policy.dayAfter, length);
		}
		policy.expireAfter = Max(policy.expireAfter, length);
	}
	policy.dayAfter = Max(policy.dayAfter, policy.hourAfter);
	return policy;
}

/* A weight in 10^-6; one that does not fit counts nothing. */
static int64
ReadWeight(Datum weight)
{
	int64		result = 0;

	(void) SignalMicro(FEATURE_SUM_UNIT, DatumGetNumeric(weight), &result);
	return result;
}

/* Read the events and weights of a definition. */
static void
ReadEvents(Definition *definition, Datum events, Datum weights, bool hasWeights)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(events), INT2OID, sizeof(int16), true,
					  TYPALIGN_SHORT, &values, NULL, &definition->eventCount);
	definition->events = palloc(sizeof(int16) * definition->eventCount + 1);
	definition->weights = palloc(sizeof(int64) * definition->eventCount + 1);
	for (int i = 0; i < definition->eventCount; i++)
	{
		definition->events[i] = DatumGetInt16(values[i]);
		definition->weights[i] = PG_INT64_MIN;
	}
	if (!hasWeights)
		return;
	deconstruct_array(DatumGetArrayTypeP(weights), NUMERICOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	for (int i = 0; i < Min(count, definition->eventCount); i++)
	{
		if (!nulls[i])
			definition->weights[i] = ReadWeight(values[i]);
	}
}

/* What panes keep for the aggregates that a definition names. */
static uint8
ReadAggregates(Datum aggregates)
{
	Datum	   *names;
	int			count;
	uint8		keeps = 0;

	deconstruct_array(DatumGetArrayTypeP(aggregates), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		int			aggregate = ChoiceFind(TextDatumGetCString(names[i]), AggregateNames, AGGREGATE_KINDS);

		if (aggregate >= 0)
			keeps |= AggregateNeeds((Aggregate) aggregate) |
				(aggregate == AGGREGATE_DISTINCT ? FEATURE_KEEPS_DISTINCT : 0);
	}
	return keeps;
}

/* Compile a row of signal; values and nulls by SignalColumn. */
static void
ReadDefinition(Definition *definition, const Datum *values, const bool *nulls)
{
	Signal	   *signal = &definition->signal;

	memset(definition, 0, sizeof(Definition));
	signal->id = DatumGetInt16(values[SIGNAL_SIGNAL]);
	signal->name = TextDatumGetCString(values[SIGNAL_NAME]);
	signal->purposes = DatumGetInt32(values[SIGNAL_PURPOSES]);
	signal->halfLife = IntervalLength(DatumGetIntervalP(values[SIGNAL_HALF_LIFE]));
	signal->completeSince = DT_NOBEGIN;
	signal->enabled = true;
	definition->allEvents = nulls[SIGNAL_EVENTS];
	if (!definition->allEvents)
		ReadEvents(definition, values[SIGNAL_EVENTS], values[SIGNAL_WEIGHTS],
				   !nulls[SIGNAL_WEIGHTS]);
	if (!SignalPathParseKey(TextDatumGetCString(values[SIGNAL_KEY_PATH]), &signal->path))
		signal->enabled = false;
	if (!nulls[SIGNAL_VALUE_PATH] &&
		!SignalPathParseValue(TextDatumGetCString(values[SIGNAL_VALUE_PATH]),
							  &signal->factor, &signal->factorProperty))
		signal->enabled = false;
	if (!nulls[SIGNAL_FILTER])
	{
		signal->filter = DatumGetJsonPathPCopy(values[SIGNAL_FILTER]);
		SignalFindFilterNumbers(signal);
	}
	signal->keeps = ReadAggregates(values[SIGNAL_AGGREGATES]);
	definition->policy = ChoosePolicy(DatumGetArrayTypeP(values[SIGNAL_PERIODS]),
									  signal->halfLife);
	definition->policy.keeps = signal->keeps;
}

/* True if a row of signal is of basis inferred. */
static bool
IsInferred(Relation relation, HeapTuple tuple)
{
	bool		isNull;
	Datum		basis = heap_getattr(tuple, SIGNAL_BASIS, RelationGetDescr(relation), &isNull);

	return !isNull && strcmp(TextDatumGetCString(basis), SIGNAL_BASIS_INFERRED) == 0;
}

/* Note the name of an inferred signal, which is all that the set has of it. */
static void
NoteInferred(SignalSet *set, const char *name)
{
	if (set->inferredCount == 0)
		set->inferred = palloc(sizeof(char *));
	else
		set->inferred = repalloc(set->inferred, sizeof(char *) * (set->inferredCount + 1));
	set->inferred[set->inferredCount++] = pstrdup(name);
}

/* Columns of a row of signal. */
static void
GetColumns(Relation relation, HeapTuple tuple, Datum *values, bool *nulls)
{
	for (int column = 1; column <= SIGNAL_COLUMN_COUNT; column++)
		values[column] = heap_getattr(tuple, column, RelationGetDescr(relation), &nulls[column]);
}

/* Make room for one more. */
static Definition *
AddDefinition(Definitions *definitions)
{
	GrowArray(definitions->all, definitions->count + 1, definitions->capacity, 16);
	return &definitions->all[definitions->count++];
}

/* Read all of signal; of those that are inferred, the names, and those of other scopes by themselves. */
static Definitions
ReadDefinitions(SignalSet *set, Definitions *scoped, Relation relation, Snapshot snapshot)
{
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot, 0, NULL);
	Definitions definitions = {0};
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[SIGNAL_COLUMN_COUNT + 1];
		bool		nulls[SIGNAL_COLUMN_COUNT + 1];
		SignalScope scope;

		GetColumns(relation, tuple, values, nulls);
		scope = SignalScopeFind(TextDatumGetCString(values[SIGNAL_SCOPE]));
		if (IsInferred(relation, tuple))
			NoteInferred(set, TextDatumGetCString(values[SIGNAL_NAME]));
		else if (scope == SIGNAL_SCOPE_USER)
			ReadDefinition(AddDefinition(&definitions), values, nulls);
		else
		{
			Definition *definition = AddDefinition(scoped);

			ReadDefinition(definition, values, nulls);
			SignalScopeAdd(set, &definition->signal, scope, values[SIGNAL_PERIODS]);
		}
	}
	set->count = definitions.count;
	systable_endscan(scan);
	return definitions;
}

/* Order definitions by id. */
static int
CompareDefinitions(const void *left, const void *right)
{
	return ((const Definition *) left)->signal.id - ((const Definition *) right)->signal.id;
}

/* Read signal_state: what is disabled, and complete since when. */
static void
ReadStates(SignalSet *set, Snapshot snapshot)
{
	Relation	relation = RelationOpenTable("signal_state", AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isNull;
		int			id = DatumGetInt16(heap_getattr(tuple, 1, RelationGetDescr(relation), &isNull));
		bool		enabled = DatumGetBool(heap_getattr(tuple, 2, RelationGetDescr(relation), &isNull));
		bool		dropped = DatumGetBool(heap_getattr(tuple, 4, RelationGetDescr(relation), &isNull));
		Datum		since = heap_getattr(tuple, 3, RelationGetDescr(relation), &isNull);

		set->anyDropped |= dropped;
		if (!enabled)
			SignalScopeDisable(set, id);
		if (id >= set->idLimit || set->byId[id] == NULL)
			continue;
		set->byId[id]->enabled &= enabled;
		if (!isNull)
			set->byId[id]->completeSince = DatumGetTimestampTz(since);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

/* Let an event type feed a signal. */
static void
AddUse(SignalEvent *event, const Signal *signal, int64 weight)
{
	if (event->useCount == 0)
		event->uses = palloc(sizeof(SignalUse));
	else
		event->uses = repalloc(event->uses, sizeof(SignalUse) * (event->useCount + 1));
	event->uses[event->useCount].signal = signal;
	event->uses[event->useCount++].weight = weight;
}

/* Whether a definition counts a type of events, and with which weight; own: that of the type, NULL if it has none. */
static bool
CountsEvent(const Definition *definition, int number, const int64 *own, int64 *weight)
{
	for (int i = 0; i < definition->eventCount; i++)
	{
		if (definition->events[i] != number)
			continue;
		*weight = definition->weights[i] != PG_INT64_MIN ? definition->weights[i] : own ? *own : FEATURE_SUM_UNIT;
		return true;
	}
	*weight = own ? *own : 0;
	return definition->allEvents && *weight != 0;
}

/*
 * Find out which signals an event type feeds.  One without a weight feeds those
 * that name it, as a view would.
 */
static void
ConnectEvent(SignalSet *set, const Definition *definitions, const Definition *scoped, int number, const int64 *own)
{
	SignalEvent *event = &set->events[number];
	int64		weight;

	event->exposure = own == NULL || *own == 0;
	for (int i = 0; i < set->count; i++)
		if (set->signals[i].enabled && CountsEvent(&definitions[i], number, own, &weight))
			AddUse(event, &set->signals[i], weight);
	for (int i = 0; i < set->scopedCount; i++)
	{
		ScopedSignal *signal = &set->scoped[i];

		if (!CountsEvent(&scoped[i], number, own, &weight))
			continue;
		signal->uses = signal->uses ? repalloc(signal->uses, sizeof(ScopedUse) * (signal->useCount + 1)) : palloc(sizeof(ScopedUse));
		signal->uses[signal->useCount++] = (ScopedUse) {number, weight};
	}
}

/* Read event_type and connect each to the signals. */
static void
ReadEventTypes(SignalSet *set, const Definition *definitions, const Definition *scoped, Snapshot snapshot)
{
	Relation	relation = RelationOpenTable("event_type", AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;

	set->events = palloc0(sizeof(SignalEvent));
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isNull;
		int			number = DatumGetInt16(heap_getattr(tuple, 1, RelationGetDescr(relation), &isNull));
		bool		hasNoWeight;
		Datum		weight = heap_getattr(tuple, 3, RelationGetDescr(relation), &hasNoWeight);
		int64		own;

		if (number < 0)
			continue;
		if (number >= set->eventLimit)
		{
			set->events = repalloc(set->events, sizeof(SignalEvent) * (number + 1));
			memset(set->events + set->eventLimit, 0,
				   sizeof(SignalEvent) * (number + 1 - set->eventLimit));
			set->eventLimit = number + 1;
		}
		set->events[number].name = TextDatumGetCString(heap_getattr(tuple, 2,
																	RelationGetDescr(relation),
																	&isNull));
		own = hasNoWeight ? 0 : ReadWeight(weight);
		ConnectEvent(set, definitions, scoped, number, hasNoWeight ? NULL : &own);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

/* Give the set its signals and the policies of their panes. */
static void
FillSignals(SignalSet *set, const Definition *definitions)
{
	FeaturePolicy *policies;

	set->signals = palloc(sizeof(Signal) * Max(set->count, 1));
	for (int i = 0; i < set->count; i++)
	{
		set->signals[i] = definitions[i].signal;
		set->idLimit = definitions[i].signal.id + 1;
	}
	set->byId = palloc0(sizeof(Signal *) * Max(set->idLimit, 1));
	policies = palloc(sizeof(FeaturePolicy) * Max(set->idLimit, 1));
	set->policies.fallback.fine = FEATURE_GRAIN_DAY;
	set->policies.fallback.expireAfter = 400 * USECS_PER_DAY;
	for (int i = 0; i < set->idLimit; i++)
		policies[i] = set->policies.fallback;
	for (int i = 0; i < set->count; i++)
	{
		set->byId[set->signals[i].id] = &set->signals[i];
		policies[set->signals[i].id] = definitions[i].policy;
	}
	set->policies.bySignal = policies;
	set->policies.count = set->idLimit;
}

/* Compile the definitions; allocates in CurrentMemoryContext. */
static SignalSet *
Compile(Relation relation)
{
	SignalSet  *set = palloc0(sizeof(SignalSet));
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(relation)));
	Definitions scoped = {0};
	Definitions definitions = ReadDefinitions(set, &scoped, relation, snapshot);

	qsort(definitions.all, set->count, sizeof(Definition), CompareDefinitions);
	FillSignals(set, definitions.all);
	ReadStates(set, snapshot);
	ReadEventTypes(set, definitions.all, scoped.all, snapshot);
	SignalScopeSort(set);
	UnregisterSnapshot(snapshot);
	return set;
}

/* A set of one signal that is not defined, out of a row of signal. */
SignalSet *
SignalSetMake(const Datum *values, const bool *nulls)
{
	SignalSet  *set = palloc0(sizeof(SignalSet));
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Definition	definition;

	set->count = 1;
	ReadDefinition(&definition, values - 1, nulls - 1);
	FillSignals(set, &definition);
	ReadEventTypes(set, &definition, NULL, snapshot);
	UnregisterSnapshot(snapshot);
	return set;
}

/* A set of one inferred signal. */
const SignalSet *
SignalSetOfInferred(int number)
{
	Relation	relation = RelationOpenTable("signal", AccessShareLock);
	SignalSet  *set = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, SIGNAL_SIGNAL, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(number));
	scan = systable_beginscan(relation, RelationIndex(relation, "signal_pkey"), true, GetLatestSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && IsInferred(relation, tuple))
	{
		Datum		values[SIGNAL_COLUMN_COUNT + 1];
		bool		nulls[SIGNAL_COLUMN_COUNT + 1];

		GetColumns(relation, tuple, values, nulls);
		set = SignalSetMake(values + 1, nulls + 1);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return set;
}

/* Replace the backend's set by a fresh one. */
static void
Reload(LOCKMODE lockMode)
{
	Relation	relation = RelationOpenTable("signal", lockMode);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize signals",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext oldContext = MemoryContextSwitchTo(context);
	SignalSet  *set;

	/* from here on a change makes it invalid again, also while it is read */
	currentRelation = RelationGetRelid(relation);
	currentIsValid = true;
	set = Compile(relation);
	MemoryContextSwitchTo(oldContext);
	MemoryContextSetParent(context, CacheMemoryContext);
	if (currentContext != NULL)
		MemoryContextSetParent(currentContext, TopTransactionContext);
	currentContext = context;
	currentSet = set;
	table_close(relation, NoLock);
}

/* The current definitions. */
const SignalSet *
SignalSetGet(void)
{
	if (!currentIsValid || currentSet == NULL)
	{
		currentSet = NULL;
		Reload(AccessShareLock);
	}
	return currentSet;
}

/* The names of all events. */
int
SignalEventNames(const char ***names)
{
	const SignalSet *set = SignalSetGet();
	int			count = 0;

	*names = palloc_array(const char *, Max(set->eventLimit, 1));
	for (int i = 0; i < set->eventLimit; i++)
		if (set->events[i].name != NULL)
			(*names)[count++] = set->events[i].name;
	return count;
}

/* The current definitions, kept from changing until the transaction ends. */
const SignalSet *
SignalSetGetLocked(void)
{
	LockRelationOid(RelationFind("signal", false), RowExclusiveLock);
	return SignalSetGet();
}

/* True if there is such an event type by now. */
static bool
EventTypeExists(int16 event)
{
	Relation	relation = RelationOpenTable("event_type", AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		exists;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(event));
	scan = systable_beginscan(relation, RelationIndex(relation, "event_type_pkey"), true, NULL, 1, &key);
	exists = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return exists;
}

/* The entry of an event type; NULL if the set has none. */
static const SignalEvent *
FindEvent(const SignalSet *set, int16 event)
{
	return event >= 0 && event < set->eventLimit && set->events[event].name != NULL ?
		&set->events[event] : NULL;
}

/* The set's entry of an event type; NULL if there is no such type. */
const SignalEvent *
SignalSetEvent(const SignalSet **set, int16 event)
{
	const SignalEvent *found = FindEvent(*set, event);

	/* a type may have been registered after the set was compiled, or be deleted */
	if (found != NULL || event < 0 || !EventTypeExists(event))
		return found;
	currentIsValid = false;
	*set = SignalSetGet();
	return FindEvent(*set, event);
}

/* Complain of a name that is an inferred signal's, or one's of another scope. */
void
SignalRefuseElsewhere(const SignalSet *set, const char *name)
{
	for (int i = 0; i < set->inferredCount; i++)
		if (strcmp(set->inferred[i], name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("signal \"%s\" is inferred and counted for cohorts only", name),
					 errdetail("Profiles, features, segments, experiments and engines hold what people said or did, not what was inferred about them."),
					 errhint("SELECT personalize.create_cohort_report(...) counts people by its values, anonymously.")));
	SignalRefuseScoped(set, name);
}

/* The signal of a name, enabled or not. */
const Signal *
SignalFindByName(const SignalSet *set, const char *name)
{
	for (int i = 0; i < set->count; i++)
		if (strcmp(set->signals[i].name, name) == 0)
			return &set->signals[i];
	SignalRefuseElsewhere(set, name);
	return NULL;
}

/* Since when the raw events that feed a signal are all there. */
TimestampTz
SignalEventsSince(const SignalSet *set, const Signal *signal)
{
	int16	   *kinds = palloc_array(int16, set->eventLimit + 1);
	int			count = 0;

	for (int event = 0; event < set->eventLimit; event++)
		for (int i = 0; i < set->events[event].useCount; i++)
			if (set->events[event].uses[i].signal == signal)
				kinds[count++] = event;
	return GoneEventsOfKinds(kinds, count);
}

/* The width of the panes that a signal's events of a time ago are in: a period ends at one. */
int64
SignalPaneWidth(const SignalSet *set, const Signal *signal, int64 ago)
{
	const FeaturePolicy *policy = &set->policies.bySignal[signal->id];

	if (policy->fine == FEATURE_GRAIN_5MIN && ago <= policy->hourAfter)
		return 5 * USECS_PER_MINUTE;
	return policy->fine <= FEATURE_GRAIN_HOUR && ago <= policy->dayAfter ? USECS_PER_HOUR : USECS_PER_DAY;
}

/* Watch for changed definitions. */
void
SignalInit(void)
{
	RelationWatch(ForgetDefinitions);
	EventDetailRegisterCheck(SignalCheckEvent);
}
