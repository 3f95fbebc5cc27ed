/*
 * engine.h
 *		The frame of all engines: a recipe, and how it is followed.
 *
 * Sources propose candidates, cheap conditions admit them, features fill a matrix, a scorer
 * scores and orders, costly conditions admit what is taken, fallbacks fill, and the list
 * is cut to n.
 */
#ifndef PERSONALIZE_ENGINE_H
#define PERSONALIZE_ENGINE_H

#include "postgres.h"

#include "engines/answer.h"
#include "engines/slate.h"

/*
 * Where candidates come from.  propose is given how many to look for; it calls
 * SlatePropose, the best first, and is true if it has more than those.
 */
typedef struct CandidateSource
{
	const char *name;
	bool		(*propose) (EngineContext *context, Slate *slate, int depth);
} CandidateSource;

/* What fills a list that stays short; it calls SlateTakeOne. */
typedef struct Fallback
{
	const char *name;
	void		(*fill) (EngineContext *context, Slate *slate);
} Fallback;

/*
 * A number about each candidate.  fill writes one a candidate, every stride doubles;
 * it is left out of the matrix where it does not apply.
 */
typedef struct FeatureSource
{
	const char *name;
	bool		(*applies) (const EngineContext *context);
	void		(*fill) (EngineContext *context, const Slate *slate, double *column, int stride);
} FeatureSource;

/* The features that apply: a row a candidate. */
typedef struct FeatureMatrix
{
	int			columns;
	const FeatureSource **sources;	/* one a column */
	double	   *values;
} FeatureMatrix;

/* Choose the features (ending with NULL) that apply to a call, whose list has room for all. */
extern void FeaturesChoose(const EngineContext *context, const FeatureSource *const *features, FeatureMatrix *matrix);

/* Fill the matrix of what is proposed, which is palloc'd. */
extern void FeaturesFill(EngineContext *context, const Slate *slate, FeatureMatrix *matrix);

/* Makes the candidates' scores of their sources' scores and the matrix. */
typedef struct Scorer
{
	const char *name;
	void		(*score) (EngineContext *context, Slate *slate, const FeatureMatrix *matrix);
} Scorer;

/* As many features a recipe can have. */
#define ENGINE_MAX_FEATURES 64

/* An engine.  The lists end with NULL and may be NULL. */
typedef struct EngineRecipe
{
	const char *name;
	EngineArguments arguments;
	const EngineParameters *const *parameters;	/* besides those of every engine */
	void		(*prepare) (EngineContext *context);	/* reads what the question is about */
	const CandidateSource *const *sources;
	const FeatureSource *const *features;
	const Scorer *scorer;		/* NULL: the sources' scores, in their order */
	bool		logScores;		/* see context.h */
	const Fallback *const *fallbacks;
	/*
	 * Changes the first chosen items taken, which are the answer but for what rules place;
	 * returns how many they are then.  NULL: nothing to change.
	 */
	int			(*finish) (EngineContext *context, Slate *slate, int chosen);
	const char *preview;		/* for rule_effect(): see registry.h */
	int			previewNeeds;
	int			code;			/* in request ids and counters, for ever (request_id.h) */
	AnswerColumns addColumns;	/* fills columns beyond those of every answer; NULL: none */
	void		(*close) (EngineContext *context); /* closes what prepare opened; NULL: nothing */
	int			id;				/* given by EngineRegister */
} EngineRecipe;

/* Make an engine known, in an Init. */
extern void EngineRegister(EngineRecipe *recipe);

/* Answer a call: the SQL function of an engine. */
extern Datum EngineAnswer(FunctionCallInfo fcinfo, const EngineRecipe *recipe);

/* Read the question of a call. */
extern EngineContext *EnginePrepare(FunctionCallInfo fcinfo, const EngineRecipe *recipe);

/* Fill an empty slate: with the answer, or only with what is proposed, by score. */
extern void EngineFill(EngineContext *context, Slate *slate, const EngineRecipe *recipe);
extern void EngineFillByScore(EngineContext *context, Slate *slate, const EngineRecipe *recipe);

/* Called after all engines and reasons have been registered. */
extern void EngineInit(void);

#endif
