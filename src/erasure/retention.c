/*
 * retention.c
 *		apply_retention(): what is past its time goes.
 *
 * Each kind of data is a step, and each step a subtransaction: one that fails
 * is undone and told of, and the others go on.  Nothing here waits long for
 * anybody.  What a processor writes is changed under the processor's own locks,
 * so that processing pauses, and ingestion does not; a lock that ingestion needs
 * too is only ever tried, and taken last.  What cannot be had is left for the
 * next call.
 *
 * A pass over a large table is cut at max_rows and goes on where it stopped;
 * _retention_state remembers where.
 */
#include "postgres.h"

#include "erasure/retention.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/clock.h"
#include "base/event_time.h"
#include "base/lock.h"
#include "base/lock_try.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "items/item_stat_fold.h"
#include "miscadmin.h"
#include "neighbours/session_expire.h"
#include "profiles/profile_expire.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_apply_retention);

/* How long to wait for the processors, in milliseconds; bounds of arguments. */
#define PROCESSOR_WAIT 2000
#define YEAR_ONE (-INT64CONST(730119) * USECS_PER_DAY)
#define LONGEST_PAUSE (36525.0 * USECS_PER_DAY)

/* A step and the kind of retention_policy that it obeys. */
typedef struct RetentionStep
{
	const char *kind;
	bool		passes;			/* looks at a whole table: pause holds */
	bool		seldom;			/* one pass in the time to keep */
	void		(*run) (RetentionRun *run, RetentionTask *task);
} RetentionStep;

/* Add a row to the answer. */
void
RetentionReport(RetentionRun *run, const char *kind, const char *what, int64 removed,
				const char *result, const char *detail)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = CStringGetTextDatum(kind);
	values[1] = CStringGetTextDatum(what);
	values[2] = Int64GetDatum(removed);
	values[3] = CStringGetTextDatum(result);
	nulls[4] = detail == NULL;
	if (detail)
		values[4] = CStringGetTextDatum(detail);
	tuplestore_putvalues(run->store, run->descriptor, values, nulls);
}

/* Add the row of a step that is at its end. */
void
RetentionReportTask(RetentionRun *run, RetentionTask *task, const char *what, int64 removed)
{
	if (strcmp(task->result, "done") == 0 && !task->passed)
		task->result = "more";
	RetentionReport(run, task->kind, what, removed, task->result, task->detail);
}

/* Take a processor's shards, then all stripes, as its batches do. */
static void
TakeProcessor(void *arg)
{
	const ProcessorMethods *methods = arg;

	for (int shard = 0; shard < methods->shards; shard++)
		ShardLock(methods->id, shard);
	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
		StripeLock(stripe, false);
}

/* Be the only one to write what a processor writes. */
bool
RetentionLockProcessor(ProcessorId id)
{
	return LockTry(TakeProcessor, unconstify(ProcessorMethods *, ProcessorGet(id)),
							 PROCESSOR_WAIT);
}

/* See what was committed before the locks were had. */
static void
PushFreshSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

/* Say that a step could not get at what it is about. */
static void
SetBusy(RetentionTask *task, char *detail)
{
	task->result = "busy";
	task->detail = detail;
}

/*
 * Delete rows of a table, or count them: condition speaks of its row as t, of
 * the cutoff as $1.  No more than maxRows of them are deleted.
 */
static void
DeleteRows(RetentionRun *run, RetentionTask *task, const char *table, const char *condition)
{
	Oid			types[] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {TimestampTzGetDatum(task->cutoff), Int64GetDatum(run->maxRows)};
	char	   *sql;
	SpiUtilScope scope;
	bool		isNull;
	int			result;

	if (run->dryRun)
		sql = psprintf("SELECT count(*), $2 FROM personalize.%s t WHERE %s", table, condition);
	else
		sql = psprintf("WITH gone AS (DELETE FROM personalize.%s t WHERE t.ctid = ANY (ARRAY("
					   "SELECT t.ctid FROM personalize.%s t WHERE %s LIMIT $2))"
					   " AND %s RETURNING 1) SELECT count(*) FROM gone",
					   table, table, condition, condition);
	SpiUtilBegin(&scope);
	result = SPI_execute_with_args(sql, lengthof(types), types, values, NULL, false, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(result));
	task->removed = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	task->passed = run->dryRun || task->removed < run->maxRows;
}

/*
 * rejected_event.  What item_stat has set aside tells a withdrawal that the raw
 * event was not counted: it stays as long as that.
 */
