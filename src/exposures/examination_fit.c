/*
 * examination_fit.c
 *		fit_examination(): how likely places are looked at, from the shop's own pages.
 *
 * A click model: an item is clicked if it is looked at and attracts; it attracts with a
 * probability that belongs to query and item, and is looked at with one that belongs to
 * its place (position-based model: Craswell, Zoeter, Taylor and Ramsey, "An experimental
 * comparison of click position-bias models", WSDM 2008), or to its place and that of the
 * last click above it (user browsing model: Dupret and Piwowarski, "A user browsing model
 * to predict search engine click data from past observations", SIGIR 2008).  Neither is
 * seen, so both are found by expectation maximisation (Chuklin, Markov and de Rijke,
 * "Click Models for Web Search", 2015, sections 4.1.2 and 4.2.2).
 *
 * Only how often each item of a query was shown and clicked at each place, after each last
 * click, matters: integers, read in the order of their keys, so that the same pages give
 * the same to the last bit.
 */
#include "postgres.h"

#include "base/grow.h"
#include "exposures/examination.h"

#include <math.h>

#include "base/argument.h"
#include "base/choice.h"
#include "base/progress.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_row.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_fit_examination);

/* Below this nothing can be said. */
#define MIN_CLICKS 500

/* So many counts are read at most, 64 MB: of very many, those of some queries, by their keys' order, which is chance. */
#define MAX_COUNTS 4000000
#define FETCH_ROWS 10000

/* It ends after so many rounds, or when no place changes by more. */
#define MAX_ROUNDS 50
#define LEAST_CHANGE 0.0001

/* What is believed at first counts as so many impressions: of an item, of a place. */
#define ITEM_PRIOR 2
#define PLACE_PRIOR 20

/* Places, and those of the last click above; the latter are numbers from 0. */
#define AFTER_CLICKS EXAMINATION_PLACES
#define PLACE_CELLS ((EXAMINATION_PLACES + 1) * AFTER_CLICKS)

/* How often an item of a query was shown, and clicked, at a place after a last click. */
typedef struct PlaceCount
{
	int32		pair;			/* query and item, numbered as they come */
	int16		cell;
	int32		shown;
	int32		clicked;
} PlaceCount;

/* What is being fitted. */
typedef struct Fit
{
	bool		browsing;
	int			count;
	int			capacity;
	PlaceCount *counts;			/* by pair */
	int			pairCount;
	double	   *attracts;		/* of each pair */
	double		meanAttraction;
	double		looked[PLACE_CELLS];
	int64		shown[PLACE_CELLS];
	int64		clicked[PLACE_CELLS];
	int64		impressions;
	int64		clicks;
	int			rounds;
} Fit;

/*
 * Of pages tracked with a query the items, each with whether it was clicked and the last
 * click above it.  Whoever has restricted the use of their data is left out.
 */
#define COUNT_SQL \
	"SELECT c.query_key, c.item_key, c.slot, c.after_click, count(*), count(*) FILTER (WHERE c.clicked)" \
	" FROM (SELECT e.query_key, e.item_key, e.slot, e.clicked, CASE WHEN $2 THEN coalesce(max(e.slot) FILTER (WHERE e.clicked)" \
	"   OVER (PARTITION BY e.user_key, e.request_key ORDER BY e.slot RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) ELSE 0 END AS after_click" \
	"  FROM (SELECT s.*, EXISTS (SELECT FROM personalize.exposure_outcome AS o WHERE o.user_key = s.user_key" \
	"    AND o.attributed_to = s.request_key AND o.item_key = s.item_key AND o.event NOT IN ($5, $6)) AS clicked" \
	"   FROM personalize.exposure AS s WHERE s.query_key <> 0 AND s.slot BETWEEN 1 AND $3 AND s.shown_at >= $1 AND s.shown_at < now()" \
	"    AND NOT EXISTS (SELECT FROM personalize.subject AS p WHERE p.user_key = s.user_key AND p.restricted & $4 <> 0)) AS e) AS c" \
	" GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"

/* Note how often an item was shown and clicked at a place. */
static void
AddCount(Fit *fit, bool isSamePair, int place, int afterClick, int64 shown, int64 clicked)
{
	int			cell = place * AFTER_CLICKS + afterClick;

	GrowArray(fit->counts, fit->count + 1, fit->capacity, 1024);
	fit->pairCount += !isSamePair;
	fit->counts[fit->count++] = (PlaceCount) {fit->pairCount - 1, cell, Min(shown, PG_INT32_MAX), Min(clicked, PG_INT32_MAX)};
	fit->shown[cell] += shown;
	fit->clicked[cell] += clicked;
	fit->impressions += shown;
	fit->clicks += clicked;
}

