/*
 * why_not.c
 *		Why a person is not recommended an item.
 *
 * The question is prepared as that of recommend() is, and the same conditions are asked, one
 * by one; then the engine itself is run, once as it is, and if the item is not there,
 * once more by score alone, with room for all and no
 * condition against this one item.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/event_time.h"
#include "base/key.h"
#include "compat.h"
#include "engines/admission.h"
#include "engines/diversity.h"
#include "engines/recommend.h"
#include "engines/rule.h"
#include "engines/sources.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_why_not);

/* Arguments: those of recommend(), without explain, which is constant, and the item. */
#define ARGUMENT_ITEM RECOMMEND_ARGUMENTS
#define RECOMMEND_EXPLAIN 6

/* Columns of a row. */
typedef enum WhyColumn
{
	WHY_STEP,
	WHY_GATE,
	WHY_OK,
	WHY_DETAIL,
	WHY_FIX
} WhyColumn;
#define WHY_COLUMNS (WHY_FIX + 1)

/* The rows so far. */
typedef struct Report
{
	EngineContext *context;
	int64		itemKey;
	ReturnSetInfo *output;
	int			steps;
	int			against;		/* of these, against the item */
} Report;

/* Add a row. */
static void
AddRow(Report *report, const AdmissionVerdict *verdict)
{
	Datum		values[WHY_COLUMNS];
	bool		nulls[WHY_COLUMNS] = {false};

	values[WHY_STEP] = Int32GetDatum(++report->steps);
	values[WHY_GATE] = CStringGetTextDatum(verdict->gate);
	values[WHY_OK] = BoolGetDatum(verdict->admits);
	values[WHY_DETAIL] = CStringGetTextDatum(verdict->detail);
	nulls[WHY_FIX] = verdict->fix == NULL;
	if (verdict->fix)
		values[WHY_FIX] = CStringGetTextDatum(verdict->fix);
	tuplestore_putvalues(report->output->setResult, report->output->setDesc, values, nulls);
}

/* Whether anything knows of the item. */
static void
TellKnown(Report *report)
{
	EngineContext *context = report->context;
	AdmissionVerdict verdict = {.gate = "known"};
	TimestampTz newest;
	bool		inCatalogue = ItemReaderGet(context->items, report->itemKey) != NULL;
	int64		sessions = KnnItemSessions(ContextKnn(context), report->itemKey, &newest);

	verdict.admits = inCatalogue || sessions > 0 ||
		(!KeyIsNumber(report->itemKey) && ItemReaderId(context->items, report->itemKey) != NULL);
	verdict.detail = verdict.admits ? "the item is known" : "neither the catalogue nor any event has an item of this id";
	if (!verdict.admits)
		verdict.fix = psprintf("SELECT * FROM personalize.upsert_items(jsonb_build_array(jsonb_build_object('item_id', %s)))",
							   ContextQuoteItem(context, report->itemKey));
	AddRow(report, &verdict);
}

/* Whether the catalogue has the item. */
static void
TellCatalogue(Report *report)
{
	ItemOrigin	origin = ItemOriginRead(report->itemKey, "item_id");
	AdmissionVerdict verdict = {.gate = "catalogue",.admits = true};

	if (!origin.exists || origin.changedAt == 0)
	{
		verdict.detail = "not in the catalogue: it counts as available, and is of no category, brand or price";
		verdict.fix = psprintf("SELECT * FROM personalize.upsert_items(jsonb_build_array(jsonb_build_object('item_id', %s, 'category', '...')))",
							   ContextQuoteItem(report->context, report->itemKey));
	}
	else
		verdict.detail = psprintf("in the catalogue, %s%s, last changed %s", origin.source ? "from " : "written directly",
								  origin.source ? origin.source : "", EventTimeFormat(origin.changedAt));
	AddRow(report, &verdict);
}

