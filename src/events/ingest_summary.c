/*
 * ingest_summary.c
 *		What became of the messages of a call: a word at its end, and its result row.
 *
 * COPY says "COPY 23503" also if all but one were suppressed, so a batch of which
 * anything was not stored ends with a message that says how many, and why.
 */
#include "postgres.h"

#include "base/json_build.h"
#include "compat.h"
#include "events/ingest_private.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* Columns of the row that the batch functions return: the counts, and reasons. */
#define SUMMARY_COLUMN_COUNT (INGEST_STATUS_COUNT + 1)

/* Append "Suppressed: 2 undecided, 1 withdrawn." if there are any. */
static void
AppendReasons(StringInfo detail, const IngestCounts *counts, IngestStatus status, const char *title)
{
	const char *separator = "";

	if (counts->of[status] == 0)
		return;
	appendStringInfo(detail, " %s: ", title);
	for (int reason = 0; reason < INGEST_REASON_COUNT; reason++)
	{
		if (counts->reasons[reason] == 0 || IngestReasonStatus(reason) != status)
			continue;
		appendStringInfo(detail, "%s%lld %s", separator, (long long) counts->reasons[reason],
						 IngestReasonName(reason));
		separator = ", ";
	}
	appendStringInfoChar(detail, '.');
}

/* Tell what was not stored of several messages, and what was rejected. */
void
IngestTellSummary(const IngestBatch *batch)
{
	const IngestCounts *counts = &batch->counts;
	int64		total = 0;
	int64		missing;
	bool		isFault = counts->of[INGEST_REJECTED] > 0 ||
		(batch->history && counts->of[INGEST_SUPPRESSED] > 0);
	StringInfoData detail;

	for (int status = 0; status < INGEST_STATUS_COUNT; status++)
		total += counts->of[status];
	missing = total - counts->of[INGEST_ACCEPTED];
	if (missing == 0 || (total == 1 && counts->of[INGEST_REJECTED] == 0))
		return;
	initStringInfo(&detail);
	appendStringInfo(&detail, "Stored: %lld.", (long long) counts->of[INGEST_ACCEPTED]);
	if (counts->of[INGEST_DUPLICATE] > 0)
		appendStringInfo(&detail, " Duplicate: %lld.", (long long) counts->of[INGEST_DUPLICATE]);
	AppendReasons(&detail, counts, INGEST_SUPPRESSED, "Suppressed");
	AppendReasons(&detail, counts, INGEST_REJECTED, "Rejected");
	/* what people have not allowed is no fault, unless all of it was to be imported */
	ereport(isFault ? WARNING : NOTICE,
			(errmsg("%lld of %lld events were not stored", (long long) missing, (long long) total),
			 errdetail_internal("%s", detail.data),
			 counts->of[INGEST_REJECTED] > 0 ?
			 errhint("SELECT * FROM personalize.rejections() tells which were rejected in this transaction and why; later personalize.rejected_event does, to personalize_admin.") : 0));
}

/* The reasons of all statuses that have some, as {"rejected": {"ts": 1}}; NULL if there are none. */
static Jsonb *
ReasonsJson(const IngestCounts *counts)
{
	static const struct
	{
		IngestStatus status;
		const char *name;
	}			parts[] = {{INGEST_SUPPRESSED, "suppressed"}, {INGEST_REJECTED, "rejected"}};
	JsonbParseState *state = NULL;

	if (counts->of[INGEST_SUPPRESSED] + counts->of[INGEST_REJECTED] == 0)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(parts); i++)
	{
		if (counts->of[parts[i].status] == 0)
			continue;
		JsonPushKey(&state, parts[i].name);
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		for (int reason = 0; reason < INGEST_REASON_COUNT; reason++)
		{
			if (counts->reasons[reason] == 0 || IngestReasonStatus(reason) != parts[i].status)
				continue;
			JsonPushNumber(&state, IngestReasonName(reason), counts->reasons[reason]);
		}
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Counts as the row that the batch functions return. */
Datum
IngestCountsDatum(FunctionCallInfo fcinfo, IngestCounts counts)
{
	TupleDesc	descriptor;
	Jsonb	   *reasons = ReasonsJson(&counts);
	Datum		values[SUMMARY_COLUMN_COUNT];
	bool		nulls[SUMMARY_COLUMN_COUNT] = {false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int i = 0; i < INGEST_STATUS_COUNT; i++)
		values[i] = Int64GetDatum(counts.of[i]);
	values[INGEST_STATUS_COUNT] = JsonbPGetDatum(reasons);
	nulls[INGEST_STATUS_COUNT] = reasons == NULL;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
