/*
 * training_export.c
 *		export_training_data(): the rows that rankers are trained on, for those who train elsewhere.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/interval.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "exposures/examination.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "training/training.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_export_training_data);
PG_FUNCTION_INFO_V1(personalize_training_features);

/* Arguments. */
enum
{
	ARGUMENT_ENGINE,
	ARGUMENT_SINCE,
	ARGUMENT_UNTIL,
	ARGUMENT_VARIANT,
	ARGUMENT_MAX_PAGES
};

/* The features of a row as an array. */
static Datum
FeatureArray(const double *row)
{
	Datum		values[SEARCH_FEATURE_COUNT];

	for (int f = 0; f < SEARCH_FEATURE_COUNT; f++)
		values[f] = Float8GetDatum(row[f]);
	return PointerGetDatum(construct_array(values, SEARCH_FEATURE_COUNT, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Return the rows of a page. */
static void
PutPage(ReturnSetInfo *output, ItemReader *items, const LoggedPage *logged, int64 number)
{
	for (int i = 0; i < logged->page.count; i++)
	{
		text	   *id = ItemReaderId(items, logged->page.itemKeys[i]);
		Datum		values[] = {
			Int64GetDatum(number),
			DateADTGetDatum((DateADT) IntervalPeriods(logged->page.at, USECS_PER_DAY)),
			PointerGetDatum(id),
			Int64GetDatum(logged->page.itemKeys[i]),
			Int16GetDatum(logged->slots[i]),
			Int16GetDatum(logged->labels[i]),
			Float8GetDatum(ExaminationOf(ExaminationGet(), logged->slots[i])),
			FeatureArray(&logged->rows[(size_t) i * SEARCH_FEATURE_COUNT])
		};
		bool		nulls[lengthof(values)] = {false};

		nulls[2] = id == NULL;
		nulls[4] = logged->slots[i] == 0;
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
}

/* export_training_data(engine, since, until, variant, max_pages) */
Datum
personalize_export_training_data(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	PageLogQuery query = {.chosen = false};
	const Variant *variant;
	ItemReader *items;
	PageLog    *log;
	int			engine;

	ArgumentCheckGiven(fcinfo, ARGUMENT_ENGINE, "engine");
	engine = TrainingEngine(text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_ENGINE)));
	TrainingSpan(fcinfo, ARGUMENT_SINCE, &query);
	variant = VariantFind(engine, PG_ARGISNULL(ARGUMENT_VARIANT) ? NULL :
						  text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_VARIANT)));
	query.maxPages = TrainingMaxPages(fcinfo, ARGUMENT_MAX_PAGES);
	InitMaterializedSRF(fcinfo, 0);
	log = PageLogRead(&query);
	ProgressBegin("export_training_data", "pages", log->count);
	PageLogFill(log, variant, TrainingRetrieves(engine));
	items = ItemReaderBegin(GetActiveSnapshot());
	for (int i = 0; i < log->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		PutPage(output, items, &log->pages[i], i + 1);
	}
	ItemReaderEnd(items);
	return (Datum) 0;
}

/* training_features(engine) */
Datum
personalize_training_features(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;

	ArgumentCheckGiven(fcinfo, 0, "engine");
	(void) TrainingEngine(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int f = 0; f < SEARCH_FEATURE_COUNT; f++)
	{
		Datum		values[] = {
			Int32GetDatum(f + 1), CStringGetTextDatum(SearchFeatureList[f].source.name),
			CStringGetTextDatum(SearchFeatureList[f].description)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}