static void
ExpireRejected(RetentionRun *run, RetentionTask *task)
{
	DeleteRows(run, task, "rejected_event",
			   "t.rejected_at < $1 AND NOT (t.source = 'item_stat' AND t.payload ? 'received_at' AND EXISTS ("
			   "SELECT FROM personalize._event_day d WHERE d.day ="
			   " ((t.payload ->> 'received_at')::timestamptz AT TIME ZONE 'UTC')::date))");
	RetentionReportTask(run, task, "rejected_event", task->removed);
}

/* Preferences of people who have not been seen for as long as profiles are kept. */
static void
ExpirePreferences(RetentionRun *run, RetentionTask *task)
{
	DeleteRows(run, task, "preference",
			   "t.set_at < $1 AND NOT EXISTS ("
			   "SELECT FROM personalize.profile p WHERE p.user_key = t.user_key)");
	RetentionReportTask(run, task, "preference", task->removed);
}

/* What was bought together. */
static void
ExpireBaskets(RetentionRun *run, RetentionTask *task)
{
	if (!run->dryRun && !RetentionLockProcessor(PROCESSOR_ITEM_STAT))
		SetBusy(task, "processor item_stat is at work");
	else
		DeleteRows(run, task, "_basket", "t.day < ($1 AT TIME ZONE 'UTC')::date");
	RetentionReportTask(run, task, "_basket", task->removed);
}

/* Hours of item_stat become days. */
static void
FoldItemStat(RetentionRun *run, RetentionTask *task)
{
	if (!run->dryRun && !RetentionLockProcessor(PROCESSOR_ITEM_STAT))
		SetBusy(task, "processor item_stat is at work");
	else
	{
		PushFreshSnapshot();
		task->removed = ItemStatFold(task->cutoff, run->dryRun, &task->passed);
		PopActiveSnapshot();
	}
	RetentionReportTask(run, task, "item_stat: hours folded into days", task->removed);
}

/* Days of item_stat that nobody asks for any more. */
static void
ExpireItemStat(RetentionRun *run, RetentionTask *task)
{
	if (!run->dryRun && !RetentionLockProcessor(PROCESSOR_ITEM_STAT))
		SetBusy(task, "processor item_stat is at work");
	else
		DeleteRows(run, task, "item_stat",
				   "t.pane_start < date_trunc('day', $1, 'UTC')");
	RetentionReportTask(run, task, "item_stat", task->removed);
}

/* Profiles. */
static void
ExpireProfiles(RetentionRun *run, RetentionTask *task)
{
	ProfileExpiry expiry = {
		.asOf = run->asOf,
		.before = task->hasCutoff ? task->cutoff : DT_NOBEGIN,
		.dryRun = run->dryRun,
		.maxChanged = run->dryRun ? PG_INT64_MAX : run->maxRows,
		.hasNextKey = task->hasNextKey,
		.nextKey = task->nextKey
	};

	if (!run->dryRun && !RetentionLockProcessor(PROCESSOR_PROFILE))
		SetBusy(task, "processor profile is at work");
	else
	{
		PushFreshSnapshot();
		ProfileExpire(&expiry);
		PopActiveSnapshot();
		task->removed = expiry.profiles + expiry.features + expiry.recent;
		task->hasNextKey = expiry.hasNextKey;
		task->nextKey = RetentionPosition(expiry.nextKey);
		task->passed = !expiry.hasNextKey;
	}
	RetentionReportTask(run, task, "profile: idle people", expiry.profiles);
	RetentionReportTask(run, task, "profile: features with panes past their time", expiry.features);
	RetentionReportTask(run, task, "profile: recent items", expiry.recent);
}

/* Sessions and their postings. */
static void
ExpireSessions(RetentionRun *run, RetentionTask *task)
{
	SessionExpiry expiry = {
		.before = task->cutoff,
		.dryRun = run->dryRun,
		.maxSessions = run->dryRun ? PG_INT64_MAX : run->maxRows,
		.hasNextKey = task->hasNextKey,
		.nextKey = task->nextKey
	};

	if (!run->dryRun && !RetentionLockProcessor(PROCESSOR_NEIGHBOUR))
		SetBusy(task, "processor neighbour is at work");
	else
	{
		SessionExpire(&expiry);
		task->removed = expiry.sessions;
		task->hasNextKey = expiry.hasNextKey;
		task->nextKey = RetentionPosition(expiry.nextKey);
		task->passed = !expiry.hasNextKey;
	}
	RetentionReportTask(run, task, "session with its postings", expiry.sessions);
}

