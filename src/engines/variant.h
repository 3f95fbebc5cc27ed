/*
 * variant.h
 *		Named sets of parameters of one engine: table engine_variant.
 */
#ifndef PERSONALIZE_VARIANT_H
#define PERSONALIZE_VARIANT_H

#include "postgres.h"

#include "datatype/timestamp.h"
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
	const char *texts[MAX_PARAMETERS];	/* of those that are texts; NULL: not given */
} Variant;

/* As long is a text at most, in bytes. */
#define VARIANT_MAX_TEXT_BYTES 96

/* The value of a parameter. */
static inline double
VariantGet(const Variant *variant, const EngineParameter *parameter)
{
	return variant->values[parameter->id];
}

/* The text of a parameter; NULL: it is not given. */
static inline const char *
VariantGetText(const Variant *variant, const EngineParameter *parameter)
{
	return variant->texts[parameter->id];
}

/*
 * The variant of an engine that an answer is made by: the default if name is NULL; an
 * error if there is none of this name, or it is retired.  It stays until the end of the
 * transaction.
 */
extern const Variant *VariantFind(int engine, const char *name);

/*
 * Who says which variant a call is answered with that names none: its number within the
 * engine, -1 for the default; and whether that is counted for an experiment.  Without a user
 * it knows only what the session says.
 */
typedef int (*VariantChooser) (int engine, bool hasUser, int64 userKey, TimestampTz at, bool *assigned);
extern void VariantSetChooser(VariantChooser chooser);

/* The variant of such a call. */
extern const Variant *VariantChoose(int engine, bool hasUser, int64 userKey, TimestampTz at, bool *assigned);

/* True if an engine has a variant of this name, which may be retired. */
extern bool VariantExists(int engine, const char *name);

/* Called after all engines have been registered. */
extern void VariantInit(void);

#endif
