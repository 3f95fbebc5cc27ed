/*
 * tune_trial.h
 *		The newest sessions, foretold from the older ones.
 */
#ifndef PERSONALIZE_TUNE_TRIAL_H
#define PERSONALIZE_TUNE_TRIAL_H

#include "postgres.h"

#include "neighbours/knn_param.h"
#include "utils/snapshot.h"

/* How well parameters foretell. */
typedef struct TuneQuality
{
	int64		predictions;
	double		mrr;
	double		hr;
} TuneQuality;

typedef struct TuneTrial TuneTrial;

/* Read sessions and events; enough are held out for so many predictions in each half. */
extern TuneTrial *TuneTrialLoad(Snapshot snapshot, int maxPredictions);

/* How well parameters foretell one half (0 or 1) of the held-out sessions. */
extern TuneQuality TuneTrialEvaluate(TuneTrial *trial, const KnnParams *params,
									 int half, int maxPredictions);

#endif
