/*
 * retention_run.c
 *		run_retention(): what is past its time goes, however much it is.
 *
 * apply_retention() is one transaction, so it takes a part of each kind: whoever waits for
 * its locks waits for that part.  A shop of thousands of events a second leaves more
 * sessions behind between two runs of a job than a part holds; so the job calls for parts,
 * each in a transaction of its own, until no kind has more.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/interval.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_run_retention);

/* Take a part of each kind; true if any has more.  One that was looked at whole meanwhile is left out. */
static bool
TakePart(int64 maxRows, int64 pause)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INTERVALOID};
	Interval	interval = {.time = pause};
	Datum		values[] = {Int64GetDatum(maxRows), IntervalPGetDatum(&interval)};
	SpiUtilScope scope;
	bool		isNull;
	bool		more;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT coalesce(bool_or(r.result = 'more'), false)"
			   " FROM personalize.apply_retention(max_rows => $1, pause => $2) AS r",
			   2, types, values, NULL, false);
	more = DatumGetBool(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return more;
}

/* run_retention(max_rows, pause, time_limit) */
Datum
personalize_run_retention(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"max_rows", "pause", "time_limit"};
	TimestampTz start = ClockSteady();
	int64		maxRows;
	int64		pause;
	int64		limit;
	int64		spent = 0;
	bool		more = true;

	ArgumentCheckNonatomic(fcinfo, "run_retention()", "It commits each part: call it by itself, or SELECT * FROM personalize.apply_retention() for one part.");
	for (int i = 0; i < lengthof(names); i++)
		ArgumentCheckGiven(fcinfo, i, names[i]);
	ArgumentCheckSpan(fcinfo, 1, names[1]);
	ArgumentCheckSpan(fcinfo, 2, names[2]);
	maxRows = PG_GETARG_INT64(0);
	pause = IntervalLength(PG_GETARG_INTERVAL_P(1));
	limit = IntervalLength(PG_GETARG_INTERVAL_P(2));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "cannot connect to SPI");
	while (more && (spent == 0 || spent < limit))
	{
		CHECK_FOR_INTERRUPTS();
		PushActiveSnapshot(GetTransactionSnapshot());
		more = TakePart(maxRows, Max(pause, spent));
		PopActiveSnapshot();
		SPI_commit();
		/* a second more than it is: the clock that tells times is another one */
		spent = ClockSteady() - start + USECS_PER_SEC;
	}
	SPI_finish();
	PG_RETURN_VOID();
}
