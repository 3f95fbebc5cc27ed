/*
 * feature_history.c
 *		get_historical_features(): the features that were read at times in the past.
 *
 * Spine and history are each sorted by person and time once and merged: at a row of the
 * spine a person's state has everything that was known by then, put there by the
 * processor's own code, and is evaluated as by get_features().  So a row has what
 * get_features() returned at that time, and nothing that was not known: no event of
 * later, and none that came later.
 */
#include "postgres.h"

#include "features/feature_history.h"

#include "base/argument.h"
#include "base/key.h"
#include "compat.h"
#include "features/feature_evaluate.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/policy.h"
#include "people/restriction.h"
#include "profiles/segment.h"
#include "signals/feature_value.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_get_historical_features);
PG_FUNCTION_INFO_V1(personalize_get_historical_features_of);

/* What waits to be put into a state is put there when it is as much. */
#define MOST_WAITING 4096

/* Rows after which the cache of texts is trimmed. */
#define ROWS_PER_TRIM 1000

/* As rows say what they were computed from: raw events, or also panes as wide. */
static const char *const grainNames[] = {"event", "5min", "hour", "day"};

/* The merge. */
typedef struct Merge
{
	const FeatureView *view;
	Spine		spine;
	History		history;
	bool		hasEntry;
	HistoryEntry entry;			/* the next that no state has */
	MemoryContext rowContext;
	ItemReader *items;

	/* the person at hand */
	MemoryContext context;
	FeatureContext features;
	int64		userKey;
	int			grain;			/* of grainNames */
	FeatureState *state;
	ProfileSteps steps;
	int64		horizon;
	int			waitingCount;
	FeatureDelta waiting[MOST_WAITING];
} Merge;

/* Put what waits into the state. */
static void
Apply(Merge *merge)
{
	FeatureState *old = merge->state;
	MemoryContext caller;

	if (merge->waitingCount == 0)
		return;
	caller = MemoryContextSwitchTo(merge->context);
	merge->state = FeatureStateApply(old, merge->waiting, merge->waitingCount, &merge->history.signals->policies);
	if (old != NULL && old != merge->state)
		pfree(old);
	FeatureContextSetState(&merge->features, merge->state);
	MemoryContextSwitchTo(caller);
	merge->waitingCount = 0;
}

/* What a pane of the profile kept, for as long as the person is at hand; NULL: nothing. */
static const FeatureExtremes *
KeepExtremes(const Merge *merge, const HistoryEntry *entry)
{
	FeatureExtremes *extremes;

	if (!entry->isPane || entry->extremes.kept == 0)
		return NULL;
	extremes = MemoryContextAlloc(merge->context, sizeof(FeatureExtremes));
	*extremes = entry->extremes;
	return extremes;
}

/* The different values that a pane of the profile held, likewise; NULL: it is of one value. */
static const FeatureDistinct *
KeepDistinct(const Merge *merge, const HistoryEntry *entry)
{
	FeatureDistinct *distinct;
	uint8	   *bytes;

	if (entry->distinct.bytes == NULL)
		return NULL;
	distinct = MemoryContextAllocZero(merge->context, sizeof(FeatureDistinct));
	bytes = MemoryContextAlloc(merge->context, entry->distinct.size);
	memcpy(bytes, entry->distinct.bytes, entry->distinct.size);
	distinct->bytes = bytes;
	distinct->size = entry->distinct.size;
	return distinct;
}

/* Let the person at hand know of an entry. */
static void
TakeEntry(Merge *merge)
{
	const HistoryEntry *entry = &merge->entry;

	if (entry->isPane)
		merge->grain = Max(merge->grain, (int) entry->grain + 1);
	if (entry->isStep)
	{
		ProfileStep step = entry->step;

		ProfileStepsAdd(&merge->steps, &step, 1, merge->horizon);
	}
	if (entry->count == 0)
		return;
	if (merge->waitingCount == MOST_WAITING)
		Apply(merge);
	merge->waiting[merge->waitingCount++] = (FeatureDelta) {
		entry->featureKey, entry->ts, entry->count, entry->sum, KeepExtremes(merge, entry), KeepDistinct(merge, entry)
	};
}

/* Begin with a person. */
static void
BeginPerson(Merge *merge, int64 userKey)
{
	MemoryContextReset(merge->context);
	merge->userKey = userKey;
	merge->grain = 0;
	merge->state = NULL;
	merge->features.features = NULL;
	FeatureContextSetState(&merge->features, NULL);
	merge->features.restricted = RestrictionOf(userKey);
	merge->steps.count = 0;
	merge->waitingCount = 0;
	while (merge->hasEntry && merge->entry.userKey < userKey)
		merge->hasEntry = HistoryNext(&merge->history, &merge->entry);
}

