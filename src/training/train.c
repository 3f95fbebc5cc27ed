/*
 * train.c
 *		train_ranker(): a ranker that is learnt from logged pages, if it is not worse.
 *
 * The newest fifth of the pages is held out: it judges what the others have taught, and by which
 * method they teach more, if none is named.  What is in force is looked up when the models are
 * locked, so that of two trainings at once the second is judged against what the first has
 * published.
 */
#include "postgres.h"

#include <math.h>

#include "base/argument.h"
#include "base/choice.h"
#include "base/json_build.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "models/model.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "training/training.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(personalize_train_ranker);
PG_FUNCTION_INFO_V1(personalize_ranker_model);

/* So few pages teach nothing. */
#define MIN_PAGES 50

/* The part of them, the newest, that judges. */
#define HELD_OUT 0.2

/* The steps for each method after the pages are filled, for those who look how far it is. */
#define METHOD_STEPS 2

/* Arguments. */
enum
{
	ARGUMENT_VARIANT,
	ARGUMENT_SINCE,
	ARGUMENT_UNTIL,
	ARGUMENT_METHOD,
	ARGUMENT_ENGINE,
	ARGUMENT_PENALTY,
	ARGUMENT_MIN_PROPENSITY,
	ARGUMENT_MAX_PAGES,
	ARGUMENT_FORCE
};

/* How weights are found: each of them is tried, and the best one taken, or one alone. */
enum
{
	METHOD_BEST,
	METHOD_LOGISTIC,
	METHOD_PAIRWISE
};

static const char *const methods[] = {"best", "logistic", "pairwise"};

/* One training. */
typedef struct Training
{
	const Variant *variant;
	int			asked;			/* the method: METHOD_BEST or another one */
	int			method;			/* by which the model was learnt */
	RankerOptions options;
	bool		force;			/* it is published even if it loses */
	PageLog    *log;
	int			taught;			/* pages that teach; the others judge */
	LinearModel *model;
	double		inForce;		/* mean NDCG on the others, by what the variant answers with now, */
	double		trained;		/* and by the model */
	double		error;			/* standard error of the difference */
	int			version;		/* published; 0: it was not */
} Training;

/* The variant that is trained. */
static const Variant *
GetVariant(int engine, const char *name)
{
	const char *engineName = RegistryGet(engine)->name;
	const char *other = TrainingRetrieves(engine) ? "rank_search" : "search_items";
	const Variant *variant;

	if (!VariantExists(engine, name) && VariantExists(RegistryFind(other, false), name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("variant \"%s\" of engine \"%s\" does not exist", name, engineName),
				 errhint("Engine \"%s\" has one of this name: engine => '%s'.", other, other)));
	variant = VariantFind(engine, name);
	if (variant->id == VARIANT_SHIPPED_ID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("variant \"%s\" stays as it is shipped", name),
				 errhint("Make another one: SELECT personalize.create_variant('%s', 'learnt').", engineName)));
	if (SearchVariantModel(variant) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("variant \"%s\" takes its scores from model \"%s\"", name, SearchVariantModel(variant)),
				 errhint("Train a variant that names no model.")));
	return variant;
}

/* Read and check the arguments. */
static void
ReadArguments(FunctionCallInfo fcinfo, Training *training, PageLogQuery *query)
{
	const char *method;

	ArgumentCheckGiven(fcinfo, ARGUMENT_VARIANT, "variant");
	ArgumentCheckGiven(fcinfo, ARGUMENT_METHOD, "method");
	ArgumentCheckGiven(fcinfo, ARGUMENT_ENGINE, "engine");
	method = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_METHOD));
	training->asked = ChoiceFind(method, methods, lengthof(methods));
	if (training->asked < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown method \"%s\"", method),
				 errhint("%s", ChoiceHint(method, "methods", methods, lengthof(methods)))));
	training->variant = GetVariant(TrainingEngine(text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_ENGINE))),
								   text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_VARIANT)));
	TrainingSpan(fcinfo, ARGUMENT_SINCE, query);
	query->maxPages = TrainingMaxPages(fcinfo, ARGUMENT_MAX_PAGES);
	query->chosen = true;
	training->force = !PG_ARGISNULL(ARGUMENT_FORCE) && PG_GETARG_BOOL(ARGUMENT_FORCE);
	training->options = (RankerOptions) {
		.penalty = TrainingFraction(fcinfo, ARGUMENT_PENALTY, "penalty", 1e-6, 1e9),
		.minPropensity = TrainingFraction(fcinfo, ARGUMENT_MIN_PROPENSITY, "min_propensity", 0.001, 1)
	};
}

