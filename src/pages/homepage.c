/*
 * homepage.c
 *		homepage(): pages made of several answers; homepage_layout(): why they are so.
 */
#include "postgres.h"

#include "pages/homepage.h"

#include "base/argument.h"
#include "base/result_row.h"
#include "base/scratch.h"
#include "compat.h"
#include "engines/answer.h"
#include "engines/bought.h"
#include "engines/registry.h"
#include "engines/sources.h"
#include "engines/visitor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pages/page.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(personalize_homepage);
PG_FUNCTION_INFO_V1(personalize_homepage_layout);
PG_FUNCTION_INFO_V1(personalize_page_chances);

static const EngineParameters *const engineParameters[] = {
	&NeighbourParameters, &FavouriteParameters, &BoughtParameters, &PageParameters, NULL
};

static EngineRecipe homepage = {
	.name = "homepage",
	.code = HOMEPAGE_CODE,
	.arguments = {.n = 3,.filter = 4,.candidates = 5,.exclude = 6,.explain = 7,.asOf = 9,.variant = 10},
	.parameters = engineParameters,
	.preview = "SELECT item_id, reason FROM personalize.homepage($1, n => $2) ORDER BY shelf, rank"
};

/* The same but for explain. */
static const EngineArguments layoutArguments = {
	.n = 3,.filter = 4,.candidates = 5,.exclude = 6,.explain = -1,.asOf = 8,.variant = 9
};

/* Of _page_chances(). */
static const EngineArguments chanceArguments = {
	.n = 3,.filter = -1,.candidates = -1,.exclude = -1,.explain = -1,.asOf = 4,.variant = 5
};

/* Columns of homepage(). */
typedef enum PageColumn
{
	COLUMN_SHELF,
	COLUMN_MODULE,
	COLUMN_TITLE,
	COLUMN_RANK,
	COLUMN_ITEM_ID,
	COLUMN_ITEM_KEY,
	COLUMN_SCORE,
	COLUMN_REASON,
	COLUMN_VARIANT,
	COLUMN_REQUEST_ID,
	COLUMN_EXPLANATION
} PageColumn;
#define PAGE_COLUMNS (COLUMN_EXPLANATION + 1)

/* Columns of homepage_layout(). */
typedef enum LayoutColumn
{
	LAYOUT_SHELF,
	LAYOUT_MODULE,
	LAYOUT_PLACED,
	LAYOUT_DRAW,
	LAYOUT_MEAN,
	LAYOUT_LOW,
	LAYOUT_HIGH,
	LAYOUT_IMPRESSIONS,
	LAYOUT_CLICKS,
	LAYOUT_PROPENSITY,
	LAYOUT_FORCED,
	LAYOUT_STATE,
	LAYOUT_SEGMENT
} LayoutColumn;
#define LAYOUT_COLUMNS (LAYOUT_SEGMENT + 1)

/* Read the question. */
static EngineContext *
BeginCall(FunctionCallInfo fcinfo, const EngineArguments *arguments, int session)
{
	EngineContext *context = ContextBegin(fcinfo, homepage.id, arguments);

	context->origin.engine = homepage.code;
	VisitorLoad(context, 0, session);
	BoughtExclude(context, NULL);
	return context;
}

/* Read the question and make the page. */
static Homepage *
MakePage(FunctionCallInfo fcinfo, const EngineArguments *arguments, int session, bool keepsTrials)
{
	int			shelves;

	ArgumentCheckGiven(fcinfo, 1, "page");
	ArgumentCheckGiven(fcinfo, 2, "shelves");
	shelves = PG_GETARG_INT32(2);
	if (shelves < 1 || shelves > PAGE_MAX_SHELVES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("shelves \"%d\" is not between 1 and %d", shelves, PAGE_MAX_SHELVES)));
	return PageMake(BeginCall(fcinfo, arguments, session), PG_GETARG_TEXT_PP(1), shelves, keepsTrials);
}

/* Return the rows of a shelf. */
static void
ReturnShelf(Homepage *page, const PageShelf *shelf, ResultRows *rows)
{
	EngineContext *context = page->context;
	Datum		values[PAGE_COLUMNS];
	bool		nulls[PAGE_COLUMNS] = {false};

	PageEnterShelf(page, shelf);
	values[COLUMN_SHELF] = Int32GetDatum(shelf->place);
	values[COLUMN_MODULE] = PointerGetDatum(shelf->module->name);
	values[COLUMN_TITLE] = PointerGetDatum(shelf->title);
	values[COLUMN_VARIANT] = CStringGetTextDatum(context->variant->name);
	values[COLUMN_REQUEST_ID] = UUIDPGetDatum(AnswerRequestId(shelf->slate));
	nulls[COLUMN_EXPLANATION] = !context->explain && !context->stale;
	for (int i = 0; i < shelf->slate->takenCount; i++)
	{
		const Candidate *candidate = &shelf->slate->taken[i];
		text	   *id = ContextFindId(context, candidate->itemKey);

		values[COLUMN_RANK] = Int32GetDatum(i + 1);
		values[COLUMN_ITEM_ID] = PointerGetDatum(id);
		nulls[COLUMN_ITEM_ID] = id == NULL;
		values[COLUMN_ITEM_KEY] = Int64GetDatum(candidate->itemKey);
		values[COLUMN_SCORE] = Float8GetDatum(candidate->score);
		values[COLUMN_REASON] = PointerGetDatum(AnswerReason(context, candidate));
		if (!nulls[COLUMN_EXPLANATION])
			values[COLUMN_EXPLANATION] = AnswerExplanation(context, candidate);
		ResultRowsPut(rows, values, nulls);
	}
}