/* What the conditions on a subject say. */
static void
TellConditions(Report *report, AdmissionSubject subject)
{
	AdmissionVerdict *verdicts;
	int			count = AdmissionTell(report->context, report->itemKey, subject, &verdicts);

	for (int i = 0; i < count; i++)
	{
		report->against += !verdicts[i].admits;
		AddRow(report, &verdicts[i]);
	}
}

/* Whether there is something personal to go by. */
static void
TellConsent(Report *report)
{
	EngineContext *context = report->context;
	const Visitor *visitor = &context->visitor;
	AdmissionVerdict verdict = {.gate = "consent",.admits = visitor->personal};

	if (!visitor->hasKey)
		verdict.detail = "no user_id is given: the answer goes by session_items alone";
	else if (visitor->personal)
		verdict.detail = psprintf("recommendations are allowed; items to go by: %d of the session, %d before it",
								  visitor->itemCount, visitor->longCount);
	else
	{
		verdict.detail = "recommendations are not allowed: the answer is not personal";
		verdict.fix = psprintf("SELECT personalize.grant_consent(%s, '{recommendations}'); -- with the person's permission",
							   ContextQuoteUser(context));
	}
	AddRow(report, &verdict);
}

/* What to say of an item that no neighbour went to. */
static void
TellNotFound(Report *report, AdmissionVerdict *verdict)
{
	EngineContext *context = report->context;
	const Visitor *visitor = &context->visitor;
	TimestampTz newest;
	int64		sessions = KnnItemSessions(ContextKnn(context), report->itemKey, &newest);
	bool		ofSession = false;

	for (int i = 0; i < visitor->itemCount; i++)
		ofSession |= visitor->items[i] == report->itemKey;
	if (ofSession)
	{
		report->against++;
		verdict->detail = "an item of the session at hand does not come back";
		verdict->fix = "allow_session_items => true";
	}
	else if (visitor->itemCount == 0)
	{
		verdict->detail = "nothing to go by: no item of the person is known";
		verdict->fix = "session_items => ARRAY[...], what the person looks at";
	}
	else if (sessions == 0)
		verdict->detail = "no session has it: nobody who allows recommendations has met it";
	else
		verdict->detail = psprintf(INT64_FORMAT " sessions have it, the newest of %s, but none like this one went to it",
								   sessions, EventTimeFormat(newest));
}

/* What the neighbours say. */
static void
TellNeighbours(Report *report)
{
	AdmissionVerdict verdict = {.gate = "neighbours"};
	KnnItem    *found;
	int			count = SourcesAskNeighbours(report->context, KNN_MAX_RESULTS, &found);

	for (int i = 0; i < count && !verdict.admits; i++)
	{
		if (found[i].itemKey != report->itemKey)
			continue;
		verdict.admits = true;
		verdict.detail = found[i].sessions == 0 ?
			psprintf("place %d of %d, score %.6g: through items that go with those of the session", i + 1, count, found[i].score) :
			psprintf("place %d of %d, score %.6g: %d sessions voted for it, the newest of %s", i + 1, count,
					 found[i].score, found[i].sessions, EventTimeFormat(found[i].newest));
	}
	if (!verdict.admits)
		TellNotFound(report, &verdict);
	AddRow(report, &verdict);
}

/* Fill a slate of so many items; the item's rank in it, 0 if it is not there. */
static int
FindRank(Report *report, int n, const Candidate **place,
		 void (*fill) (EngineContext *context, Slate *slate, const EngineRecipe *recipe))
{
	EngineContext *context = report->context;
	Slate	   *slate;

	context->n = n;
	KeySetInit(&context->shown, n);
	slate = SlateBegin(context);
	fill(context, slate, RecommendRecipe());
	for (int i = 0; i < slate->takenCount; i++)
	{
		*place = &slate->taken[i];
		if ((*place)->itemKey == report->itemKey)
			return i + 1;
	}
	return 0;
}

