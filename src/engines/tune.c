/*
 * tune.c
 *		tune_neighbours(): parameters of the neighbour score that suit this shop.
 *
 * The search is a coordinate-wise climb over a fixed ladder of values per
 * parameter, starting at the parameters in use.  It sees every other held-out
 * session only; the rest decide whether what was found is really better.
 */
#include "postgres.h"

#include <math.h>

#include "base/argument.h"
#include "base/json_build.h"
#include "base/progress.h"
#include "base/spi_util.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "engines/registry.h"
#include "engines/sources.h"
#include "engines/variant.h"
#include "fmgr.h"
#include "funcapi.h"
#include "neighbours/tune_trial.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_tune_neighbours);

/* Below this nothing can be said. */
#define MIN_PREDICTIONS 100

/* A step must gain this much, or it follows noise. */
#define LEAST_GAIN 0.001

/* Parameters are exchanged for this much on the half that the search has not seen. */
#define WORTH_A_CHANGE 0.02

/* The most rounds over all parameters. */
#define MAX_ROUNDS 4

/* A parameter and the values it may take; the nearest is where the search starts. */
typedef struct TuneLadder
{
	const char *name;			/* of the parameter */
	int			steps;
	double		values[9];
} TuneLadder;

static const TuneLadder ladders[] = {
	{"repeat_weight", 7, {0, 0.3, 0.6, 0.9, 1.25, 1.8, 2.5}},
	{"next_weight", 7, {0, 0.3, 0.6, 1, 1.5, 2.2, 3}},
	{"next_prior", 5, {3, 6, 12, 24, 48}},
	{"recent_decay", 6, {2, 3, 4, 6, 9, 14}},
	{"overlap_power", 6, {1, 1.5, 2, 2.5, 3, 4}},
	{"trend_power", 6, {0, 0.1, 0.2, 0.3, 0.4, 0.6}}
};

/* What is gained from one quality to another: in rank and in hits, both relative. */
static double
Gain(TuneQuality from, TuneQuality to)
{
	double		mrr = from.mrr > 0 ? to.mrr / from.mrr - 1 : to.mrr;
	double		hr = from.hr > 0 ? to.hr / from.hr - 1 : to.hr;

	return mrr + hr;
}

/* The parameter of a ladder. */
static const KnnParamInfo *
LadderInfo(const TuneLadder *ladder)
{
	for (int i = 0; i < KNN_PARAM_COUNT; i++)
		if (strcmp(knnParamInfo[i].name, ladder->name) == 0)
			return &knnParamInfo[i];
	elog(ERROR, "no parameter is called %s", ladder->name);
}

/* Set a parameter to a step of its ladder. */
static void
SetStep(KnnParams *params, const TuneLadder *ladder, int step)
{
	KnnParamSet(params, LadderInfo(ladder), ladder->values[step]);
}

/* The value of a parameter. */
static double
GetValue(const KnnParams *params, const TuneLadder *ladder)
{
	return KnnParamGet(params, LadderInfo(ladder));
}

/* The step of the ladder nearest to a parameter's value. */
static int
NearestStep(const KnnParams *params, const TuneLadder *ladder)
{
	double		value = GetValue(params, ladder);
	int			nearest = 0;

	for (int i = 1; i < ladder->steps; i++)
		if (fabs(ladder->values[i] - value) < fabs(ladder->values[nearest] - value))
			nearest = i;
	return nearest;
}

/* A search. */
typedef struct Search
{
	TuneTrial  *trial;
	int			maxPredictions;
	TuneQuality start;
	KnnParams	best;
	TuneQuality quality;		/* of the best */
} Search;

/* How well a setting does. */
static TuneQuality
Try(Search *search, const KnnParams *params)
{
	ProgressAdd(1);
	return TuneTrialEvaluate(search->trial, params, 0, search->maxPredictions);
}

