/*
 * diversity.h
 *		Items of a list that are not all alike.
 */
#ifndef PERSONALIZE_DIVERSITY_H
#define PERSONALIZE_DIVERSITY_H

#include "postgres.h"

#include "engines/registry.h"
#include "engines/slate.h"

/* The parameters that every engine has: diversity, max_per_category, max_per_brand. */
extern const EngineParameters DiversityParameters;

/* True if the variant asks for any of it. */
extern bool DiversityIsOn(const EngineContext *context);

/*
 * Put those of the taken items that make the answer first, in its order; returns how many,
 * at most context->n.  The others follow as they were.
 */
extern int	DiversityChoose(EngineContext *context, Slate *slate);

#endif
