/*
 * model.h
 *		Models by name.
 */
#ifndef PERSONALIZE_MODEL_H
#define PERSONALIZE_MODEL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "models/linear_model.h"
#include "models/tree_model.h"
#include "utils/jsonb.h"

/* A model of this database, as it was when it was asked for. */
typedef struct Model
{
	char	   *name;
	int			version;
	int			featureCount;
	char	  **features;		/* the names; NULL: they have none */
	TreeModel  *trees;			/* NULL: it is linear */
	LinearModel *linear;		/* NULL: it consists of trees */
} Model;

/* The version in use of a name, until the transaction ends; an error if there is none. */
extern const Model *ModelFind(const char *name);

/* The same; NULL if there is none. */
extern const Model *ModelFindIfAny(const char *name);

/* Score rows of features: stride doubles a row, the model's features first; raw: the sum as it is. */
extern void ModelScore(const Model *model, const double *features, int stride, int rows, bool raw, double *scores);

/* A linear model that was trained here, and what from. */
typedef struct ModelTrained
{
	const char *name;
	const char *format;			/* how: logistic, pairwise */
	const LinearModel *linear;
	const char *const *features;	/* the names */
	TimestampTz since;			/* pages of this time */
	TimestampTz until;
	Jsonb	   *training;		/* how it went */
} ModelTrained;

/*
 * Let nobody else change models until the transaction ends; who is forgotten meanwhile waits
 * and then finds what ModelKeep has kept.
 */
extern void ModelLock(void);

/* With that, keep a trained model as the next version of its name, in use; returns the version. */
extern int	ModelKeep(const ModelTrained *trained);

/* Define what is registered of the table. */
extern void ModelInit(void);

#endif
