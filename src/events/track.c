/*
 * track.c
 *		The functions an application calls to hand in events.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/argument.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/ingest.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(personalize_track);
PG_FUNCTION_INFO_V1(personalize_track_jsonb);
PG_FUNCTION_INFO_V1(personalize_try_track);
PG_FUNCTION_INFO_V1(personalize_ingest);
PG_FUNCTION_INFO_V1(personalize_import_events);

/* The most messages that are written at once. */
#define FLUSH_MESSAGES 10000

/* A column of a call that hands in arrays. */
typedef struct ArrayColumn
{
	const char *name;
	bool		given;
	Datum	   *values;
	bool	   *nulls;
	int			count;
} ArrayColumn;

/* Columns of ingest() and import_events(), in their order. */
enum
{
	COLUMN_USER_IDS,
	COLUMN_EVENTS,
	COLUMN_ITEM_IDS,
	COLUMN_TS,
	COLUMN_PROPERTIES,
	COLUMN_SESSION_IDS,
	COLUMN_REQUEST_IDS,
	COLUMN_MESSAGE_IDS,
	COLUMN_CONSENTS,
	COLUMN_COUNT
};
static const char *const columnNames[COLUMN_COUNT] = {
	"user_ids", "events", "item_ids", "ts", "properties",
	"session_ids", "request_ids", "message_ids", "consents"
};

/* The bytes of a text datum. */
static IngestString
DatumString(Datum datum)
{
	text	   *string = DatumGetTextPP(datum);

	return (IngestString)
	{
		VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)
	};
}

/* The bytes of a text argument. */
static IngestString
ArgumentString(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return (IngestString)
	{
		NULL, 0
	};
	return DatumString(PG_GETARG_DATUM(argument));
}

/* OID of a label of ingest_status, which the function returns. */
static Oid
StatusLabel(FunctionCallInfo fcinfo, IngestStatus status)
{
	static const char *const labels[INGEST_STATUS_COUNT] = {
		"accepted", "duplicate", "suppressed", "rejected"
	};
	Oid			typeId = get_func_rettype(fcinfo->flinfo->fn_oid);

	return GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid, ObjectIdGetDatum(typeId),
						   CStringGetDatum(labels[status]));
}

/* Take in the event that the arguments describe, except its properties. */
static Datum
TrackOne(FunctionCallInfo fcinfo, IngestBatch *batch, IngestMessage *message, bool raise)
{
	IngestCounts counts;
	int			status = 0;

	message->rowNumber = raise ? 0 : 1;
	message->userId = ArgumentString(fcinfo, 0);
	message->event = ArgumentString(fcinfo, 1);
	message->itemId = ArgumentString(fcinfo, 2);
	if (!PG_ARGISNULL(4))
		IngestSetTs(message, PG_GETARG_DATUM(4));
	message->sessionId = ArgumentString(fcinfo, 5);
	message->requestId = ArgumentString(fcinfo, 6);
	message->messageId = ArgumentString(fcinfo, 7);
	message->speaks = !PG_ARGISNULL(8);
	if (message->speaks)
		message->spoken = IngestPurposes(batch, PG_GETARG_ARRAYTYPE_P(8));
	IngestAdd(batch, message);
	IngestSetRaise(batch, raise);
	IngestFlush(batch);
	counts = IngestEnd(batch);
	while (counts.of[status] == 0)
		status++;
	PG_RETURN_OID(StatusLabel(fcinfo, status));
}

/* track(user_id, event, item_id, properties, ts, session_id, request_id, message_id, consent). */
Datum
personalize_track(PG_FUNCTION_ARGS)
{
	IngestBatch *batch = IngestBegin("track", false);
	IngestMessage message = {0};

	if (!PG_ARGISNULL(3))
		IngestSetProperties(&message, PG_GETARG_DATUM(3));
	return TrackOne(fcinfo, batch, &message, true);
}

/* track(...) with properties that are jsonb. */
Datum
personalize_track_jsonb(PG_FUNCTION_ARGS)
{
	IngestMessage message = {.hasProperties = !PG_ARGISNULL(3), .properties = PG_GETARG_DATUM(3)};

	return TrackOne(fcinfo, IngestBegin("track", false), &message, true);
}