/* Complain if there is too little to learn from. */
static void
CheckPages(const PageLog *log)
{
	if (log->count < MIN_PAGES)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are too few pages to learn from"),
				 errdetail("Of this time there are %d pages, shown after a query to people who allow analytics, of which something was chosen; at least %d are needed.",
						   log->count, MIN_PAGES),
				 errhint("Track what search pages show with personalize.track_impressions(), with the query, and see that processor exposure has counted it.")));
}

/* The scores of the pages that judge, by the variant as it answers now. */
static double *
ScoreInForce(const Training *training, int64 rows, const double *first)
{
	double	   *scores = palloc_extended(sizeof(double) * Max(rows, 1), MCXT_ALLOC_HUGE);

	SearchScoreRows(training->variant, first, rows, scores);
	return scores;
}

/* The same by the model. */
static double *
ScoreTrained(const Training *training, int64 rows, const double *first)
{
	double	   *scores = palloc_extended(sizeof(double) * Max(rows, 1), MCXT_ALLOC_HUGE);

	for (int64 row = 0; row < rows; row++)
		scores[row] = LinearModelScore(training->model, first + row * SEARCH_FEATURE_COUNT, true);
	return scores;
}

/*
 * Let the newest pages judge, each as much as it counts; the error is that of a ratio of sums
 * (W. Cochran, "Sampling Techniques", 1977, section 2.11).  A page's rows are taken one by one, for
 * pages may have been left out.
 */
static void
Judge(Training *training)
{
	const PageLog *log = training->log;
	int			count = log->count - training->taught;
	double	   *weights = palloc_array(double, Max(count, 1));
	double	   *differences = palloc_array(double, Max(count, 1));
	double		squares = 0;
	double		sum = 0;

	training->inForce = training->trained = 0;
	for (int i = 0; i < count; i++)
	{
		const LoggedPage *logged = &log->pages[training->taught + i];
		double	   *inForce = ScoreInForce(training, logged->page.count, logged->rows);
		double	   *trained = ScoreTrained(training, logged->page.count, logged->rows);
		double		before;
		double		after;

		CHECK_FOR_INTERRUPTS();
		RankerJudge(logged, 1, &training->options, inForce, &before);
		RankerJudge(logged, 1, &training->options, trained, &after);
		weights[i] = RankerPageWeight(logged, &training->options);
		differences[i] = after - before;
		training->inForce += before * weights[i];
		training->trained += after * weights[i];
		sum += weights[i];
		pfree(inForce);
		pfree(trained);
	}
	if (sum == 0)
		return;
	training->inForce /= sum;
	training->trained /= sum;
	for (int i = 0; i < count; i++)
		squares += pow(weights[i] * (differences[i] - (training->trained - training->inForce)), 2);
	training->error = count > 1 ? sqrt(squares * count / (count - 1)) / sum : 0;
}

/* Learn by a method, unless another was asked for; what was learnt before stays if it is as good. */
static void
Try(Training *training, int method, const double *kept)
{
	Training	tried = *training;

	if (training->asked != METHOD_BEST && training->asked != method)
		return;
	tried.method = method;
	tried.options.pairwise = method == METHOD_PAIRWISE;
	tried.model = RankerFit(tried.log, tried.taught, &tried.options, kept);
	ProgressAdd(1);
	Judge(&tried);
	ProgressAdd(1);
	if (training->model == NULL || tried.trained > training->trained)
		*training = tried;
}

/* Learn from the older pages, and judge by the others. */
static void
Learn(Training *training)
{
	double		kept[SEARCH_FEATURE_COUNT];

	CheckPages(training->log);
	training->taught = training->log->count - (int) ceil(training->log->count * HELD_OUT);
	training->model = NULL;
	SearchWeightsOf(training->variant, kept);
	Try(training, METHOD_LOGISTIC, kept);
	Try(training, METHOD_PAIRWISE, kept);
}

/* Add a number as far as it is told. */
static void
PushNumber(JsonbParseState **state, const char *key, double value)
{
	JsonPushDigits(state, key, psprintf("%.15g", value));
}

