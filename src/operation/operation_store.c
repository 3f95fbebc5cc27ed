/*
 * operation_store.c
 *		What must be known of the tables that operation keeps, which hold nobody's data.
 */
#include "postgres.h"

#include "operation/operation_store.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{
		.name = "_shipped",
		.content = "definitions that security_check() compares with",
		.exempt = "what security_check() compares the catalogue with"
	},
	{
		.name = "_maintenance",
		.content = "definitions",
		.exempt = "jobs, which are pg_cron's"
	}
};

/* Register them. */
void
OperationStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