/* Message ids outside the dedup window, which is their time. */
static void
ExpireMessages(RetentionRun *run, RetentionTask *task)
{
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (run->dryRun)
		SPI_execute("SELECT count(*) FROM personalize.message_seen WHERE received_at <"
					" personalize._now() - current_setting('personalize.dedup_window')::interval", false, 0);
	else
		SPI_execute("SELECT personalize._purge_message_seen()", false, 0);
	task->removed = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	task->passed = true;
	RetentionReportTask(run, task, "message_seen", task->removed);
}

/* In this order: what holds others up comes last. */
static const RetentionStep steps[] = {
	{"message", true, false, ExpireMessages},
	{"rejected", true, false, ExpireRejected},
	{"profile", true, false, ExpireProfiles},
	{"preference", true, false, ExpirePreferences},
	{"basket", true, false, ExpireBaskets},
	{"item_stat_hour", true, false, FoldItemStat},
	{"item_stat", true, false, ExpireItemStat},
	{"session", true, false, ExpireSessions},
	{"dictionary", true, true, RetentionNoteDictionary},
	{"ledger", true, false, RetentionFindIdle},
	{"raw", false, false, RetentionExpireDays},
	{"ledger", true, false, RetentionForgetIdle}
};

/* Read a kind's policy and how far it has got; false if it is not due. */
static bool
ReadTask(RetentionRun *run, const RetentionStep *step, RetentionTask *task)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, TIMESTAMPTZOID};
	Datum		values[] = {CStringGetTextDatum(step->kind), TimestampTzGetDatum(run->asOf)};
	SpiUtilScope scope;
	bool		isNull;
	TimestampTz passedAt;

	memset(task, 0, sizeof(RetentionTask));
	task->kind = step->kind;
	task->result = run->dryRun ? "would" : "done";
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT (($2 AT TIME ZONE 'UTC') - CASE WHEN p.kind IS NULL THEN d.keep ELSE p.keep END)"
			   " AT TIME ZONE 'UTC', s.next_key, s.passed_at"
			   " FROM (SELECT $1 AS kind) AS k"
			   " LEFT JOIN personalize._retention_kind() AS d ON d.kind = k.kind"
			   " LEFT JOIN personalize.retention_policy AS p ON p.kind = k.kind AND p.event IS NULL"
			   " LEFT JOIN personalize._retention_state AS s ON s.kind = k.kind",
			   2, types, values, NULL, false);
	task->cutoff = DatumGetTimestampTz(SpiUtilValue(0, 1, &isNull));
	task->hasCutoff = !isNull;
	task->nextKey = DatumGetInt64(SpiUtilValue(0, 2, &isNull));
	task->hasNextKey = !isNull && !run->dryRun;
	passedAt = DatumGetTimestampTz(SpiUtilValue(0, 3, &isNull));
	if (isNull || !step->passes || run->dryRun)
		passedAt = 0;
	SpiUtilEnd(&scope);
	if (run->pause > 0 && passedAt != 0 && !task->hasNextKey &&
		run->asOf >= passedAt && run->asOf - passedAt < run->pause)
		return false;
	if (step->seldom && passedAt != 0 && !task->hasNextKey && passedAt > task->cutoff &&
		run->asOf >= passedAt)
		return false;
	return task->hasCutoff || strcmp(task->kind, "profile") == 0 ||
		strcmp(task->kind, "raw") == 0 || strcmp(task->kind, "message") == 0;
}