/* Take in the rows that were fetched; pair is that of the last one. */
static void
TakeRows(Fit *fit, MemoryContext context, int64 pair[2])
{
	MemoryContext caller = MemoryContextSwitchTo(context);

	for (uint64 row = 0; row < SPI_processed && fit->count < MAX_COUNTS; row++)
	{
		bool		isNull;
		int64		query = DatumGetInt64(SpiUtilValue(row, 1, &isNull));
		int64		item = DatumGetInt64(SpiUtilValue(row, 2, &isNull));

		AddCount(fit, fit->count > 0 && query == pair[0] && item == pair[1],
				 DatumGetInt16(SpiUtilValue(row, 3, &isNull)), DatumGetInt32(SpiUtilValue(row, 4, &isNull)),
				 DatumGetInt64(SpiUtilValue(row, 5, &isNull)), DatumGetInt64(SpiUtilValue(row, 6, &isNull)));
		pair[0] = query;
		pair[1] = item;
	}
	MemoryContextSwitchTo(caller);
}

/* Read what was shown and clicked. */
static void
ReadCounts(Fit *fit, TimestampTz since)
{
	Oid			types[] = {TIMESTAMPTZOID, BOOLOID, INT4OID, INT4OID, INT4OID, INT4OID};
	Datum		values[] = {
		TimestampTzGetDatum(since), BoolGetDatum(fit->browsing), Int32GetDatum(EXAMINATION_PLACES),
		Int32GetDatum(PURPOSE_ANALYTICS), Int32GetDatum(EVENT_TYPE_ADD_TO_CART), Int32GetDatum(EVENT_TYPE_PURCHASE)
	};
	MemoryContext context = CurrentMemoryContext;
	int64		pair[2] = {0, 0};
	SpiUtilScope scope;
	Portal		portal;

	SpiUtilBegin(&scope);
	portal = SPI_cursor_open_with_args(NULL, COUNT_SQL, lengthof(types), types, values, NULL, true, 0);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		TakeRows(fit, context, pair);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0 && fit->count < MAX_COUNTS);
	SPI_cursor_close(portal);
	SpiUtilEnd(&scope);
}

/* What is believed of a place at first. */
static double
PlacePrior(int cell)
{
	return ExaminationShipped(cell / AFTER_CLICKS - cell % AFTER_CLICKS);
}

/* Begin with what is believed at first. */
static void
BeginFit(Fit *fit)
{
	fit->attracts = palloc_extended(sizeof(double) * fit->pairCount, MCXT_ALLOC_HUGE);
	fit->meanAttraction = Min((double) fit->clicks / fit->impressions, 0.5);
	for (int i = 0; i < fit->pairCount; i++)
		fit->attracts[i] = fit->meanAttraction;
	for (int cell = 0; cell < PLACE_CELLS; cell++)
		fit->looked[cell] = PlacePrior(cell);
}

/* Set how likely places are looked at to what a round has found; returns the largest change. */
static double
SetPlaces(Fit *fit, const double *looked)
{
	double		change = 0;

	for (int cell = 0; cell < PLACE_CELLS; cell++)
	{
		double		found = (looked[cell] + PLACE_PRIOR * PlacePrior(cell)) / (fit->shown[cell] + PLACE_PRIOR);

		if (fit->shown[cell] > 0)
			change = Max(change, fabs(found - fit->looked[cell]));
		fit->looked[cell] = found;
	}
	return change;
}

/*
 * A round: of each impression how likely it attracted and was looked at, given whether it
 * was clicked; and the probabilities that make these likeliest.
 */
static double
RunRound(Fit *fit)
{
	double		looked[PLACE_CELLS] = {0};
	double		attracted = 0;
	int			end;

	for (int start = 0; start < fit->count; start = end)
	{
		int			pair = fit->counts[start].pair;
		double		attracts = fit->attracts[pair];
		double		sum = 0;
		double		shown = 0;

		for (end = start; end < fit->count && fit->counts[end].pair == pair; end++)
		{
			const PlaceCount *count = &fit->counts[end];
			double		looks = fit->looked[count->cell];
			double		missed = (count->shown - count->clicked) / (1 - attracts * looks);

			sum += count->clicked + missed * attracts * (1 - looks);
			looked[count->cell] += count->clicked + missed * looks * (1 - attracts);
			shown += count->shown;
		}
		fit->attracts[pair] = (sum + ITEM_PRIOR * fit->meanAttraction) / (shown + ITEM_PRIOR);
		attracted += sum;
	}
	fit->meanAttraction = Min(attracted / fit->impressions, 0.5);
	return SetPlaces(fit, looked);
}

