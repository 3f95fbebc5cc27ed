/*
 * feature_evaluate.h
 *		What features are worth for somebody at a time.
 */
#ifndef PERSONALIZE_FEATURE_EVALUATE_H
#define PERSONALIZE_FEATURE_EVALUATE_H

#include "postgres.h"

#include "features/feature_counter.h"
#include "items/item.h"
#include "profiles/profile.h"
#include "profiles/profile_step.h"
#include "signals/signal.h"
#include "utils/jsonb.h"

/* What features are computed from.  What a view does not need may be missing. */
typedef struct FeatureContext
{
	const SignalSet *signals;
	int32		purposes;		/* what was collected for one of these is shown */
	int32		restricted;		/* and nothing that needs one of these */
	TimestampTz now;
	Snapshot	snapshot;

	const FeatureState *state;	/* of a person; NULL: none; FeatureContextSetState */
	int			featureCount;
	Feature    *features;		/* of the state, by key; of a signal, its different values last */
	const ProfileSteps *steps;	/* NULL: none */
	const FeatureCounters *counters;	/* of what is not a person; NULL: none */
	Jsonb	   *item;			/* its catalogue row; NULL: none */
	Jsonb	   *request;		/* NULL: none */
	bool		explains;		/* panes are counted */
} FeatureContext;

/* Why a value is what it is, as explain_features() calls it. */
typedef enum FeatureStatus
{
	FEATURE_PRESENT,
	FEATURE_NOTHING,			/* nothing has happened, or nothing is given */
	FEATURE_EXPIRED,			/* longer ago than ttl */
	FEATURE_DENIED,				/* for the purpose in force */
	FEATURE_UNKNOWN				/* what it names is dropped or disabled */
} FeatureStatus;

/* A value, and what it was made of. */
typedef struct FeatureValue
{
	Datum		value;			/* of the node's type */
	bool		isNull;
	FeatureStatus status;
	int64		panes;			/* that hold them, if context->explains */
	int64		events;			/* that were counted */
	TimestampTz last;			/* the newest of them; DT_NOBEGIN: none */
	double		error;			/* the standard error of an estimate, as a part of it; 0: exact */
	int64		shortBy;		/* its period is at most so much shorter than it says; 0: it has none */
} FeatureValue;

/* Let a context have a state, unpacked in the current memory context; what it had is freed. */
extern void FeatureContextSetState(FeatureContext *context, const FeatureState *state);

/* What a part of an expression is worth. */
extern FeatureValue FeatureEvaluate(const FeatureView *view, const FeatureNode *node, const FeatureContext *context);

/* All features of a view as a JSON object. */
extern Jsonb *FeatureEvaluateJson(const FeatureView *view, const FeatureContext *context);

/* All features of a view by their place. */
extern void FeatureEvaluateAll(const FeatureView *view, const FeatureContext *context, Datum *values, bool *nulls);

/* A value as JSON. */
extern JsonbValue FeatureValueJson(FeatureType type, const FeatureValue *value);

/* The signal, enabled, or the segment of a part; NULL if it is gone. */
extern const Signal *FeatureSignal(const FeatureNode *node, const SignalSet *signals);
extern const struct Segment *FeatureSegment(const FeatureNode *node);

#endif
