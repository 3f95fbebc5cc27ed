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
#include "base/argument.h"
#include "base/clock.h"
#include "base/event_time.h"
#include "base/interval.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "people/error_text.h"
#include "people/person_expiry.h"
#include "people/person_store.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_apply_retention);

/* Bounds of arguments. */
#define LONGEST_PAUSE (INT64CONST(36525) * USECS_PER_DAY)

/* A step and the kind of retention_policy that it obeys. */
typedef struct RetentionStep
{
	const char *kind;
	int			place;
	bool		days;			/* does not look at a whole table: no pause */
	bool		seldom;			/* one pass in the time to keep */
	bool		always;			/* has something to do without a time to keep */
	void		(*run) (RetentionRun *run, RetentionTask *task);
	const char *store;			/* the table of runOfStore */
	void		(*runOfStore) (PersonExpiry *expiry);
} RetentionStep;

/*
 * About how many bytes rows take that what begins with the table of; -1: they are
 * not removed, but get shorter, or nothing is known.
 */
static int64
RemovedBytes(const char *what, int64 removed)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {OIDOID};
	char	   *table = pnstrdup(what, strcspn(what, ": "));
	const char *rest = what + strlen(table);
	Datum		values[] = {ObjectIdGetDatum(RelationFind(table, true))};
	SpiUtilScope scope;
	bool		isNull;
	double		rows;
	double		bytes;

	if (!OidIsValid(DatumGetObjectId(values[0])) || strstr(rest, "features with") || strstr(rest, "recent items") ||
		strstr(rest, "hours folded"))
		return -1;
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT pg_total_relation_size(c.oid), greatest(c.reltuples, pg_stat_get_live_tuples(c.oid))::float8"
			   " FROM pg_class AS c WHERE c.oid = $1", 1, types, values, NULL, true);
	bytes = (double) DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	rows = DatumGetFloat8(SpiUtilValue(0, 2, &isNull));
	SpiUtilEnd(&scope);
	/* a day goes whole, and the statistics may be behind */
	if (strncmp(table, "event_p", 7) == 0 && *rest == '\0')
		return removed > 0 ? (int64) bytes : 0;
	return (int64) (bytes * removed / Max(Max(rows, (double) removed), 1));
}