/* Two to the mean surprise of what was clicked and what was not, in bits. */
static double
Perplexity(const Fit *fit)
{
	double		bits = 0;

	for (int i = 0; i < fit->count; i++)
	{
		const PlaceCount *count = &fit->counts[i];
		double		clicks = fit->attracts[count->pair] * fit->looked[count->cell];

		clicks = Min(Max(clicks, 1e-9), 1 - 1e-9);
		bits -= count->clicked * log2(clicks) + (count->shown - count->clicked) * log2(1 - clicks);
	}
	return exp2(bits / fit->impressions);
}

/*
 * Lock the findings: against another fit, and against whoever is taken out of the pages
 * until these are in force, for they are counted in what is there (exposure_store.c).
 */
static void
LockPlaces(void)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilCommand("LOCK TABLE personalize.examination IN SHARE ROW EXCLUSIVE MODE");
	SpiUtilEnd(&scope);
}

/* Put the findings in the place of those there were; as parts of that of the first place. */
static void
StorePlaces(const Fit *fit, const char *model, TimestampTz since)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT2OID, TEXTOID, INT8OID, INT8OID, FLOAT8OID, TIMESTAMPTZOID};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilCommand("DELETE FROM personalize.examination");
	for (int cell = 0; fit != NULL && cell < PLACE_CELLS; cell++)
	{
		Datum		values[] = {
			Int16GetDatum(cell / AFTER_CLICKS), Int16GetDatum(fit->browsing ? cell % AFTER_CLICKS : -1),
			CStringGetTextDatum(model), Int64GetDatum(fit->shown[cell]), Int64GetDatum(fit->clicked[cell]),
			Float8GetDatum(fit->looked[cell] / fit->looked[AFTER_CLICKS]), TimestampTzGetDatum(since)
		};

		if (fit->shown[cell] > 0)
			SpiUtilRun(&plan, "INSERT INTO personalize.examination (place, after_click, model, shown, clicked, looked_at, since)"
					   " VALUES ($1, $2, $3, $4, $5, $6, $7)", lengthof(types), types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
}

/* Fit. */
static void
RunFit(Fit *fit, TimestampTz since)
{
	ProgressBegin("fit_examination", "rounds", MAX_ROUNDS);
	PushActiveSnapshot(GetLatestSnapshot());
	ReadCounts(fit, since);
	PopActiveSnapshot();
	if (fit->clicks < MIN_CLICKS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pages of search results with " INT64_FORMAT " clicks are too few to learn from", fit->clicks),
				 errdetail("At least %d clicks are needed.", MIN_CLICKS),
				 errhint("Track pages by track_impressions() with a query, and what is clicked; see docs/search.md.")));
	BeginFit(fit);
	while (fit->rounds < MAX_ROUNDS)
	{
		CHECK_FOR_INTERRUPTS();
		fit->rounds++;
		ProgressAdd(1);
		if (RunRound(fit) < LEAST_CHANGE)
			break;
	}
}

/* fit_examination(model, since) */
Datum
personalize_fit_examination(PG_FUNCTION_ARGS)
{
	static const char *const models[] = {"browsing", "position", "shipped"};
	const char *model;
	TimestampTz since = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	int			number;
	Fit		   *fit = palloc0(sizeof(Fit));
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};
	TupleDesc	descriptor;

	ArgumentCheckGiven(fcinfo, 0, "model");
	model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	number = ChoiceFind(model, models, lengthof(models));
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("click model \"%s\" does not exist", model),
				 errhint("%s", ChoiceHint(model, "click models", models, lengthof(models)))));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a row is expected");
	LockPlaces();
	if (number < 2)
	{
		fit->browsing = number == 0;
		RunFit(fit, since);
		values[0] = Int64GetDatum(fit->impressions);
		values[1] = Int64GetDatum(fit->clicks);
		values[2] = Int32GetDatum(fit->rounds);
		values[3] = Float8GetDatum(Perplexity(fit));
		memset(nulls, 0, sizeof(nulls));
	}
	StorePlaces(number < 2 ? fit : NULL, model, since);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