/* Remember what a step did. */
static void
WriteState(const RetentionRun *run, const RetentionTask *task)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID};
	Datum		values[6];
	char		nulls[] = {' ', ' ', ' ', ' ', ' ', ' '};
	SpiUtilScope scope;

	values[0] = CStringGetTextDatum(task->kind);
	values[1] = CStringGetTextDatum(task->result);
	values[2] = task->detail ? CStringGetTextDatum(task->detail) : (Datum) 0;
	nulls[2] = task->detail ? ' ' : 'n';
	values[3] = Int64GetDatum(task->removed);
	values[4] = Int64GetDatum(task->nextKey);
	nulls[4] = task->hasNextKey ? ' ' : 'n';
	values[5] = TimestampTzGetDatum(run->asOf);
	nulls[5] = task->passed ? ' ' : 'n';
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "INSERT INTO personalize._retention_state AS s (kind, last_run_at, last_result, last_detail,"
			   "  last_removed, removed, well_at, failures, last_error, last_error_at, passed_at, next_key)"
			   " SELECT $1, t.now, $2, $3, $4, $4, CASE WHEN $2 IN ('done', 'more') THEN t.now END,"
			   "  ($2 = 'failed')::integer, CASE WHEN $2 = 'failed' THEN $3 END,"
			   "  CASE WHEN $2 = 'failed' THEN t.now END, $6, $5"
			   " FROM (SELECT clock_timestamp() AS now) AS t"
			   " ON CONFLICT (kind) DO UPDATE SET last_run_at = excluded.last_run_at,"
			   "  last_result = excluded.last_result, last_detail = excluded.last_detail,"
			   "  last_removed = excluded.last_removed, removed = s.removed + excluded.removed,"
			   "  well_at = coalesce(excluded.well_at, s.well_at), failures = s.failures + excluded.failures,"
			   "  last_error = coalesce(excluded.last_error, s.last_error),"
			   "  last_error_at = coalesce(excluded.last_error_at, s.last_error_at),"
			   "  passed_at = coalesce(excluded.passed_at, s.passed_at), next_key = excluded.next_key",
			   6, types, values, nulls, false);
	SpiUtilEnd(&scope);
}

/* One step, undone if it fails. */
static void
RunStep(RetentionRun *run, const RetentionStep *step)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			level = GetCurrentTransactionNestLevel();
	RetentionTask task;
	char	   *volatile error = NULL;

	PushFreshSnapshot();
	if (!ReadTask(run, step, &task))
	{
		PopActiveSnapshot();
		return;
	}
	PopActiveSnapshot();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		PushFreshSnapshot();
		step->run(run, &task);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *data = SubtransactionFailed(context, owner, level);

		if (ERRCODE_TO_CATEGORY(data->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(data);
		error = data->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error)
	{
		RetentionTask failed = {.kind = step->kind,.result = "failed",.detail = error};

		RetentionReport(run, step->kind, step->kind, 0, "failed", error);
		ereport(WARNING,
				(errmsg("retention of kind \"%s\" failed: %s", step->kind, error)));
		task = failed;
	}
	if (!run->dryRun && !task.skip)
	{
		PushFreshSnapshot();
		WriteState(run, &task);
		PopActiveSnapshot();
	}
}

/* Refuse where nothing can be removed, or not rightly. */
static void
CheckMayRun(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("retention cannot be applied during recovery"),
				 errhint("It runs on the primary; a standby follows.")));
	PreventCommandIfReadOnly("apply_retention()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("retention can only be applied at isolation level READ COMMITTED"),
				 errhint("Begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED.")));
}

/* The arguments, checked. */
static void
GetArguments(FunctionCallInfo fcinfo, RetentionRun *run)
{
	static const char *const names[] = {"dry_run", "as_of", "max_rows", "pause"};
	Interval   *pause;

	for (int i = 0; i < 4; i++)
		if (i != 1 && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", names[i])));
	run->dryRun = PG_GETARG_BOOL(0);
	run->asOf = PG_ARGISNULL(1) ? ClockNow() : PG_GETARG_TIMESTAMPTZ(1);
	run->maxRows = PG_GETARG_INT64(2);
	pause = PG_GETARG_INTERVAL_P(3);
	run->pause = (int64) Max(Min(pause->time + (pause->day + pause->month * 30.0) * USECS_PER_DAY,
								 LONGEST_PAUSE), -1.0);
	if (run->asOf < YEAR_ONE || run->asOf > ClockNow())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of \"%s\" is not between year 1 and now", EventTimeFormat(run->asOf)),
				 errhint("To see what will be removed in time, shorten the policy in a transaction and call apply_retention(dry_run => true).")));
	if (run->maxRows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must be at least 1, not " INT64_FORMAT, run->maxRows)));
	if (run->pause < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pause must not be negative")));
}

/* apply_retention(dry_run, as_of, max_rows, pause) → what was removed. */
Datum
personalize_apply_retention(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	RetentionRun run = {0};

	GetArguments(fcinfo, &run);
	InitMaterializedSRF(fcinfo, 0);
	run.store = output->setResult;
	run.descriptor = output->setDesc;
	run.context = CurrentMemoryContext;
	if (!run.dryRun)
	{
		CheckMayRun();
		if (!RetentionTryLock())
		{
			RetentionReport(&run, "all", "nothing", 0, "busy", "another apply_retention() is at work");
			return (Datum) 0;
		}
	}
	for (int i = 0; i < lengthof(steps); i++)
		RunStep(&run, &steps[i]);
	return (Datum) 0;
}
