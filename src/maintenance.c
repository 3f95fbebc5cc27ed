/*
 * maintenance.c
 *		What a worker does beside the batches.
 *
 * Partitions are made days ahead, so that no application ever has to; the BRIN
 * indexes of open days are brought up to date; days that all processors have
 * passed are closed; message ids outside the dedup window are forgotten.  Each
 * task has a transaction of its own and gives way to locks that others hold:
 * what cannot be done now is done a minute later.
 */
#include "postgres.h"

#include "worker.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "erasure_scrub.h"
#include "miscadmin.h"
#include "partition.h"
#include "pgstat.h"
#include "processor.h"
#include "spi_util.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

/* Days for which partitions exist ahead of today. */
#define DAYS_AHEAD 3

/* How long to wait for a lock, and until the next run, in milliseconds. */
#define LOCK_TIMEOUT "1000"
#define INTERVAL 60000

/* One run in so many forgets message ids, which reads all of message_seen. */
#define RUNS_PER_PURGE 60

/* Begin a transaction that does not wait long for locks. */
static void
BeginTask(const char *activity)
{
	pgstat_report_activity(STATE_RUNNING, activity);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Commit it. */
static void
EndTask(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	(void) pgstat_report_stat(false);
}

/* Forget message ids that are older than the dedup window. */
static void
PurgeMessages(void)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	(void) SPI_execute("SELECT personalize._purge_message_seen()", false, 0);
	SpiUtilEnd(&scope);
}

/* Close one day; true if there may be another. */
static bool
CloseOneDay(void)
{
	int			closed;

	BeginTask("maintenance: closing days");
	closed = PartitionCloseDays(ProcessorAllSeenBelow(GetActiveSnapshot()), 1);
	EndTask();
	return closed > 0;
}

/* Everything, each in its own transaction. */
long
MaintenanceRun(void)
{
	BeginTask("maintenance: making partitions ahead");
	PartitionMakeAhead(DAYS_AHEAD);
	EndTask();

	BeginTask("maintenance: summarising indexes");
	PartitionSummarize();
	EndTask();

	/* a day's index takes a while: its locks are not kept for the next */
	while (CloseOneDay())
		CHECK_FOR_INTERRUPTS();

	BeginTask("maintenance: looking for erasures to scrub");
	ErasureScrubStartIfDue();
	EndTask();

	/* by chance, because where databases take turns no worker counts to 60 */
	if (pg_prng_uint64(&pg_global_prng_state) % RUNS_PER_PURGE == 0)
	{
		BeginTask("maintenance: forgetting message ids");
		PurgeMessages();
		EndTask();
	}
	return INTERVAL;
}
