/*
 * page_store.c
 *		What must be known of the tables that pages keep, which hold nobody's data.
 */
#include "postgres.h"

#include "pages/page_store.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{
		.name = "page_module",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("page_module")
	},
	{
		.name = "page_segment",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("page_segment")
	}
};

/* Register them. */
void
PageStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
