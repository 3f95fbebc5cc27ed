/*
 * variant.h
 *		Named sets of parameters of one engine: table engine_variant.
 */
#ifndef PERSONALIZE_VARIANT_H
#define PERSONALIZE_VARIANT_H

#include "postgres.h"

#include "engines/registry.h"

/* The parameters as shipped are a variant, too, of this name and without a row. */
#define VARIANT_SHIPPED "shipped"
#define VARIANT_SHIPPED_ID 0

typedef struct Variant
{
	int			engine;
	int16		id;				/* within the engine; never used again */
	char	   *name;
	bool		isDefault;
	bool		retired;
	double		values[MAX_PARAMETERS];	/* by EngineParameter.id */
} Variant;

/* The value of a parameter. */
static inline double
VariantGet(const Variant *variant, const EngineParameter *parameter)
{
	return variant->values[parameter->id];
}

/*
 * The variant of an engine that an answer is made by: the default if name is NULL; an
 * error if there is none of this name, or it is retired.  It stays until the end of the
 * transaction.
 */
extern const Variant *VariantFind(int engine, const char *name);

/* True if an engine has a variant of this name, which may be retired. */
extern bool VariantExists(int engine, const char *name);

/* Called after all engines have been registered. */
extern void VariantInit(void);

#endif