/* Climb one ladder in both directions; true if something was gained. */
static bool
ClimbLadder(Search *search, const TuneLadder *ladder)
{
	int			from = NearestStep(&search->best, ladder);
	bool		gained = false;

	for (int direction = -1; direction <= 1 && !gained; direction += 2)
	{
		for (int step = from + direction; step >= 0 && step < ladder->steps; step += direction)
		{
			KnnParams	params = search->best;
			TuneQuality quality;

			SetStep(&params, ladder, step);
			quality = Try(search, &params);
			if (Gain(search->start, quality) < Gain(search->start, search->quality) + LEAST_GAIN)
				break;
			search->best = params;
			search->quality = quality;
			gained = true;
		}
	}
	return gained;
}

/* Look for better parameters than these. */
static void
SearchParams(TuneTrial *trial, int maxPredictions, KnnParams *params)
{
	Search		search = {.trial = trial,.maxPredictions = maxPredictions,.best = *params};

	search.start = search.quality = Try(&search, params);
	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		bool		gained = false;

		for (int i = 0; i < lengthof(ladders); i++)
			gained |= ClimbLadder(&search, &ladders[i]);
		if (!gained)
			break;
	}
	*params = search.best;
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
}

/* The tuned parameters as a JSON object. */
static Jsonb *
FormatParams(const KnnParams *params)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(ladders); i++)
		JsonPushDigits(&state, ladders[i].name, psprintf("%g", GetValue(params, &ladders[i])));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Make a variant of recommend() of them, and that the default. */
static void
PublishParams(const KnnParams *params)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {JSONBOID};
	Datum		values[] = {JsonbPGetDatum(FormatParams(params))};

	SpiUtilRunAsOwner(&plan, "SELECT personalize_internal._publish_parameters('recommend', $1)",
					  lengthof(types), types, values, NULL, false);
}

/* Put one row of the report. */
static void
PutRow(ReturnSetInfo *output, const char *setting, TuneQuality quality, bool inUse,
	   const KnnParams *params)
{
	Datum		values[6] = {
		CStringGetTextDatum(setting),
		Int64GetDatum(quality.predictions),
		Float8GetDatum(quality.mrr),
		Float8GetDatum(quality.hr),
		BoolGetDatum(inUse),
		JsonbPGetDatum(FormatParams(params))
	};
	bool		nulls[6] = {false};

	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* Take the arguments, or complain. */
static int
CheckPredictions(FunctionCallInfo fcinfo)
{
	int			maxPredictions;

	ArgumentCheckGiven(fcinfo, 1, "max_predictions");
	maxPredictions = PG_GETARG_INT32(1);
	if (maxPredictions < MIN_PREDICTIONS || maxPredictions > 1000000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_predictions \"%d\" is not between %d and 1000000", maxPredictions, MIN_PREDICTIONS)));
	return maxPredictions;
}

/* tune_neighbours(apply, max_predictions) */
Datum
personalize_tune_neighbours(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		apply = !PG_ARGISNULL(0) && PG_GETARG_BOOL(0);
	int			maxPredictions = CheckPredictions(fcinfo);
	TuneTrial  *trial;
	KnnParams	current;
	KnnParams	best;
	TuneQuality currentQuality;
	TuneQuality bestQuality;
	bool		better;

	InitMaterializedSRF(fcinfo, 0);
	SourcesKnnParams(VariantFind(RegistryFind("recommend", false), NULL), &current);
	/* what is tried depends on what is found: about two steps of each ladder a round */
	ProgressBegin("tune_neighbours", "trials", 1 + MAX_ROUNDS * 2 * lengthof(ladders));
	trial = TuneTrialLoad(GetActiveSnapshot(), maxPredictions);
	currentQuality = TuneTrialEvaluate(trial, &current, 1, maxPredictions);
	if (currentQuality.predictions < MIN_PREDICTIONS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are too few sessions to tune with"),
				 errdetail("The newest fifth of the sessions allows " INT64_FORMAT
						   " predictions to judge by, at least %d are needed.",
						   currentQuality.predictions, MIN_PREDICTIONS)));
	best = current;
	SearchParams(trial, maxPredictions, &best);
	bestQuality = TuneTrialEvaluate(trial, &best, 1, maxPredictions);
	better = Gain(currentQuality, bestQuality) >= WORTH_A_CHANGE;
	if (apply && better)
		PublishParams(&best);
	PutRow(output, "current", currentQuality, !(apply && better), &current);
	PutRow(output, "best", bestQuality, apply && better, &best);
	return (Datum) 0;
}
