/*
 * exposure.c
 *		The processor that keeps what was shown to people and what they did then.
 *
 * Impressions are events view_item_list and view_promotion; what may be credited to
 * them are clicks (select_item, select_promotion, and a view_item that names its
 * request), add_to_cart and purchase.  Only events that may be used for analytics
 * count.  A person's batch is taken in by exposure_person.c, and what it changes in the
 * counters is written by exposure_count.c.
 */
#include "postgres.h"

#include "exposures/exposure.h"

#include <float.h>
#include <math.h>

#include "access/xact.h"
#include "base/grow.h"
#include "base/key.h"
#include "base/shard.h"
#include "compat.h"
#include "events/event_measure.h"
#include "events/gone.h"
#include "exposures/exposure_internal.h"
#include "exposures/query.h"
#include "exposures/request_id.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"
#include "workers/processor_verify.h"

static int	personalize_attribution_window = 30 * SECS_PER_MINUTE;

/* A batch of the processor. */
typedef struct ExposureBatch
{
	MemoryContext context;
	TimestampTz since;			/* what happened before is not kept any more */
	int			shownCount;
	int			shownCapacity;
	ShownFact  *shown;
	int			outcomeCount;
	int			outcomeCapacity;
	OutcomeFact *outcomes;
	QueryTexts *texts;
} ExposureBatch;

/* How long an impression is credited. */
int64
ExposureWindow(void)
{
	return personalize_attribution_window * USECS_PER_SEC;
}

/* True if something was shown. */
static bool
IsImpression(const EventRow *row)
{
	return row->event == EVENT_TYPE_VIEW_ITEM_LIST || row->event == EVENT_TYPE_VIEW_PROMOTION;
}

/* True if something was done that may be credited. */
static bool
IsOutcome(const EventRow *row)
{
	switch (row->event)
	{
		case EVENT_TYPE_SELECT_ITEM:
		case EVENT_TYPE_SELECT_PROMOTION:
		case EVENT_TYPE_ADD_TO_CART:
		case EVENT_TYPE_PURCHASE:
			return true;
		case EVENT_TYPE_VIEW_ITEM:
			return row->hasRequest;
		default:
			return false;
	}
}

/* The person's shard, if the event counts. */
static int
ShardOfEvent(const EventRow *row)
{
	if (!(IsImpression(row) || IsOutcome(row)) || !row->hasItem || (row->consent & PURPOSE_ANALYTICS) == 0 ||
		(RestrictionOf(row->userKey) & PURPOSE_ANALYTICS) != 0)
		return -1;
	return ShardOfKey(row->userKey);
}

/* Begin a batch. */
static void *
BeginBatch(void)
{
	ExposureBatch *batch = palloc0(sizeof(ExposureBatch));

	batch->context = CurrentMemoryContext;
	batch->since = GoneExposuresBefore();
	batch->texts = QueryTextsBegin();
	return batch;
}

/* The request of an event: named, or else that of its message, or of its moment. */
static int64
RequestOf(const EventRow *row)
{
	uint64		parts[2] = {row->hasMessage, row->hasMessage ? (uint64) row->messageKey : (uint64) row->ts};

	if (row->hasRequest && row->requestKey != 0)
		return row->requestKey;
	return (int64) (KeyHash(parts, sizeof(parts)) | (UINT64CONST(1) << 63));
}

/* The reason an impression gives, or that of all rows of its answer; 0: several. */
static int16
ReasonOf(const EventRow *row)
{
	JsonbValue	value;
	RequestOrigin origin;

	if (row->requestOrigin == 0)
		return 0;
	if (EventProperty(row, "reason", &value) && value.type == jbvString)
	{
		const char *colon = memchr(value.val.string.val, ':', value.val.string.len);
		int			length = colon ? colon - value.val.string.val : value.val.string.len;

		return RequestReasonCode(value.val.string.val, length);
	}
	RequestOriginUnpack(row->requestOrigin, &origin);
	return origin.reason;
}

/* The score that an impression bears, as a list does; not a number: none. */
static float
ScoreOf(const EventRow *row)
{
	JsonbValue	value;
	double		score;

	if (row->event != EVENT_TYPE_VIEW_ITEM_LIST || !EventProperty(row, "score", &value) || value.type != jbvNumeric)
		return get_float4_nan();
	score = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value.val.numeric)));
	return fabs(score) <= FLT_MAX ? score : get_float4_nan();
}

/* The key of the query of an impression; 0: none. */
static int64
QueryOf(ExposureBatch *batch, const EventRow *row)
{
	JsonbValue	value;
	text	   *query;
	int64		key;

	if (!EventProperty(row, "query", &value) || value.type != jbvString ||
		(query = QueryRead(value.val.string.val, value.val.string.len)) == NULL)
		return 0;
	key = QueryKey(query);
	QueryTextsAdd(batch->texts, key, query);
	return key;
}

