/*
 * person_expiry.c
 *		What is past its time goes: how a table takes part.
 */
#include "postgres.h"

#include "people/person_expiry.h"

#include "access/xact.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Tell how much of something was removed. */
void
PersonExpiryReport(PersonExpiry *expiry, const char *what, int64 removed)
{
	if (expiry->lineCount == PERSON_EXPIRY_LINES)
		elog(ERROR, "a step of retention tells of too much");
	expiry->lines[expiry->lineCount].what = what;
	expiry->lines[expiry->lineCount].removed = removed;
	expiry->lineCount++;
}

/* Say that the step could not get at what it is about. */
void
PersonExpirySetBusy(PersonExpiry *expiry, const char *busy)
{
	expiry->busy = busy;
}

/* Say that rows were left because they could not be read. */
void
PersonExpirySetDamaged(PersonExpiry *expiry, int64 damaged, const char *remaker)
{
	expiry->damaged = damaged;
	expiry->remaker = remaker;
}

/* See what was committed before locks were had. */
void
PersonExpiryPushSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

/* Delete rows of a table, or count them. */
void
PersonExpiryDelete(PersonExpiry *expiry, const char *table, const char *condition)
{
	Oid			types[] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {TimestampTzGetDatum(expiry->cutoff), Int64GetDatum(expiry->maxRows)};
	char	   *sql;
	SpiUtilScope scope;
	bool		isNull;

	if (expiry->dryRun)
		sql = psprintf("SELECT count(*), $2 FROM personalize.%s t WHERE %s", table, condition);
	else
		sql = psprintf("WITH gone AS (DELETE FROM personalize.%s t WHERE t.ctid = ANY (ARRAY("
					   "SELECT t.ctid FROM personalize.%s t WHERE %s LIMIT $2))"
					   " AND %s RETURNING 1) SELECT count(*) FROM gone",
					   table, table, condition, condition);
	SpiUtilBegin(&scope);
	/* never parallel: workers would be asked by the policies who they are */
	(void) SpiUtilRunOnce(sql, lengthof(types), types, values, NULL, false);
	expiry->removed = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	expiry->passed = expiry->dryRun || expiry->removed < expiry->maxRows;
}
