/*
 * person_fit.c
 *		Who may be in numbers that were fitted to everybody's pages.
 */
#include "postgres.h"

#include "people/person_fit.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "people/purpose.h"
#include "utils/array.h"

/* Count people who go in what may have been fitted to them, while their pages are there. */
void
PersonFitCount(PersonFit *fit, const PersonRemoval *removal)
{
	const Oid	types[] = {INT8ARRAYOID};
	Datum	   *keys = palloc_array(Datum, Max(removal->count, 1));
	Datum		people;
	SpiUtilScope scope;

	if ((removal->purposes & PURPOSE_ANALYTICS) == 0)
		return;
	for (int i = 0; i < removal->count; i++)
		keys[i] = Int64GetDatum(removal->people[i].userKey);
	people = PointerGetDatum(construct_array(keys, removal->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilBegin(&scope);
	SpiUtilRun(&fit->lockPlan, fit->lock, 0, NULL, NULL, NULL, false);
	SpiUtilRun(&fit->countPlan, fit->count, lengthof(types), types, &people, NULL, false);
	SpiUtilEnd(&scope);
}
