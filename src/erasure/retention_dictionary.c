/*
 * retention_dictionary.c
 *		What the dictionary keeps of what has gone.
 *
 * When the last profile, session, statistic and raw event that had a search word
 * or the id of a page has gone, the word itself is still there.  To find such
 * words everything that is kept must be read, so it is done seldom, and together
 * with what erasure looks for: all values and bare items are noted as candidates,
 * max_rows at a time, and the next scrub_erased() decides about them.
 */
#include "postgres.h"

#include "erasure/retention.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "erasure/erasure_candidate.h"
#include "fmgr.h"

/* What there is (%s), from key $1 on, not much more than $2 of it. */
#define CHUNK_SQL \
	"SELECT kind, signal, key FROM (%s) AS k" \
	" WHERE key >= $1 ORDER BY key FETCH FIRST ($2) ROWS WITH TIES"

/* Note values and bare items, or count them. */
void
RetentionNoteDictionary(RetentionRun *run, RetentionTask *task)
{
	static SPIPlanPtr countPlan = NULL;
	static SPIPlanPtr notePlan = NULL;
	const Oid	types[] = {INT8OID, INT8OID};
	Datum		values[] = {
		Int64GetDatum(task->hasNextKey ? task->nextKey : PG_INT64_MIN),
		Int64GetDatum(run->dryRun ? PG_INT64_MAX : run->maxRows)
	};
	SpiUtilScope scope;
	int64		count;
	int64		last;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(run->dryRun ? &countPlan : &notePlan,
			   psprintf(run->dryRun ?
						"SELECT count(*), max(c.key) FROM (" CHUNK_SQL ") AS c" :
						"WITH chunk AS MATERIALIZED (" CHUNK_SQL "),"
						" noted AS (INSERT INTO personalize._erasure_candidate (kind, signal, key, noted_at)"
						"  SELECT c.kind, c.signal, c.key, now() FROM chunk c WHERE NOT EXISTS ("
						"   SELECT FROM personalize._erasure_candidate e"
						"   WHERE e.kind = c.kind AND e.signal = c.signal AND e.key = c.key))"
						" SELECT count(*), max(c.key) FROM chunk c", ErasureUnclaimed()),
			   lengthof(types), types, values, NULL, false);
	count = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	last = DatumGetInt64(SpiUtilValue(0, 2, &isNull));
	SpiUtilEnd(&scope);

	task->hasNextKey = !run->dryRun && count >= run->maxRows && last < PG_INT64_MAX;
	task->nextKey = last + 1;
	task->passed = !task->hasNextKey;
	if (count > 0)
		task->detail = psprintf("scrub_erased() will look who has " INT64_FORMAT " values and items, and delete those nobody has",
								count);
	RetentionReportTask(run, task, "feature_value and bare items", 0);
}
