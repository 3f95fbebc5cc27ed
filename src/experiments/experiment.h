/*
 * experiment.h
 *		Experiments: which variant an engine answers a person with.
 */
#ifndef PERSONALIZE_EXPERIMENT_H
#define PERSONALIZE_EXPERIMENT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "experiments/assignment.h"

/* As many variants an experiment can have. */
#define EXPERIMENT_MAX_VARIANTS 16

/* A span of time in which an experiment ran. */
typedef struct ExperimentRun
{
	TimestampTz since;
	TimestampTz until;
} ExperimentRun;

typedef struct Experiment
{
	char	   *name;
	int			engine;			/* its number in the registry */
	int			code;			/* its code in request ids */
	char	   *layer;
	int64		layerSalt;		/* slots are drawn with it */
	int64		holdoutSalt;	/* of the layer */
	int64		salt;			/* variants are drawn with it */
	bool		stopped;
	char	   *segment;		/* whom it is for; NULL: everybody */
	int			runCount;
	ExperimentRun *runs;
	TimestampTz slotSince[ASSIGNMENT_SLOTS];	/* DT_NOEND: the slot is not the experiment's */
} Experiment;

/* A variant of an experiment; the first is the control. */
typedef struct ExperimentVariant
{
	char	   *experiment;
	int			ordinal;
	char	   *name;
	int16		id;				/* within the engine */
	double		share;
} ExperimentVariant;

/* Why somebody has a variant, or none. */
typedef enum ExperimentReason
{
	EXPERIMENT_ASSIGNED,
	EXPERIMENT_FORCED,
	EXPERIMENT_NOT_RUNNING,
	EXPERIMENT_NO_CONSENT,
	EXPERIMENT_NOT_IN_SEGMENT,
	EXPERIMENT_HOLDOUT,
	EXPERIMENT_OUTSIDE
} ExperimentReason;

/* An experiment by its name; an error that lists them. */
extern const Experiment *ExperimentFind(const char *name);

/* True if an experiment runs at a time. */
extern bool ExperimentIsRunning(const Experiment *experiment, TimestampTz at);

/*
 * The variant of a unit whenever the experiment runs, whatever it allows, and since when it
 * takes part; NULL: it does not.
 */
extern const ExperimentVariant *ExperimentPlace(const Experiment *experiment, int64 unit, TimestampTz *since);

/* The variant that somebody is forced to; NULL: none. */
extern const ExperimentVariant *ExperimentForced(const Experiment *experiment, int64 userKey);

/* Complain unless an experiment has a variant of this name. */
extern void ExperimentCheckVariant(const Experiment *experiment, const char *name);

/* Called once when the library is loaded, after the engines. */
extern void ExperimentInit(void);

#endif
