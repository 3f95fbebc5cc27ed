/*
 * retention_person.c
 *		People of whom nothing is known any more.
 *
 * Decisions that a later one has superseded go when they are old enough (ledger_verify.c).
 *
 * What is left of somebody when raw events, profile, sessions and the rest have
 * had their time is the id and the chain of consent decisions.  When the youngest
 * decision is past its time too, both go: the chain as a whole, for the entries of
 * a chain vouch for each other.  A refusal stays as long as purpose_default
 * allows anything, and so do people who are restricted or have come back after
 * an erasure: without these rows they would be treated as if they had never
 * spoken.
 *
 * They are looked for before any lock is taken, and looked at again under their
 * stripes, held exclusively: then no event of theirs is on its way.
 */
#include "postgres.h"

#include "erasure/retention.h"

#include "access/xact.h"
#include "base/lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "people/consent_cache.h"
#include "people/ledger.h"
#include "people/person_store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many people go in one call: the last step of it holds up those who store their events. */
#define MAX_PEOPLE 1000

/* A query of people of whom nothing but old decisions is known; $1: decisions before that are old. */
static char *
IdleQuery(const char *condition)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT k.user_key FROM (SELECT s.user_key FROM personalize.subject AS s"
						   " UNION ALL SELECT DISTINCT l.user_key FROM personalize.consent_ledger AS l"
						   "  WHERE NOT EXISTS (SELECT FROM personalize.subject AS s WHERE s.user_key = l.user_key)) AS k"
						   " WHERE ");
	appendStringInfoString(&sql, condition);
	for (int i = 0; i < count; i++)
		if (stores[i].keeps)
			appendStringInfo(&sql, " AND NOT EXISTS (SELECT FROM (%s) AS t WHERE t.user_key = k.user_key)",
							 stores[i].keeps);
	return sql.data;
}

/* Prune the ledger, and look for the idle. */
void
RetentionFindIdle(RetentionRun *run, RetentionTask *task)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TIMESTAMPTZOID, INT8OID, INT8OID};
	int64		most = Min(run->maxRows, MAX_PEOPLE);
	Datum		values[3];
	SpiUtilScope scope;
	bool		isNull;

	task->skip = true;
	if (run->dryRun)
		most = PG_INT64_MAX - 1;
	values[0] = TimestampTzGetDatum(task->cutoff);
	values[1] = Int64GetDatum(task->hasNextKey ? task->nextKey : PG_INT64_MIN);
	values[2] = Int64GetDatum(most + 1);
	SpiUtilBegin(&scope);
	run->idleCount = (int) SpiUtilRun(&plan,
									  psprintf("%s ORDER BY k.user_key LIMIT $3", IdleQuery("k.user_key >= $2")),
									  3, types, values, NULL, false);
	run->idle = MemoryContextAllocHuge(run->context, sizeof(int64) * Max(run->idleCount, 1));
	for (int i = 0; i < run->idleCount; i++)
		run->idle[i] = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
	SpiUtilEnd(&scope);
	run->idleMore = run->idleCount > most;
	if (run->idleMore)
		run->idleCount--;
	run->idleFound = true;
	run->pruned = LedgerPrune(task->cutoff, run->dryRun);
	RetentionReport(run, task->kind, "consent_ledger: superseded decisions", run->pruned, task->result, NULL);
}

/* Those whose stripe can be had at once, as an array; busy tells whether there are others. */
static ArrayType *
LockIdle(const RetentionRun *run, bool *busy)
{
	bool		locked[SHARD_COUNT] = {false};
	bool		tried[SHARD_COUNT] = {false};
	Datum	   *keys = palloc_array(Datum, Max(run->idleCount, 1));
	int			count = 0;

	*busy = !PurgeTryLock();
	for (int i = 0; i < run->idleCount && !*busy; i++)
	{
		int			stripe = ShardOfKey(run->idle[i]);

		if (!tried[stripe])
			locked[stripe] = StripeTryLock(stripe, true);
		tried[stripe] = true;
		if (locked[stripe])
			keys[count++] = Int64GetDatum(run->idle[i]);
	}
	*busy = count < run->idleCount;
	return construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* Forget those of the locked people of whom still nothing else is known. */
static int64
ForgetLocked(const RetentionTask *task, ArrayType *keys)
{
	static SPIPlanPtr findPlan = NULL;
	static SPIPlanPtr ledgerPlan = NULL;
	static SPIPlanPtr subjectPlan = NULL;
	const Oid	findTypes[] = {TIMESTAMPTZOID, INT8ARRAYOID};
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {TimestampTzGetDatum(task->cutoff), PointerGetDatum(keys)};
	Datum	   *still;
	Datum		people;
	int			count;
	bool		isNull;

	count = (int) SpiUtilRun(&findPlan, IdleQuery("k.user_key = ANY ($2)"),
							 2, findTypes, values, NULL, false);
	still = palloc_array(Datum, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		still[i] = SpiUtilValue(i, 1, &isNull);
		ConsentCacheNoteChange(DatumGetInt64(still[i]));
	}
	people = PointerGetDatum(construct_array(still, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
											 TYPALIGN_DOUBLE));
	SpiUtilRun(&ledgerPlan, "WITH gone AS (DELETE FROM personalize.consent_ledger WHERE user_key = ANY ($1) RETURNING hash, txid)"
			   " INSERT INTO personalize._ledger_pruned SELECT hash, txid, clock_timestamp() FROM gone",
			   1, types, &people, NULL, false);
	SpiUtilRun(&subjectPlan, "DELETE FROM personalize.subject WHERE user_key = ANY ($1)",
			   1, types, &people, NULL, false);
	return count;
}

/* Forget them. */
void
RetentionForgetIdle(RetentionRun *run, RetentionTask *task)
{
	bool		busy = false;

	if (!run->idleFound)
	{
		task->skip = true;
		return;
	}
	if (run->dryRun)
		task->removed = run->idleCount;
	else if (run->idleCount > 0)
	{
		ArrayType  *keys = LockIdle(run, &busy);
		SpiUtilScope scope;

		CommandCounterIncrement();
		PushActiveSnapshot(GetLatestSnapshot());
		SpiUtilBegin(&scope);
		task->removed = ForgetLocked(task, keys);
		SpiUtilEnd(&scope);
		PopActiveSnapshot();
	}
	if (busy)
	{
		task->result = "busy";
		task->detail = "events of some of them are being stored";
	}
	task->passed = !run->idleMore && !busy;
	task->hasNextKey = run->idleMore && !busy;
	if (task->hasNextKey)
		task->nextKey = RetentionPosition(run->idle[run->idleCount]);
	RetentionReportTask(run, task, "people of whom nothing else is known, with their consent_ledger", task->removed);
	task->removed += run->pruned;
}