/* Bring the person's state to what was known at a time. */
static void
AdvanceTo(Merge *merge, TimestampTz time)
{
	while (merge->hasEntry && merge->entry.userKey == merge->userKey && merge->entry.known <= time)
	{
		TakeEntry(merge);
		merge->hasEntry = HistoryNext(&merge->history, &merge->entry);
	}
	Apply(merge);
}

/* Return the features of the person at hand at a row's time. */
static void
PutRow(Merge *merge, const SpineRow *row, ReturnSetInfo *output)
{
	MemoryContext caller = MemoryContextSwitchTo(merge->rowContext);
	Datum		values[5];
	bool		nulls[5] = {false};

	merge->features.now = row->asOf;
	merge->features.request = row->request;
	merge->features.item = NULL;
	if (row->itemId != NULL && merge->view->usesItem)
		merge->features.item = ItemReaderJson(merge->items, KeyFromText(row->itemId), row->itemId);
	values[0] = Int64GetDatum(row->place);
	values[1] = PointerGetDatum(row->userId);
	values[2] = TimestampTzGetDatum(row->asOf);
	values[3] = CStringGetTextDatum(grainNames[merge->grain]);
	values[4] = JsonbPGetDatum(FeatureEvaluateJson(merge->view, &merge->features));
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(merge->rowContext);
}

/* Merge. */
static void
MergeAll(Merge *merge, ReturnSetInfo *output)
{
	SpineRow	row;
	int64		count = 0;

	merge->hasEntry = HistoryNext(&merge->history, &merge->entry);
	while (SpineNext(&merge->spine, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (count == 0 || row.userKey != merge->userKey)
			BeginPerson(merge, row.userKey);
		if (count++ % ROWS_PER_TRIM == 0)
			FeatureValueTrimCache();
		AdvanceTo(merge, row.asOf);
		PutRow(merge, &row, output);
	}
}

/* The view argument. */
static const FeatureView *
ViewArgument(FunctionCallInfo fcinfo)
{
	ArgumentCheckGiven(fcinfo, 1, "view");
	return FeatureViewFind(text_to_cstring(PG_GETARG_TEXT_PP(1)));
}

/* The features of a source's rows. */
static Datum
ReadHistory(FunctionCallInfo fcinfo, const char *source)
{
	Merge	   *merge = palloc0_object(Merge);

	merge->view = ViewArgument(fcinfo);
	ArgumentCheckGiven(fcinfo, 2, "late_events");
	merge->features.purposes = PolicyPurpose(PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (merge->view->entity != FEATURE_ENTITY_USER)
	{
		FeaturePastRead(merge->view, source, PG_GETARG_BOOL(2), merge->features.purposes, (ReturnSetInfo *) fcinfo->resultinfo);
		return (Datum) 0;
	}
	SpineRead(&merge->spine, source, true);
	HistoryRead(&merge->history, merge->view, &merge->spine, PG_GETARG_BOOL(2));
	merge->features.signals = merge->history.signals;
	merge->features.snapshot = merge->history.snapshot;
	merge->features.steps = &merge->steps;
	merge->horizon = SegmentSetGet()->horizon;
	merge->context = AllocSetContextCreate(CurrentMemoryContext, "personalize person", ALLOCSET_DEFAULT_SIZES);
	merge->rowContext = AllocSetContextCreate(CurrentMemoryContext, "personalize features", ALLOCSET_DEFAULT_SIZES);
	merge->items = ItemReaderBegin(merge->history.snapshot);
	MergeAll(merge, (ReturnSetInfo *) fcinfo->resultinfo);
	ItemReaderEnd(merge->items);
	HistoryEnd(&merge->history);
	SpineEnd(&merge->spine);
	return (Datum) 0;
}

/* get_historical_features(spine, view, late_events, purpose): spine is a query, or the name of a table. */
Datum
personalize_get_historical_features(PG_FUNCTION_ARGS)
{
	ArgumentCheckGiven(fcinfo, 0, "spine");
	return ReadHistory(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/* The same of a table. */
Datum
personalize_get_historical_features_of(PG_FUNCTION_ARGS)
{
	ArgumentCheckGiven(fcinfo, 0, "spine");
	return ReadHistory(fcinfo, DatumGetCString(DirectFunctionCall1(regclassout, PG_GETARG_DATUM(0))));
}