/* The weights by name. */
static Jsonb *
FormatWeights(const LinearModel *model)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int f = 0; f < SEARCH_FEATURE_COUNT; f++)
		PushNumber(&state, SearchFeatureList[f].source.name, model->weights[f]);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* How it went, as the table keeps it. */
static Jsonb *
FormatTraining(const Training *training)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	JsonPushString(&state, "engine", RegistryGet(training->variant->engine)->name);
	JsonPushString(&state, "variant", training->variant->name);
	JsonPushString(&state, "method", methods[training->asked]);
	PushNumber(&state, "penalty", training->options.penalty);
	PushNumber(&state, "min_propensity", training->options.minPropensity);
	JsonPushNumber(&state, "pages", training->log->count);
	JsonPushNumber(&state, "items", training->log->rowCount);
	JsonPushNumber(&state, "held_out", training->log->count - training->taught);
	PushNumber(&state, "ndcg_in_force", training->inForce);
	PushNumber(&state, "ndcg_trained", training->trained);
	PushNumber(&state, "standard_error", training->error);
	PushNumber(&state, "intercept", training->model->intercept);
	JsonPushJsonb(&state, "weights", FormatWeights(training->model));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Put the model in use, unless it loses. */
static void
Publish(Training *training)
{
	const char *names[SEARCH_FEATURE_COUNT];
	ModelTrained trained = {
		.name = SearchModelName(training->variant),.format = methods[training->method],.linear = training->model,
		.features = names,.since = training->log->query.since,.until = training->log->query.until,
		.training = FormatTraining(training)
	};

	for (int f = 0; f < SEARCH_FEATURE_COUNT; f++)
		names[f] = SearchFeatureList[f].source.name;
	if (training->force || training->trained >= training->inForce)
		training->version = ModelKeep(&trained);
	else
		ereport(NOTICE,
				(errmsg("variant \"%s\" stays as it is: what was learnt loses %.4f of NDCG@10 on the newest %d pages, %.4f against %.4f",
						training->variant->name, training->inForce - training->trained,
						training->log->count - training->taught, training->trained, training->inForce)));
}

/* Return how it went. */
static void
PutRow(ReturnSetInfo *output, const Training *training)
{
	Datum		values[] = {
		BoolGetDatum(training->version > 0),
		Int32GetDatum(training->version),
		Int32GetDatum(training->taught),
		Int32GetDatum(training->log->count - training->taught),
		Float8GetDatum(training->inForce),
		Float8GetDatum(training->trained),
		Float8GetDatum(training->error),
		JsonbPGetDatum(FormatWeights(training->model)),
		CStringGetTextDatum(methods[training->method])
	};
	bool		nulls[lengthof(values)] = {false};

	nulls[1] = training->version == 0;
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* train_ranker(variant, since, until, method, engine, penalty, min_propensity, max_pages, force) */
Datum
personalize_train_ranker(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Training	training = {0};
	PageLogQuery query;

	PreventCommandDuringRecovery("train_ranker()");
	PreventCommandIfReadOnly("train_ranker()");
	PreventCommandIfParallelMode("train_ranker()");
	InitMaterializedSRF(fcinfo, 0);
	ReadArguments(fcinfo, &training, &query);
	training.log = PageLogRead(&query);
	CheckPages(training.log);
	ProgressBegin("train_ranker", "pages",
				  training.log->count + METHOD_STEPS * (training.asked == METHOD_BEST ? lengthof(methods) - 1 : 1));
	PageLogFill(training.log, training.variant, TrainingRetrieves(training.variant->engine));
	Learn(&training);
	ModelLock();
	/* who was forgotten meanwhile is not in it; and whoever has trained meanwhile is the one to beat */
	if (PageLogDropGone(training.log))
		Learn(&training);
	else
		Judge(&training);
	Publish(&training);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	PutRow(output, &training);
	return (Datum) 0;
}

/* _ranker_model(variant, engine): the name of its model. */
Datum
personalize_ranker_model(PG_FUNCTION_ARGS)
{
	ArgumentCheckGiven(fcinfo, 0, "variant");
	ArgumentCheckGiven(fcinfo, 1, "engine");
	PG_RETURN_TEXT_P(cstring_to_text(SearchModelName(GetVariant(TrainingEngine(text_to_cstring(PG_GETARG_TEXT_PP(1))),
																  text_to_cstring(PG_GETARG_TEXT_PP(0))))));
}