/* Add a row to the answer. */
void
RetentionReport(RetentionRun *run, const char *kind, const char *what, int64 removed,
				const char *result, const char *detail)
{
	Datum		values[6];
	bool		nulls[6] = {false};
	int64		bytes = run->dryRun ? RemovedBytes(what, removed) : -1;

	values[0] = CStringGetTextDatum(kind);
	values[1] = CStringGetTextDatum(what);
	values[2] = Int64GetDatum(removed);
	values[3] = CStringGetTextDatum(result);
	nulls[4] = detail == NULL;
	if (detail)
		values[4] = CStringGetTextDatum(detail);
	values[5] = Int64GetDatum(bytes);
	nulls[5] = bytes < 0;
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

/* See what was committed before the locks were had. */
static void
PushFreshSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

/* Tell of rows that could not be read, which have failed to go, and are left. */
static void
ReportDamaged(RetentionRun *run, RetentionTask *task, const char *store, const PersonExpiry *expiry)
{
	task->result = "failed";
	task->detail = psprintf("damaged rows of \"%s\", which are left: " INT64_FORMAT "; SELECT personalize.rebuild_processor('%s') makes the table anew from raw events",
							store, expiry->damaged, expiry->remaker);
	RetentionReport(run, task->kind, psprintf("%s: damaged rows", store), 0, task->result, task->detail);
}

/* Let a table do what it is to do, and take over what came of it. */
static void
RunOfStore(RetentionRun *run, const RetentionStep *step, RetentionTask *task)
{
	PersonExpiry expiry = {
		.asOf = run->asOf,
		.hasCutoff = task->hasCutoff,
		.cutoff = task->cutoff,
		.dryRun = run->dryRun,
		.maxRows = run->maxRows,
		.hasNextKey = task->hasNextKey,
		.nextKey = task->nextKey
	};

	step->runOfStore(&expiry);
	if (expiry.busy)
	{
		task->result = "busy";
		task->detail = pstrdup(expiry.busy);
	}
	task->removed = expiry.removed;
	task->passed = expiry.passed;
	task->hasNextKey = expiry.hasNextKey;
	task->nextKey = RetentionPosition(expiry.nextKey);
	for (int i = 0; i < expiry.lineCount; i++)
		RetentionReportTask(run, task, expiry.lines[i].what, expiry.lines[i].removed);
	if (expiry.damaged > 0)
		ReportDamaged(run, task, step->store, &expiry);
}

/* What retention does itself. */
static const RetentionStep ownSteps[] = {
	{.kind = "dictionary",.place = 90,.seldom = true,.run = RetentionNoteDictionary},
	{.kind = "ledger",.place = 100,.run = RetentionFindIdle},
	{.kind = "raw",.place = 110,.days = true,.always = true,.run = RetentionExpireDays},
	{.kind = "ledger",.place = 120,.run = RetentionForgetIdle}
};

/* Order steps by their place. */
static int
CompareSteps(const ListCell *left, const ListCell *right)
{
	return ((const RetentionStep *) lfirst(left))->place - ((const RetentionStep *) lfirst(right))->place;
}

/* All steps, in their order. */
static List *
CollectSteps(void)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	List	   *steps = NIL;

	for (int i = 0; i < lengthof(ownSteps); i++)
		steps = lappend(steps, unconstify(RetentionStep *, &ownSteps[i]));
	for (int i = 0; i < count; i++)
		for (const PersonExpiryStep *expiry = stores[i].expiry; expiry && expiry->kind; expiry++)
		{
			RetentionStep *step = palloc0(sizeof(RetentionStep));

			step->kind = expiry->kind;
			step->place = expiry->place;
			step->always = expiry->always;
			step->store = stores[i].name;
			step->runOfStore = expiry->run;
			steps = lappend(steps, step);
		}
	list_sort(steps, CompareSteps);
	return steps;
}

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
			   " LEFT JOIN personalize_internal._retention_kind() AS d ON d.kind = k.kind"
			   " LEFT JOIN personalize.retention_policy AS p ON p.kind = k.kind AND p.event IS NULL"
			   " LEFT JOIN personalize._retention_state AS s ON s.kind = k.kind",
			   2, types, values, NULL, false);
	task->cutoff = DatumGetTimestampTz(SpiUtilValue(0, 1, &isNull));
	task->hasCutoff = !isNull;
	task->nextKey = DatumGetInt64(SpiUtilValue(0, 2, &isNull));
	task->hasNextKey = !isNull && !run->dryRun;
	passedAt = DatumGetTimestampTz(SpiUtilValue(0, 3, &isNull));
	if (isNull || step->days || run->dryRun)
		passedAt = 0;
	SpiUtilEnd(&scope);
	if (run->pause > 0 && passedAt != 0 && !task->hasNextKey &&
		run->asOf >= passedAt && run->asOf - passedAt < run->pause)
		return false;
	if (step->seldom && passedAt != 0 && !task->hasNextKey && passedAt > task->cutoff &&
		run->asOf >= passedAt)
		return false;
	return task->hasCutoff || step->always;
}