/* try_track(...): the same, but what is not acceptable is kept, and nothing raised. */
Datum
personalize_try_track(PG_FUNCTION_ARGS)
{
	IngestBatch *batch = IngestBegin("try_track", false);
	IngestMessage message = {0};

	if (!PG_ARGISNULL(3))
		IngestSetProperties(&message, PG_GETARG_DATUM(3));
	return TrackOne(fcinfo, batch, &message, false);
}

/* Read one column of a call. */
static void
ReadColumn(FunctionCallInfo fcinfo, int argument, ArrayColumn *column)
{
	ArrayType  *array;
	int16		length;
	bool		byValue;
	char		align;

	column->name = columnNames[argument];
	column->given = !PG_ARGISNULL(argument);
	if (!column->given)
		return;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s has %d dimensions instead of one", column->name, ARR_NDIM(array))));
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &byValue, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, byValue, align,
					  &column->values, &column->nulls, &column->count);
}

/* Read the columns of a call, which must have one length. */
static int
ReadColumns(FunctionCallInfo fcinfo, ArrayColumn *columns)
{
	for (int i = 0; i < COLUMN_COUNT; i++)
		ReadColumn(fcinfo, i, &columns[i]);
	for (int i = COLUMN_USER_IDS; i <= COLUMN_EVENTS; i++)
		if (!columns[i].given)
			ArgumentReportNull(columns[i].name);
	for (int i = 0; i < COLUMN_COUNT; i++)
		if (columns[i].given && columns[i].count != columns[COLUMN_USER_IDS].count)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("%s has %d elements, but user_ids has %d", columns[i].name,
							columns[i].count, columns[COLUMN_USER_IDS].count)));
	return columns[COLUMN_USER_IDS].count;
}

/* The bytes of an element. */
static inline IngestString
ElementString(const ArrayColumn *column, int row)
{
	if (!column->given || column->nulls[row])
		return (IngestString)
	{
		NULL, 0
	};
	return DatumString(column->values[row]);
}

/* Take in events given as columns. */
static Datum
IngestColumns(FunctionCallInfo fcinfo, const char *source, bool history)
{
	ArrayColumn columns[COLUMN_COUNT] = {0};
	int			count = ReadColumns(fcinfo, columns);
	IngestBatch *batch = IngestBegin(source, history);

	for (int row = 0; row < count; row++)
	{
		IngestMessage message = {.rowNumber = row + 1};
		IngestString consent = ElementString(&columns[COLUMN_CONSENTS], row);

		message.userId = ElementString(&columns[COLUMN_USER_IDS], row);
		message.event = ElementString(&columns[COLUMN_EVENTS], row);
		message.itemId = ElementString(&columns[COLUMN_ITEM_IDS], row);
		message.sessionId = ElementString(&columns[COLUMN_SESSION_IDS], row);
		message.requestId = ElementString(&columns[COLUMN_REQUEST_IDS], row);
		message.messageId = ElementString(&columns[COLUMN_MESSAGE_IDS], row);
		if (columns[COLUMN_TS].given && !columns[COLUMN_TS].nulls[row])
			IngestSetTs(&message, columns[COLUMN_TS].values[row]);
		if (columns[COLUMN_PROPERTIES].given && !columns[COLUMN_PROPERTIES].nulls[row])
			IngestSetProperties(&message, columns[COLUMN_PROPERTIES].values[row]);
		message.speaks = consent.data != NULL;
		if (message.speaks)
			message.spoken = IngestPurposeList(batch, consent.data, consent.length);
		IngestAdd(batch, &message);
		if ((row + 1) % FLUSH_MESSAGES == 0)
			IngestFlush(batch);
	}
	IngestFlush(batch);
	return IngestCountsDatum(fcinfo, IngestEnd(batch));
}

/* ingest(user_ids, events, ...). */
Datum
personalize_ingest(PG_FUNCTION_ARGS)
{
	return IngestColumns(fcinfo, "ingest", false);
}

/* import_events(user_ids, events, ...). */
Datum
personalize_import_events(PG_FUNCTION_ARGS)
{
	return IngestColumns(fcinfo, "import_events", true);
}
