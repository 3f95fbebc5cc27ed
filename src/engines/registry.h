/*
 * registry.h
 *		The engines there are, and the parameters of each.
 */
#ifndef PERSONALIZE_REGISTRY_H
#define PERSONALIZE_REGISTRY_H

#include "postgres.h"

/* As many engines there can be, and as many parameters of all of them. */
#define MAX_ENGINES 16
#define MAX_PARAMETERS 128

/* A number, or a name, that an engine can be set by; one that several engines have is registered once. */
typedef struct EngineParameter
{
	const char *name;
	const char *unit;
	bool		integer;
	bool		text;			/* a name, and no number; none as shipped */
	double		minimum;
	double		maximum;
	double		standard;		/* as shipped */
	const char *description;
	int			id;				/* given by RegistryAdd, from 1 */
} EngineParameter;

/* Parameters that go together. */
typedef struct EngineParameters
{
	EngineParameter *parameters;
	int			count;
} EngineParameters;

/* What an engine cannot be asked without. */
#define ENGINE_ASKED_ITEMS 1
#define ENGINE_ASKED_QUERY 2

/* An engine, as far as others must know it. */
typedef struct RegisteredEngine
{
	const char *name;
	const char *preview;		/* for rule_effect(): of $1 user_id, $2 n, $3 items, $4 category, $5 query */
	int			previewNeeds;	/* ENGINE_ASKED_... */
	int			parameterCount;
	const EngineParameter *parameters[MAX_PARAMETERS];
} RegisteredEngine;

/* Add an engine, whose lists of parameters end with NULL; returns its number. */
extern int	RegistryAdd(const char *name, const char *preview, int previewNeeds,
						const EngineParameters *const *lists);

/* Add a list of parameters to an engine. */
extern void RegistryAddParameters(int engine, const EngineParameters *list);

extern int	RegistryCount(void);
extern const RegisteredEngine *RegistryGet(int engine);

/* The names of all engines; RegistryCount() of them. */
extern const char *const *RegistryNames(void);

/* The number of an engine; -1: there is none of this name, or an error that lists them. */
extern int	RegistryFind(const char *name, bool missingOk);

/* A parameter of an engine; NULL: it has none of this name. */
extern const EngineParameter *RegistryParameter(const RegisteredEngine *engine, const char *name);

#endif
