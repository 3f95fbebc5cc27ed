/*
 * answer.c
 *		What an engine returns, and the count of it.
 *
 * Scores are comparable within one reason.  A reason names its cause; where there is
 * none, what the engine lacked for a personal answer.
 */
#include "postgres.h"

#include "engines/answer.h"

#include "base/counter.h"
#include "base/event_time.h"
#include "base/json_build.h"
#include "base/uuid.h"
#include "compat.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* As many reasons there can be. */
#define MAX_REASONS 32

static Reason *reasons[MAX_REASONS];
static int	reasonCount = 0;

static const char *const lackNames[LACK_COUNT] = {NULL, "new_user", "no_consent"};

/* What explanations call the parts of the neighbour score. */
static const char *const partNames[KNN_PARTS] = {
	[KNN_PART_SESSIONS] = "score_sessions",
	[KNN_PART_NEXT] = "score_next",
	[KNN_PART_HOPS] = "score_hops",
	[KNN_PART_REPEAT] = "score_repeat",
	[KNN_PART_TREND] = "score_trend"
};

/* What is counted of an engine, before the items returned for each reason. */
typedef enum EngineMeasure
{
	MEASURE_CALLS,
	MEASURE_EMPTY,				/* calls without a row */
	MEASURE_STALE,
	MEASURE_LACK,				/* calls that lacked a user, or consent */
	MEASURE_REASON = MEASURE_LACK + LACK_COUNT - 1
} EngineMeasure;

static const char *const measureNames[MEASURE_REASON] = {
	"calls", "empty", "stale", "new_user", "no_consent"
};
static int	firstCounter;

/* Columns of a row. */
typedef enum AnswerColumn
{
	COLUMN_RANK,
	COLUMN_ITEM_ID,
	COLUMN_ITEM_KEY,
	COLUMN_SCORE,
	COLUMN_REASON,
	COLUMN_REQUEST_ID,
	COLUMN_EXPLANATION
} AnswerColumn;
#define COLUMN_COUNT (COLUMN_EXPLANATION + 1)

/* Make a reason known. */
void
ReasonRegister(Reason *reason)
{
	if (reasonCount == MAX_REASONS)
		elog(ERROR, "too many reasons");
	reason->id = reasonCount;
	reasons[reasonCount++] = reason;
}

/* Register the counters: engine.<engine>.<measure or reason>. */
void
AnswerRegisterCounters(const char *const *engines, int count)
{
	int			measures = MEASURE_REASON + reasonCount;
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	const char **names = palloc_array(const char *, count * measures);

	for (int engine = 0; engine < count; engine++)
		for (int measure = 0; measure < measures; measure++)
			names[engine * measures + measure] =
				psprintf("engine.%s.%s", engines[engine],
						 measure < MEASURE_REASON ? measureNames[measure] :
						 reasons[measure - MEASURE_REASON]->name);
	firstCounter = CounterRegister(names, count * measures);
	MemoryContextSwitchTo(caller);
}

/* The text of a candidate's reason. */
static text *
FormatReason(EngineContext *context, const Candidate *candidate)
{
	StringInfoData reason;
	const text *detail = NULL;

	initStringInfo(&reason);
	appendStringInfoString(&reason, candidate->reason->name);
	if (candidate->reason->detail == REASON_OF_ITEM)
		detail = ContextFindId(context, candidate->because);
	else if (candidate->reason->detail == REASON_OF_CATEGORY)
		detail = candidate->category;
	else if (candidate->reason->detail == REASON_OF_QUERY)
		detail = context->query;
	if (detail != NULL)
	{
		appendStringInfoChar(&reason, ':');
		appendBinaryStringInfo(&reason, VARDATA_ANY(detail), VARSIZE_ANY_EXHDR(detail));
	}
	else if (lackNames[context->lack] != NULL)
		appendStringInfo(&reason, ":%s", lackNames[context->lack]);
	return cstring_to_text_with_len(reason.data, reason.len);
}

