/*
 * analyst_then.c
 *		What the catalogue said of an item when something happened.
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(personalize_then);

/* Arguments of _then(). */
#define ARGUMENT_PAST 1
#define ARGUMENT_PRESENT 2

/* _then(item_key, past, present) */
Datum
personalize_then(PG_FUNCTION_ARGS)
{
	int			chosen = PG_ARGISNULL(0) ? ARGUMENT_PRESENT : ARGUMENT_PAST;

	if (PG_ARGISNULL(chosen))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(chosen));
}
