/*
 * engine_store.c
 *		What must be known of the tables that engines keep, which hold nobody's data.
 */
#include "postgres.h"

#include "engines/engine_store.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{
		.name = "engine_variant",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("engine_variant")
	},
	{
		.name = "rule",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("rule")
	}
};

/* Register them. */
void
EngineStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