/* Remember what a step did. */
static void
WriteState(const RetentionRun *run, const RetentionTask *task)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID};
	Datum		values[6];
	char		nulls[] = {' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = CStringGetTextDatum(task->kind);
	values[1] = CStringGetTextDatum(task->result);
	values[2] = task->detail ? CStringGetTextDatum(task->detail) : (Datum) 0;
	nulls[2] = task->detail ? ' ' : 'n';
	values[3] = Int64GetDatum(task->removed);
	values[4] = Int64GetDatum(task->nextKey);
	nulls[4] = task->hasNextKey ? ' ' : 'n';
	values[5] = TimestampTzGetDatum(run->asOf);
	nulls[5] = task->passed ? ' ' : 'n';
	SpiUtilRunAsOwner(&plan,
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
}

/* A step that is taken. */
typedef struct Step
{
	RetentionRun *run;
	const RetentionStep *step;
	RetentionTask task;
} Step;

/* Take it. */
static bool
TakeStep(void *argument)
{
	Step	   *taken = argument;

	PushFreshSnapshot();
	if (taken->step->runOfStore)
		RunOfStore(taken->run, taken->step, &taken->task);
	else
		taken->step->run(taken->run, &taken->task);
	PopActiveSnapshot();
	return true;
}

/* Remember that a step has failed. */
static void
NoteFailed(RetentionRun *run, const char *kind, char *message)
{
	MemoryContext caller = MemoryContextSwitchTo(run->context);
	RetentionTask *task = palloc0(sizeof(RetentionTask));

	task->kind = kind;
	task->result = "failed";
	task->detail = message;
	run->failed = lappend(run->failed, task);
	MemoryContextSwitchTo(caller);
}

/* Write what has failed, when all else is done: no erasure can be at work while it is written. */
static void
WriteFailed(RetentionRun *run)
{
	ListCell   *cell;

	foreach(cell, run->failed)
	{
		RetentionTask *task = lfirst(cell);

		task->detail = unconstify(char *, ErrorTextToKeep(task->detail, run->since));
		PushFreshSnapshot();
		WriteState(run, task);
		PopActiveSnapshot();
	}
}

/* One step, undone if it fails. */
static void
RunStep(RetentionRun *run, const RetentionStep *step)
{
	Step		taken = {.run = run,.step = step};
	ErrorData  *error;
	bool		due;

	PushFreshSnapshot();
	due = ReadTask(run, step, &taken.task);
	PopActiveSnapshot();
	if (!due)
		return;
	error = SubtransactionTry(TakeStep, &taken);
	if (error != NULL)
	{
		NoteFailed(run, step->kind, error->message);
		RetentionReport(run, step->kind, step->kind, 0, "failed", error->message);
		ereport(WARNING,
				(errmsg("retention of kind \"%s\" failed: %s", step->kind, error->message)));
	}
	if (!run->dryRun && !taken.task.skip && error == NULL)
	{
		PushFreshSnapshot();
		WriteState(run, &taken.task);
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
				 errhint("%s", ArgumentIsolationHint())));
}

/* The arguments, checked. */
static void
GetArguments(FunctionCallInfo fcinfo, RetentionRun *run)
{
	static const char *const names[] = {"dry_run", "as_of", "max_rows", "pause"};

	for (int i = 0; i < 4; i++)
		if (i != 1)
			ArgumentCheckGiven(fcinfo, i, names[i]);
	ArgumentCheckSpan(fcinfo, 3, "pause");
	run->dryRun = PG_GETARG_BOOL(0);
	run->asOf = PG_ARGISNULL(1) ? ClockNow() : PG_GETARG_TIMESTAMPTZ(1);
	run->maxRows = PG_GETARG_INT64(2);
	run->pause = Min(IntervalLength(PG_GETARG_INTERVAL_P(3)), LONGEST_PAUSE);
	if (run->asOf < CLOCK_YEAR_ONE || run->asOf > ClockNow())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of \"%s\" is not between year 1 and now", EventTimeFormat(run->asOf)),
				 errhint("To see what will be removed in time, shorten the policy in a transaction and call apply_retention(dry_run => true).")));
	if (run->maxRows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must be at least 1, not " INT64_FORMAT, run->maxRows)));
}

/* apply_retention(dry_run, as_of, max_rows, pause) → what was removed. */
Datum
personalize_apply_retention(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	RetentionRun run = {0};
	ListCell   *cell;

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
	run.since = ErrorTextBegin();
	foreach(cell, CollectSteps())
		RunStep(&run, lfirst(cell));
	if (!run.dryRun)
		WriteFailed(&run);
	return (Datum) 0;
}
