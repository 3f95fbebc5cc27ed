/*
 * item_stat_fold.c
 *		When the hours of item_stat become days.
 *
 * One time divides the table: what starts before it is a day, kept under the
 * day's first hour, everything else an hour.  Counting and uncounting go by it
 * too, so an event that comes late, or is taken out late, finds the row it
 * belongs to.  It only moves while nobody counts.
 */
#include "postgres.h"

#include "items/item_stat_fold.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

/* Where hours begin. */
TimestampTz
ItemStatFoldedBefore(void)
{
	static SPIPlanPtr plan = NULL;
	TimestampTz before = DT_NOBEGIN;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan, "SELECT folded_before FROM personalize._item_stat_fold",
				   0, NULL, NULL, NULL, true) > 0)
		before = DatumGetTimestampTz(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return before;
}

/* Up to where to fold now: $1, but at most a month beyond the oldest hour. */
#define FOLD_UNTIL_SQL \
	"SELECT u.until, u.until = date_trunc('day', $1, 'UTC')" \
	" FROM (SELECT greatest(least(date_trunc('day', $1, 'UTC'), (" \
	"   SELECT date_trunc('day', s.pane_start, 'UTC') + interval '744 hours'" \
	"   FROM personalize.item_stat AS s WHERE s.pane_start >= $2 ORDER BY s.pane_start LIMIT 1)), $2) AS until) AS u"

/* Fold hours into days. */
int64
ItemStatFold(TimestampTz before, bool dryRun, bool *all)
{
	static SPIPlanPtr untilPlan = NULL;
	static SPIPlanPtr countPlan = NULL;
	static SPIPlanPtr foldPlan = NULL;
	static SPIPlanPtr boundPlan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[2];
	TimestampTz foldedBefore = ItemStatFoldedBefore();
	SpiUtilScope scope;
	bool		isNull;
	int64		rows;

	*all = true;
	if (before <= foldedBefore)
		return 0;
	values[0] = TimestampTzGetDatum(before);
	values[1] = TimestampTzGetDatum(foldedBefore);
	SpiUtilBegin(&scope);
	if (!dryRun)
	{
		SpiUtilRun(&untilPlan, FOLD_UNTIL_SQL, 2, types, values, NULL, false);
		values[0] = SpiUtilValue(0, 1, &isNull);
		*all = DatumGetBool(SpiUtilValue(0, 2, &isNull)) ||
			DatumGetTimestampTz(values[0]) <= foldedBefore;
	}
	SpiUtilRun(&countPlan,
			   "SELECT count(*) FROM personalize.item_stat"
			   " WHERE pane_start >= $2 AND pane_start < date_trunc('day', $1, 'UTC')",
			   2, types, values, NULL, false);
	rows = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	if (!dryRun && DatumGetTimestampTz(values[0]) > foldedBefore)
	{
		SpiUtilRun(&foldPlan,
				   "WITH gone AS (DELETE FROM personalize.item_stat"
				   "  WHERE pane_start >= $2 AND pane_start < $1 RETURNING *)"
				   " INSERT INTO personalize.item_stat (pane_start, item_key, currency_code, event,"
				   "  slot_bucket, count, amount)"
				   " SELECT date_trunc('day', pane_start, 'UTC'), item_key, currency_code, event, slot_bucket,"
				   "  sum(count), sum(amount) FROM gone GROUP BY 1, 2, 3, 4, 5 HAVING sum(count) <> 0"
				   " ORDER BY 1, 2, 3, 4, 5",
				   2, types, values, NULL, false);
		SpiUtilRun(&boundPlan,
				   "INSERT INTO personalize._item_stat_fold (folded_before) VALUES ($1)"
				   " ON CONFLICT (singleton) DO UPDATE SET folded_before = excluded.folded_before",
				   1, types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
	return rows;
}
