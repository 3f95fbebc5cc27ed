/*
 * processor_store.c
 *		What must be known of the tables of processors, which hold nobody's data.
 */
#include "postgres.h"

#include "workers/processor_store.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{
		.name = "processor",
		.content = "positions",
		.unname = "UPDATE personalize.processor SET " PERSON_UNNAMED("last_error") " WHERE " PERSON_NAMED_IN("last_error"),
		.form =
		/* the rest is what stat_processor shows */
		"SELECT to_jsonb(p.name) FROM personalize.processor p WHERE NOT p.enabled"
	},
	{
		.name = "processor_position",
		.content = "positions",
		.exempt = "transaction ids: how far each processor has read"
	},
	{
		.name = "_rebuild",
		.content = "positions",
		.exempt = "what is being counted anew: it changes nothing of what is counted"
	}
};

/* Register them. */
void
ProcessorStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
