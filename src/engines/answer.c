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
#include "base/interval.h"
#include "base/json_build.h"
#include "base/result_row.h"
#include "compat.h"
#include "engines/rule.h"
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
	RequestNameReason(reason->code, reason->name);
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

/* Spell a candidate's reason. */
static text *
SpellReason(EngineContext *context, const Candidate *candidate)
{
	StringInfoData reason;
	const text *detail = NULL;

	initStringInfo(&reason);
	appendStringInfoString(&reason, candidate->reason->name);
	if (candidate->reason->detail == REASON_OF_ITEM)
		detail = ContextFindId(context, candidate->because);
	else if (candidate->reason->detail == REASON_OF_CATEGORY)
		detail = candidate->category;
	else if (candidate->reason->detail == REASON_OF_RULE)
		detail = cstring_to_text(candidate->rule);
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

/* The reasons an answer gave last: most of its items have one of a few. */
#define SAID_REASONS 4
typedef struct SaidReasons
{
	int			next;
	struct
	{
		const Reason *reason;	/* NULL: none */
		int64		because;
		const text *category;
		const char *rule;
		EngineLack	lack;
		text	   *said;
	}			last[SAID_REASONS];
} SaidReasons;

/* The text of a candidate's reason. */
text *
AnswerReason(EngineContext *context, const Candidate *candidate)
{
	SaidReasons *said = context->said;
	int			place;

	if (said == NULL)
		context->said = said = MemoryContextAllocZero(context->context, sizeof(SaidReasons));
	for (int i = 0; i < SAID_REASONS; i++)
		if (said->last[i].reason == candidate->reason && said->last[i].because == candidate->because &&
			said->last[i].category == candidate->category && said->last[i].rule == candidate->rule &&
			said->last[i].lack == context->lack)
			return said->last[i].said;
	place = said->next++ % SAID_REASONS;
	said->last[place].reason = candidate->reason;
	said->last[place].because = candidate->because;
	said->last[place].category = candidate->category;
	said->last[place].rule = candidate->rule;
	said->last[place].lack = context->lack;
	said->last[place].said = SpellReason(context, candidate);
	return said->last[place].said;
}

/* Name the rules that have touched a candidate: what moved its score or admitted it, and what placed it. */
static void
PushRules(JsonbParseState **state, EngineContext *context, const Candidate *candidate)
{
	int			count = 0;

	for (int i = 0; context->rules != NULL && i < context->rules->count; i++)
	{
		const Rule *rule = context->rules->rules[i];
		bool		touched = rule->kind == RULE_PIN || rule->kind == RULE_SLOTS ?
			candidate->rule == rule->name : RuleIsAbout(context, rule, candidate->itemKey);

		if (!touched)
			continue;
		if (count++ == 0)
		{
			JsonPushKey(state, "rules");
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		}
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		JsonPushString(state, "name", rule->name);
		JsonPushString(state, "kind", ruleKindNames[rule->kind]);
		if (rule->kind == RULE_BOOST || rule->kind == RULE_BURY)
			JsonPushFloat(state, "factor", rule->factor);
		pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	if (count > 0)
		pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* What a score is made of: members score_* that add up to it. */
static void
PushScore(JsonbParseState **state, const EngineContext *context, const Candidate *candidate)
{
	static const char *const raisedNames[BOOST_COUNT] = {"score_favourites", "score_rules"};
	double		base = candidate->score;

	JsonPushFloat(state, "score", candidate->score);
	for (int p = 0; candidate->found && p < KNN_PARTS; p++)
		if (candidate->found->parts[p] != 0)
			JsonPushFloat(state, partNames[p], candidate->found->parts[p]);
	for (int f = 0; candidate->contributions && f < context->featureCount; f++)
		if (candidate->contributions[f] != 0)
			JsonPushFloat(state, psprintf("score_%s", context->featureNames[f]), candidate->contributions[f]);
	for (int b = 0; b < BOOST_COUNT; b++)
	{
		base -= candidate->raised[b];
		if (candidate->raised[b] != 0)
			JsonPushFloat(state, raisedNames[b], candidate->raised[b]);
	}
	if (candidate->found == NULL && candidate->contributions == NULL)
		JsonPushFloat(state, psprintf("score_%s", candidate->reason->name), base);
	JsonPushFloat(state, "boost", candidate->boost);
}

/* The hour of a time: when other people were here is nobody's business to the second. */
static char *
FormatHour(TimestampTz ts)
{
	return EventTimeFormat(IntervalPeriods(ts, USECS_PER_HOUR) * USECS_PER_HOUR);
}

/* The sessions that voted, and when. */
static void
PushSessions(JsonbParseState **state, const KnnItem *found)
{
	JsonPushNumber(state, "sessions", found->sessions);
	if (found->sessions == 0)
		return;
	JsonPushString(state, "oldest_session", FormatHour(found->oldest));
	JsonPushString(state, "newest_session", FormatHour(found->newest));
}

/* How a candidate came about, as JSON. */
Datum
AnswerExplanation(EngineContext *context, const Candidate *candidate)
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
		PushScore(&state, context, candidate);
		if (candidate->found != NULL)
			PushSessions(&state, candidate->found);
		JsonPushString(&state, "variant", context->variant->name);
		JsonPushString(&state, "as_of", EventTimeFormat(context->now));
		if (candidate->reason->detail == REASON_ITSELF || candidate->reason->detail == REASON_OF_ITEM)
			JsonPushText(&state, "because", ContextFindId(context, candidate->because));
		if (candidate->category != NULL)
			JsonPushText(&state, "category", candidate->category);
		JsonPushBool(&state, "candidates", context->hasCandidates);
		JsonPushBool(&state, "filtered", context->filter != NULL);
		if (context->filter != NULL)
		{
			JsonPushNumber(&state, "filter_asked", context->filterAsked);
			JsonPushNumber(&state, "filter_matched", context->filterMatched);
		}
		if (candidate->place > 0)
			JsonPushNumber(&state, "rank_by_score", candidate->place);
		PushRules(&state, context, candidate);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Count a call and what it returns. */
void
AnswerCount(const EngineContext *context, int engine, const Slate *const *slates, int count)
{
	int			first = firstCounter + engine * (MEASURE_REASON + reasonCount);
	int			items[MAX_REASONS] = {0};
	int			all = 0;

	for (int s = 0; s < count; s++)
	{
		for (int i = 0; i < slates[s]->takenCount; i++)
			items[slates[s]->taken[i].reason->id]++;
		all += slates[s]->takenCount;
	}
	CounterAdd(first + MEASURE_CALLS, 1);
	if (all == 0)
		CounterAdd(first + MEASURE_EMPTY, 1);
	if (context->stale)
		CounterAdd(first + MEASURE_STALE, 1);
	if (context->lack != LACK_NOTHING)
		CounterAdd(first + MEASURE_LACK + context->lack - 1, 1);
	for (int reason = 0; reason < reasonCount; reason++)
	{
		if (items[reason] > 0)
			CounterAdd(first + MEASURE_REASON + reason, items[reason]);
	}
}

/* The id of an answer. */
pg_uuid_t *
AnswerRequestId(const Slate *slate)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	RequestOrigin origin = slate->context->origin;

	origin.reason = slate->takenCount > 0 ? slate->taken[0].reason->code : 0;
	for (int i = 1; i < slate->takenCount; i++)
	{
		if (slate->taken[i].reason->code != origin.reason)
			origin.reason = 0;
	}
	RequestIdMake(id, &origin);
	return id;
}

/* Return the rows that are taken. */
void
AnswerReturn(const Slate *slate, int engine, AnswerColumns addColumns)
{
	EngineContext *context = slate->context;
	ReturnSetInfo *output = (ReturnSetInfo *) context->fcinfo->resultinfo;
	Datum		requestId = UUIDPGetDatum(AnswerRequestId(slate));
	ResultRows	rows;

	ResultRowsBegin(&rows, output);
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
		values[COLUMN_REASON] = PointerGetDatum(AnswerReason(context, candidate));
		values[COLUMN_REQUEST_ID] = requestId;
		nulls[COLUMN_EXPLANATION] = !context->explain && !context->stale;
		if (!nulls[COLUMN_EXPLANATION])
			values[COLUMN_EXPLANATION] = AnswerExplanation(context, candidate);
		if (addColumns != NULL)
			addColumns(context, i, values + COLUMN_COUNT, nulls + COLUMN_COUNT);
		ResultRowsPut(&rows, values, nulls);
	}
	AnswerCount(context, engine, &slate, 1);
}
