/*
 * ingest_reject.c
 *		What becomes of a message that is not acceptable.
 *
 * track() raises and try_track() never does.  All that take several messages, inbox
 * among them, do as personalize.on_bad_row says, be it one or a thousand: how many
 * rows a statement has is often not the application's choice but its ORM's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/ingest_private.h"
#include "events/ingest_stat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_rejections);

/* Raise what is wrong with a message; drivers find its field where a table's column is named. */
static void
RaiseMessage(const IngestBatch *batch, const PendingMessage *message)
{
	const char *field = message->cause == REASON_MALFORMED ? NULL : IngestReasonName(message->cause);
	long long	row = message->rowNumber;

	if (row == 0)
		ereport(ERROR,
				(errcode(message->sqlState),
				 errmsg("%s", message->reason),
				 field ? err_generic_string(PG_DIAG_COLUMN_NAME, field) : 0));
	ereport(ERROR,
			(errcode(message->sqlState),
			 errmsg("row %lld: %s", row, message->reason),
			 field ?
			 errdetail("Row %lld of %s was rejected for its %s. No row of the statement is stored.", row, batch->source, field) :
			 errdetail("Row %lld of %s could not be read. No row of the statement is stored.", row, batch->source),
			 errhint("With personalize.on_bad_row = set_aside the others are stored."),
			 field ? err_generic_string(PG_DIAG_COLUMN_NAME, field) : 0));
}

/* Raise what is wrong with the first rejected message; it stays counted. */
void
IngestRaiseRejected(const IngestBatch *batch)
{
	for (int i = 0; i < batch->messageCount; i++)
	{
		int64		reasons[INGEST_REASON_COUNT] = {0};

		if (batch->messages[i].status != INGEST_REJECTED)
			continue;
		reasons[batch->messages[i].cause]++;
		IngestStatAdd(reasons);
		RaiseMessage(batch, &batch->messages[i]);
	}
}

/* rejections() → (row_number, source, reason, payload), of this transaction. */
Datum
personalize_rejections(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		argument[1];
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return (Datum) 0;
	argument[0] = Int64GetDatum(TxidOfNow(GetTopTransactionIdIfAny()));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT row_number, source, reason, payload FROM personalize.rejected_event"
			   " WHERE txid = $1 ORDER BY rejected_at, row_number",
			   lengthof(types), types, argument, NULL, true);
	SpiUtilReturnRows(result);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}
