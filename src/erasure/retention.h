/*
 * retention.h
 *		What the files of retention share.
 */
#ifndef PERSONALIZE_RETENTION_H
#define PERSONALIZE_RETENTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/tuplestore.h"

/* One call of apply_retention(). */
typedef struct RetentionRun
{
	bool		dryRun;
	TimestampTz asOf;
	int64		maxRows;		/* of each kind */
	int64		pause;			/* microseconds */
	Tuplestorestate *store;
	TupleDesc	descriptor;
	MemoryContext context;		/* lives as long as the run */
	int64	   *idle;			/* people to be forgotten, found before locks are taken */
	int			idleCount;
	bool		idleMore;		/* and one more behind them */
	bool		idleFound;		/* they have been looked for */
	int64		pruned;			/* superseded decisions taken out of the ledger */
	TransactionId since;		/* when it began */
	List	   *failed;			/* of RetentionTask: what is written at the end */
} RetentionRun;

/* What one step does, and what came of it. */
typedef struct RetentionTask
{
	const char *kind;
	bool		hasCutoff;		/* false: kept without end */
	TimestampTz cutoff;			/* what lies before is past its time */
	bool		hasNextKey;		/* the last call stopped before this key */
	int64		nextKey;
	bool		skip;			/* it is not to be noted */
	bool		passed;			/* the whole table has been looked at */
	int64		removed;
	const char *result;			/* "done", ... */
	char	   *detail;			/* NULL: none */
} RetentionTask;

/* Add a row to the answer. */
extern void RetentionReport(RetentionRun *run, const char *kind, const char *what, int64 removed,
							const char *result, const char *detail);

/* The same of a step that is at its end: "done" or, unless all was looked at, "more". */
extern void RetentionReportTask(RetentionRun *run, RetentionTask *task, const char *what,
								int64 removed);

/* Where to go on, which is kept: no person's key. */
static inline int64
RetentionPosition(int64 userKey)
{
	return userKey & ~INT64CONST(255);
}

/* Steps: retention_day.c, retention_dictionary.c, retention_person.c */
extern void RetentionExpireDays(RetentionRun *run, RetentionTask *task);
extern void RetentionNoteDictionary(RetentionRun *run, RetentionTask *task);
extern void RetentionFindIdle(RetentionRun *run, RetentionTask *task);
extern void RetentionForgetIdle(RetentionRun *run, RetentionTask *task);

#endif
