/*
 * feature_past.c
 *		get_historical_features() of what is counted over all people.
 *
 * The past of items, of what they have in common, of queries and of the shop are the
 * panes of time that their counters are kept in, hours and, when these are older, days.
 * A row has what had been over by its time, as get_features() of the last moment before:
 * a pane that had just begun holds events of later.  Panes do not tell when an event came,
 * and are of the catalogue of today.
 *
 * A spine is sorted by entity and time; the panes of an entity are read once, in the order
 * of their times, and each row goes on where the one before was.  Panes of an item, of a
 * query and of the shop lie together; those of all categories, brands or tags of a spine are
 * gathered in one pass and sorted like it.
 */
#include "postgres.h"

#include "features/feature_history.h"

#include "compat.h"
#include "features/feature_evaluate.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What is read. */
typedef struct Past
{
	const FeatureView *view;
	Spine		spine;
	FeatureContext context;
	ItemReader *items;
	FeatureGathering *gathering;	/* NULL: each entity is read by itself */
	MemoryContext rowContext;

	/* the entity at hand */
	MemoryContext entityContext;
	int64		key;
	FeatureCounters *all;
	FeatureCounters over;		/* those that are over by the time of a row */
	int			first;			/* of these, in the longest period that is asked for */
} Past;

/* Begin with an entity. */
static void
BeginEntity(Past *past, const SpineRow *row)
{
	MemoryContext caller;

	MemoryContextReset(past->entityContext);
	caller = MemoryContextSwitchTo(past->entityContext);
	past->key = row->userKey;
	past->all = past->gathering ? FeatureGatheringRead(past->gathering, row->userKey) :
		FeatureCountersLoadAll(past->view, row->userId, row->userKey, past->spine.last, past->context.snapshot);
	past->over = *past->all;
	past->over.count = 0;
	past->first = 0;
	past->context.counters = &past->over;
	MemoryContextSwitchTo(caller);
}

/* The width of a pane. */
static int64
WidthOf(const FeatureCounters *counters, int place)
{
	return counters->counters[place].key.start < counters->daysBefore ? USECS_PER_DAY : USECS_PER_HOUR;
}

/* Take what is over by a time; the time becomes the last moment of the last pane that can be. */
static void
AdvanceTo(Past *past, TimestampTz time)
{
	int64		unit = past->view->entity == FEATURE_ENTITY_QUERY ? USECS_PER_DAY : USECS_PER_HOUR;
	FeatureCounters *over = &past->over;

	while (over->count < past->all->count && over->counters[over->count].key.start + WidthOf(over, over->count) <= time)
		over->count++;
	past->context.now = time - ((time % unit) + unit) % unit - 1;
	while (past->first < over->count && over->period > 0 &&
		   over->counters[past->first].key.start <= past->context.now - over->period)
		past->first++;
}

/* How wide the widest of the panes that count are. */
static const char *
GrainOf(const Past *past)
{
	bool		isDay = past->view->entity == FEATURE_ENTITY_QUERY ||
	(past->first < past->over.count && WidthOf(&past->over, past->first) == USECS_PER_DAY);

	return isDay ? "day" : "hour";
}

/* Return the features of the entity at hand at a row's time. */
static void
PutRow(Past *past, const SpineRow *row, ReturnSetInfo *output)
{
	MemoryContext caller = MemoryContextSwitchTo(past->rowContext);
	Datum		values[5];
	bool		nulls[5] = {false};

	past->context.request = row->request;
	past->context.item = NULL;
	if (past->view->entity == FEATURE_ENTITY_ITEM && past->view->usesItem)
		past->context.item = ItemReaderJson(past->items, row->userKey, row->userId);
	values[0] = Int64GetDatum(row->place);
	values[1] = PointerGetDatum(row->userId);
	values[2] = TimestampTzGetDatum(row->asOf);
	values[3] = CStringGetTextDatum(GrainOf(past));
	values[4] = JsonbPGetDatum(FeatureEvaluateJson(past->view, &past->context));
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(past->rowContext);
}

/* Complain that panes do not tell when events came. */
static void
CheckLate(const FeatureView *view, bool late)
{
	if (!late)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("counters of feature view \"%s\" tell when events happened, and not when they came", view->name),
				 errhint("Say late_events => true.")));
}

/* The features of a source's rows. */
void
FeaturePastRead(const FeatureView *view, const char *source, bool late, int32 purposes, ReturnSetInfo *output)
{
	Past	   *past = palloc0_object(Past);
	SpineRow	row;
	int64		count = 0;

	CheckLate(view, late);
	past->view = view;
	past->context.purposes = purposes;
	SpineRead(&past->spine, source, false);
	past->context.signals = SignalSetGet();
	past->context.snapshot = GetActiveSnapshot();
	past->entityContext = AllocSetContextCreate(CurrentMemoryContext, "personalize entity", ALLOCSET_DEFAULT_SIZES);
	past->rowContext = AllocSetContextCreate(CurrentMemoryContext, "personalize features", ALLOCSET_DEFAULT_SIZES);
	past->items = ItemReaderBegin(past->context.snapshot);
	if (FeatureEntityIsShared(view->entity))
		past->gathering = FeatureGatheringBegin(view, past->spine.allKnown ? &past->spine.people : NULL,
												past->spine.last, true, past->context.snapshot);
	while (SpineNext(&past->spine, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (count++ == 0 || row.userKey != past->key)
			BeginEntity(past, &row);
		AdvanceTo(past, row.asOf);
		PutRow(past, &row, output);
	}
	if (past->gathering)
		FeatureGatheringEnd(past->gathering);
	ItemReaderEnd(past->items);
	SpineEnd(&past->spine);
}
