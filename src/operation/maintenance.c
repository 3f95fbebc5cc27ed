/*
 * maintenance.c
 *		What workers do about the days of event and the search index.
 *
 * Partitions are made days ahead, so that no application ever has to; the BRIN
 * indexes of open days are brought up to date; days that all processors have
 * passed are closed; message ids outside the dedup window are forgotten.  After
 * pg_upgrade the words of the search index are compared with those of the new server.
 */
#include "postgres.h"

#include "operation/maintenance.h"

#include "base/spi_util.h"
#include "events/partition.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"
#include "workers/worker_task.h"

/* Days for which partitions exist ahead of today. */
#define DAYS_AHEAD 3

/* One run in so many forgets message ids, which reads all of message_seen. */
#define RUNS_PER_PURGE 60

/* Make partitions ahead. */
static bool
MakeAhead(void)
{
	PartitionMakeAhead(DAYS_AHEAD);
	return false;
}

/* Bring indexes of open days up to date. */
static bool
Summarize(void)
{
	PartitionSummarize();
	return false;
}

/* Close one day: its index takes a while, and its locks are not kept for the next. */
static bool
CloseOneDay(void)
{
	return PartitionCloseDays(ProcessorAllSeenBelow(GetActiveSnapshot()), 1) > 0;
}

/* Run a statement. */
static bool
Run(const char *statement)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	(void) SPI_execute(statement, false, 0);
	SpiUtilEnd(&scope);
	return false;
}

/* Forget message ids that are older than the dedup window. */
static bool
PurgeMessages(void)
{
	return Run("SELECT personalize_internal._purge_message_seen()");
}

/* Go over the search index once where a server of another major version made it. */
static bool
RenewSearchIndex(void)
{
	return Run("SELECT personalize_internal._search_renew()");
}

static const WorkerTask tasks[] = {
	{"maintenance: making partitions ahead", MakeAhead, 1},
	{"maintenance: summarising indexes", Summarize, 1},
	{"maintenance: closing days", CloseOneDay, 1},
	{"maintenance: forgetting message ids", PurgeMessages, RUNS_PER_PURGE},
	{"maintenance: renewing the search index", RenewSearchIndex, 1}
};

/* Called once when the library is loaded. */
void
MaintenanceInit(void)
{
	for (int i = 0; i < lengthof(tasks); i++)
		WorkerTaskRegister(&tasks[i]);
}