/* How a candidate came about, as JSON. */
static Datum
FormatExplanation(EngineContext *context, const Candidate *candidate)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	JsonPushString(&state, "source", candidate->reason->name);
	if (context->lack != LACK_NOTHING)
		JsonPushString(&state, "lack", lackNames[context->lack]);
	if (context->stale)
		JsonPushBool(&state, "stale", true);
	if (context->explain)
	{
		JsonPushFloat(&state, "score", candidate->score / candidate->boost);
		for (int p = 0; candidate->parts && p < KNN_PARTS; p++)
			if (candidate->parts[p] != 0)
				JsonPushFloat(&state, partNames[p], candidate->parts[p]);
		for (int f = 0; candidate->contributions && f < context->featureCount; f++)
			if (candidate->contributions[f] != 0)
				JsonPushFloat(&state, context->featureNames[f], candidate->contributions[f]);
		JsonPushFloat(&state, "boost", candidate->boost);
		JsonPushString(&state, "as_of", EventTimeFormat(context->now));
		if (candidate->reason->detail == REASON_ITSELF || candidate->reason->detail == REASON_OF_ITEM)
			JsonPushText(&state, "because", ContextFindId(context, candidate->because));
		if (candidate->category != NULL)
			JsonPushText(&state, "category", candidate->category);
		JsonPushBool(&state, "candidates", context->hasCandidates);
		JsonPushBool(&state, "filtered", context->filter != NULL);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Count the call and what it returns. */
static void
CountCall(const Slate *slate, int engine)
{
	const EngineContext *context = slate->context;
	int			first = firstCounter + engine * (MEASURE_REASON + reasonCount);
	int			items[MAX_REASONS] = {0};

	CounterAdd(first + MEASURE_CALLS, 1);
	if (slate->takenCount == 0)
		CounterAdd(first + MEASURE_EMPTY, 1);
	if (context->stale)
		CounterAdd(first + MEASURE_STALE, 1);
	if (context->lack != LACK_NOTHING)
		CounterAdd(first + MEASURE_LACK + context->lack - 1, 1);
	for (int i = 0; i < slate->takenCount; i++)
		items[slate->taken[i].reason->id]++;
	for (int reason = 0; reason < reasonCount; reason++)
	{
		if (items[reason] > 0)
			CounterAdd(first + MEASURE_REASON + reason, items[reason]);
	}
}

/* Return the rows that are taken. */
void
AnswerReturn(const Slate *slate, int engine, AnswerColumns addColumns)
{
	EngineContext *context = slate->context;
	ReturnSetInfo *output = (ReturnSetInfo *) context->fcinfo->resultinfo;
	Datum		requestId = UUIDPGetDatum(UuidRandom());

	for (int i = 0; i < slate->takenCount; i++)
	{
		const Candidate *candidate = &slate->taken[i];
		text	   *id = ContextFindId(context, candidate->itemKey);
		Datum		values[COLUMN_COUNT + ANSWER_MAX_MORE];
		bool		nulls[COLUMN_COUNT + ANSWER_MAX_MORE] = {false};

		values[COLUMN_RANK] = Int32GetDatum(i + 1);
		values[COLUMN_ITEM_ID] = PointerGetDatum(id);
		nulls[COLUMN_ITEM_ID] = id == NULL;
		values[COLUMN_ITEM_KEY] = Int64GetDatum(candidate->itemKey);
		values[COLUMN_SCORE] = Float8GetDatum(candidate->score);
		values[COLUMN_REASON] = PointerGetDatum(FormatReason(context, candidate));
		values[COLUMN_REQUEST_ID] = requestId;
		nulls[COLUMN_EXPLANATION] = !context->explain && !context->stale;
		if (!nulls[COLUMN_EXPLANATION])
			values[COLUMN_EXPLANATION] = FormatExplanation(context, candidate);
		if (addColumns != NULL)
			addColumns(context, i, values + COLUMN_COUNT, nulls + COLUMN_COUNT);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	CountCall(slate, engine);
}