/* What has the place that an item would have by its score. */
static void
TellDisplaced(const EngineContext *context, int rank, AdmissionVerdict *verdict)
{
	if (DiversityIsOn(context))
	{
		verdict->detail = psprintf("by score it has rank %d, but not with the diversity and caps of variant %s", rank,
								   quote_literal_cstr(context->variant->name));
		verdict->fix = "a variant without them";
	}
	else if (RuleCount(context, RULE_SLOTS) + RuleCount(context, RULE_PIN) > 0)
		verdict->detail = psprintf("by score it has rank %d; rules or new items have its place", rank);
	else
	{
		verdict->detail = psprintf("its place, rank %d, is given to a new item", rank);
		verdict->fix = "a variant with exploration 0";
	}
}

/* The rank it would have by score, if no condition were against it. */
static void
TellRankByScore(Report *report, int n, AdmissionVerdict *verdict)
{
	EngineContext *context = report->context;
	const Candidate *place;
	int			rank;

	context->hasExempt = true;
	context->exemptKey = report->itemKey;
	rank = FindRank(report, ENGINE_MAX_ITEMS, &place, EngineFillByScore);
	if (rank == 0)
		verdict->detail = psprintf("no source proposes it among the first %d", ENGINE_MAX_ITEMS);
	else if (report->against > 0)
		verdict->detail = psprintf("but for the above it would have rank %d, reason %s", rank, place->reason->name);
	else if (rank > n)
	{
		verdict->detail = psprintf("it has rank %d, reason %s; n = %d ends before it", rank, place->reason->name, n);
		verdict->fix = psprintf("n => %d", rank);
	}
	else
		TellDisplaced(context, rank, verdict);
}

/* The rank it has, or would have. */
static void
TellRank(Report *report)
{
	int			n = report->context->n;
	AdmissionVerdict verdict = {.gate = "rank"};
	const Candidate *place;
	int			rank = FindRank(report, n, &place, EngineFill);

	verdict.admits = rank > 0;
	if (rank > 0)
		verdict.detail = psprintf("rank %d of n = %d, reason %s", rank, n, place->reason->name);
	else
		TellRankByScore(report, n, &verdict);
	AddRow(report, &verdict);
}

/* Give all rows. */
static void
TellAll(Report *report)
{
	TellKnown(report);
	TellCatalogue(report);
	TellConditions(report, ADMISSION_OF_SHOP);
	TellConditions(report, ADMISSION_OF_PERSON);
	TellConsent(report);
	TellConditions(report, ADMISSION_OF_CALL);
	TellNeighbours(report);
	TellRank(report);
}

/*
 * why_not(user_id, item_id, n, filter, candidates, exclude, exclude_seen, session_items, as_of,
 * allow_session_items, exclude_bought, variant)
 */
Datum
personalize_why_not(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, RECOMMEND_ARGUMENTS + 1);
	const EngineRecipe *recipe = RecommendRecipe();
	Report		report = {.output = (ReturnSetInfo *) fcinfo->resultinfo};
	int			to = 0;

	InitFunctionCallInfoData(*call, fcinfo->flinfo, RECOMMEND_ARGUMENTS + 1, fcinfo->fncollation, fcinfo->context,
							 fcinfo->resultinfo);
	/* recommend() would look for a default of its own */
	ArgumentCheckGiven(fcinfo, 2, "n");
	call->args[ARGUMENT_ITEM].value = PointerGetDatum(KeyCheckId(fcinfo->args[1].value, PG_ARGISNULL(1), "item_id"));
	call->args[ARGUMENT_ITEM].isnull = false;
	for (int from = 0; from < PG_NARGS(); from++)
	{
		if (from == 1)
			continue;
		if (to == RECOMMEND_EXPLAIN)
			call->args[to++] = (NullableDatum) {.isnull = true};
		call->args[to++] = fcinfo->args[from];
	}
	report.context = EnginePrepare(call, recipe);
	report.itemKey = ContextGetItemKey(report.context, ARGUMENT_ITEM);
	TellAll(&report);
	ContextEnd(report.context);
	return (Datum) 0;
}
