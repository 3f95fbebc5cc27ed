/*
 * model.h
 *		Models by name.
 */
#ifndef PERSONALIZE_MODEL_H
#define PERSONALIZE_MODEL_H

#include "postgres.h"

#include "models/tree_model.h"

/* A model of this database, as it was when it was asked for. */
typedef struct Model
{
	char	   *name;
	int			version;
	int			featureCount;
	char	  **features;		/* the names; NULL: they have none */
	TreeModel  *trees;
} Model;

/* The version in use of a name, until the transaction ends; an error if there is none. */
extern const Model *ModelFind(const char *name);

/* Define what is registered of the table. */
extern void ModelInit(void);

#endif