/* Take an event into the batch. */
static void
TakeEvent(ExposureBatch *batch, const EventRow *row)
{
	if (IsImpression(row))
	{
		Shown		shown = {.request = RequestOf(row),.item = row->itemKey,.at = row->ts,
			.origin = row->requestOrigin,.query = QueryOf(batch, row),
			.slot = row->hasSlot ? row->slot : 0,.reason = ReasonOf(row),.score = ScoreOf(row)};

		GrowArrayIn(batch->context, batch->shown, batch->shownCount + 1, batch->shownCapacity, 256);
		batch->shown[batch->shownCount++] = (ShownFact) {row->userKey, shown};
	}
	else
	{
		Outcome		outcome = {.at = row->ts,.item = row->itemKey,
			.request = row->hasRequest ? row->requestKey : 0,.origin = row->requestOrigin,
			.event = row->event,.ordinal = row->ordinal};

		if (row->event == EVENT_TYPE_PURCHASE && (outcome.amount = EventAmount(row)) != 0)
			outcome.currency = EventCurrency(row);
		GrowArrayIn(batch->context, batch->outcomes, batch->outcomeCount + 1, batch->outcomeCapacity, 256);
		batch->outcomes[batch->outcomeCount++] = (OutcomeFact) {row->userKey, outcome};
	}
}

/* Take an event into the batch, unless it happened before what is kept. */
static void
AddEvent(void *state, const EventRow *row)
{
	ExposureBatch *batch = state;

	if (row->ts >= batch->since)
		TakeEvent(batch, row);
}

/* The same, and all impressions: what was shown again is that which may be gone. */
static void
AddEventToCompare(void *state, const EventRow *row)
{
	ExposureBatch *batch = state;

	if (row->ts >= batch->since || IsImpression(row))
		TakeEvent(batch, row);
}

/* Order facts by person, with the comparison inlined. */
#define COMPARE_FACTS(a, b) (((a)->userKey > (b)->userKey) - ((a)->userKey < (b)->userKey))

#define ST_SORT SortShownFacts
#define ST_ELEMENT_TYPE ShownFact
#define ST_COMPARE(a, b) COMPARE_FACTS(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT SortOutcomeFacts
#define ST_ELEMENT_TYPE OutcomeFact
#define ST_COMPARE(a, b) COMPARE_FACTS(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Sort the facts of a batch. */
static void
SortFacts(ExposureBatch *batch)
{
	if (batch->shownCount > 0)
		SortShownFacts(batch->shown, batch->shownCount);
	if (batch->outcomeCount > 0)
		SortOutcomeFacts(batch->outcomes, batch->outcomeCount);
}

/* Take in the facts, person by person, in the order of their keys. */
static void
ApplyFacts(ExposureBatch *batch, ExposureTables *tables, ExposureCounts *counts)
{
	MemoryContext personContext = AllocSetContextCreate(batch->context, "personalize exposures",
														ALLOCSET_DEFAULT_SIZES);
	int			s = 0;
	int			o = 0;

	while (s < batch->shownCount || o < batch->outcomeCount)
	{
		int			firstShown = s;
		int			firstOutcome = o;
		int64		userKey = s == batch->shownCount ? batch->outcomes[o].userKey :
			o == batch->outcomeCount ? batch->shown[s].userKey :
			Min(batch->shown[s].userKey, batch->outcomes[o].userKey);

		while (s < batch->shownCount && batch->shown[s].userKey == userKey)
			s++;
		while (o < batch->outcomeCount && batch->outcomes[o].userKey == userKey)
			o++;
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(personContext);
		ExposureApply(tables, counts, userKey, batch->shown + firstShown, s - firstShown,
					  batch->outcomes + firstOutcome, o - firstOutcome);
		MemoryContextSwitchTo(batch->context);
		MemoryContextReset(personContext);
	}
	MemoryContextDelete(personContext);
}

/* Write a batch. */
static void
FinishBatch(void *state)
{
	ExposureBatch *batch = state;
	Snapshot	snapshot;
	ExposureTables *tables;
	ExposureCounts *counts;

	if (batch->shownCount == 0 && batch->outcomeCount == 0)
		return;
	counts = ExposureCountsBegin();
	SortFacts(batch);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	tables = ExposureTablesOpen(RowExclusiveLock, snapshot);
	ApplyFacts(batch, tables, counts);
	ExposureTablesClose(tables);
	UnregisterSnapshot(snapshot);
	ExposureCountsWrite(counts);
	QueryTextsWrite(batch->texts);
}

/* Compare a batch of all events with what is stored. */
static void
CompareBatch(void *state, ProcessorVerification *verification)
{
	ExposureBatch *batch = state;

	SortFacts(batch);
	ExposureVerify(verification, batch->shown, batch->shownCount, batch->outcomes, batch->outcomeCount);
}

/* Take a person out of the counters, or back in. */
void
ExposureCountPerson(int64 userKey, int times)
{
	ExposureTables *tables = ExposureTablesOpen(AccessShareLock, GetActiveSnapshot());
	ExposureCounts *counts = ExposureCountsBegin();

	ExposureCountsAdd(counts, ExposureLoadAll(tables, userKey), true, times);
	ExposureTablesClose(tables);
	ExposureCountsWrite(counts);
}

/* Define the setting, and make the processor known. */
void
ExposureInit(void)
{
	static const ProcessorMethods methods = {
		.id = PROCESSOR_EXPOSURE,
		.name = "exposure",
		.shardedByUser = true,
		.shardOf = ShardOfEvent,
		.begin = BeginBatch,
		.add = AddEvent,
		.finish = FinishBatch,
		.addToCompare = AddEventToCompare,
		.compare = CompareBatch,
		.clear = ExposureClear
	};

	DefineCustomIntVariable("personalize.attribution_window",
							"How long something shown is credited with what is done about it.",
							"An event that names its request needs no time.",
							&personalize_attribution_window,
							30 * SECS_PER_MINUTE, 1, 30 * SECS_PER_DAY, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	ProcessorRegister(&methods);
}