/* homepage(user_id, page, shelves, n, filter, candidates, exclude, explain, session_items, as_of, variant) */
Datum
personalize_homepage(PG_FUNCTION_ARGS)
{
	MemoryContext scratch = ScratchTake();
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	Homepage	   *page = MakePage(fcinfo, &homepage.arguments, 8, false);
	const Slate **slates = palloc_array(const Slate *, page->shelves);
	ResultRows	rows;

	ResultRowsBegin(&rows, (ReturnSetInfo *) fcinfo->resultinfo);
	for (int i = 0; i < page->shelfCount; i++)
	{
		ReturnShelf(page, &page->filled[i], &rows);
		slates[i] = page->filled[i].slate;
	}
	AnswerCount(page->context, homepage.id, slates, page->shelfCount);
	ContextEnd(page->context);
	MemoryContextSwitchTo(caller);
	ScratchGiveBack(scratch);
	return (Datum) 0;
}

/* Return a row of the layout. */
static void
ReturnTrial(ReturnSetInfo *output, const PageTrial *trial, const char *segment)
{
	bool		drawn = trial->shelf > 0;
	const char *state = trial->placed ? "placed" : trial->state != NULL ? trial->state : "outdone";
	Datum		values[LAYOUT_COLUMNS] = {0};
	bool		nulls[LAYOUT_COLUMNS] = {false};

	values[LAYOUT_SHELF] = Int32GetDatum(trial->shelf);
	values[LAYOUT_MODULE] = PointerGetDatum(trial->option->module->name);
	values[LAYOUT_PLACED] = BoolGetDatum(trial->placed);
	values[LAYOUT_DRAW] = Float8GetDatum(trial->draw);
	values[LAYOUT_MEAN] = Float8GetDatum(drawn ? PageOrderMean(trial->belief) : 0);
	values[LAYOUT_LOW] = Float8GetDatum(drawn ? PageOrderQuantile(trial->belief, 0.025) : 0);
	values[LAYOUT_HIGH] = Float8GetDatum(drawn ? PageOrderQuantile(trial->belief, 0.975) : 0);
	values[LAYOUT_IMPRESSIONS] = Int64GetDatum(trial->count.counted);
	values[LAYOUT_CLICKS] = Int64GetDatum(trial->count.countedClicks);
	values[LAYOUT_PROPENSITY] = Float8GetDatum(trial->propensity);
	for (int i = LAYOUT_DRAW; i <= LAYOUT_CLICKS; i++)
		nulls[i] = !drawn;
	nulls[LAYOUT_SHELF] = !drawn;
	nulls[LAYOUT_PROPENSITY] = !trial->placed;
	nulls[LAYOUT_FORCED] = trial->forced == NULL;
	if (trial->forced != NULL)
		values[LAYOUT_FORCED] = CStringGetTextDatum(trial->forced);
	values[LAYOUT_STATE] = CStringGetTextDatum(state);
	values[LAYOUT_SEGMENT] = CStringGetTextDatum(segment);
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* homepage_layout(user_id, page, shelves, n, filter, candidates, exclude, session_items, as_of, variant) */
Datum
personalize_homepage_layout(PG_FUNCTION_ARGS)
{
	Homepage	   *page = MakePage(fcinfo, &layoutArguments, 7, true);
	const char *segment = PageSegmentName(PG_GETARG_TEXT_PP(1), page->segment);

	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < page->trialCount; i++)
			if ((page->trials[i].shelf == 0) == (pass == 1))
				ReturnTrial((ReturnSetInfo *) fcinfo->resultinfo, &page->trials[i], segment);
	ContextEnd(page->context);
	return (Datum) 0;
}

/* Return the chance of a module. */
static void
ReturnChance(EngineContext *context, int shelf, int module, double chance, double untried)
{
	ReturnSetInfo *output = (ReturnSetInfo *) context->fcinfo->resultinfo;
	Datum		values[] = {Int32GetDatum(shelf), Int32GetDatum(module), Float8GetDatum(chance), Float8GetDatum(untried)};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* _page_chances(user_id, page, placed, n, as_of, variant) */
Datum
personalize_page_chances(PG_FUNCTION_ARGS)
{
	EngineContext *context = BeginCall(fcinfo, &chanceArguments, -1);
	ArrayType  *placed = PG_GETARG_ARRAYTYPE_P(2);
	int			shelves = ArrayGetNItems(ARR_NDIM(placed), ARR_DIMS(placed));

	if (ARR_HASNULL(placed) || shelves > PAGE_MAX_SHELVES)
		elog(ERROR, "a page has %d shelves, or one without a module", shelves);
	PageChances(context, PG_GETARG_TEXT_PP(1), (const int *) ARR_DATA_PTR(placed), shelves, ReturnChance);
	ContextEnd(context);
	return (Datum) 0;
}

/* Make the engine known. */
void
HomepageInit(void)
{
	EngineRegister(&homepage);
}
