/*
 * registry.c
 *		The engines there are, and the parameters of each.
 */
#include "postgres.h"

#include "engines/registry.h"

#include "base/choice.h"

static RegisteredEngine engines[MAX_ENGINES];
static const char *names[MAX_ENGINES];
static int	engineCount = 0;
static int	parameterCount = 0;

/* Add a list of parameters to an engine. */
void
RegistryAddParameters(int number, const EngineParameters *list)
{
	RegisteredEngine *engine = &engines[number];

	for (int i = 0; i < list->count; i++)
	{
		EngineParameter *parameter = &list->parameters[i];

		if (parameter->id == 0)
			parameter->id = ++parameterCount;
		if (parameterCount >= MAX_PARAMETERS)
			elog(ERROR, "too many parameters of engines");
		engine->parameters[engine->parameterCount++] = parameter;
	}
}

/* Add an engine. */
int
RegistryAdd(const char *name, const char *preview, int previewNeeds,
			const EngineParameters *const *lists)
{
	RegisteredEngine *engine = &engines[engineCount];

	if (engineCount == MAX_ENGINES)
		elog(ERROR, "too many engines");
	engine->name = names[engineCount] = name;
	engine->preview = preview;
	engine->previewNeeds = previewNeeds;
	for (int i = 0; lists && lists[i]; i++)
		RegistryAddParameters(engineCount, lists[i]);
	return engineCount++;
}

/* How many engines there are. */
int
RegistryCount(void)
{
	return engineCount;
}

/* An engine. */
const RegisteredEngine *
RegistryGet(int engine)
{
	return &engines[engine];
}

/* The names of all engines. */
const char *const *
RegistryNames(void)
{
	return names;
}

/* The number of an engine. */
int
RegistryFind(const char *name, bool missingOk)
{
	int			engine = ChoiceFind(name, names, engineCount);

	if (engine < 0 && !missingOk)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("engine \"%s\" does not exist", ChoiceShow(name)),
				 errhint("%s", ChoiceHint(name, "engines", names, engineCount))));
	return engine;
}

/* A parameter of an engine. */
const EngineParameter *
RegistryParameter(const RegisteredEngine *engine, const char *name)
{
	for (int i = 0; i < engine->parameterCount; i++)
		if (strcmp(engine->parameters[i]->name, name) == 0)
			return engine->parameters[i];
	return NULL;
}
