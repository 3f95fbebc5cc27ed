/*
 * event_json.c
 *		The type event_json: JSON as an application sends it.
 *
 * The input of jsonb raises for what no jsonb can hold (\u0000, half a surrogate
 * pair, a number of a million digits) and for what is no JSON at all, and with it
 * the whole statement is lost, good rows and bad.  The input of event_json never
 * fails: a text is kept as it is, and read where its message is checked, in a
 * subtransaction, so that it becomes the reason of a rejection.
 *
 * A value that comes from a jsonb is that jsonb behind four NULs, with which no
 * text begins; four, so that it stays aligned.
 */
#include "postgres.h"

#include "events/event_json.h"

#include "base/subtransaction.h"
#include "compat.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(personalize_event_json_out);
PG_FUNCTION_INFO_V1(personalize_event_json_recv);
PG_FUNCTION_INFO_V1(personalize_event_json_send);
PG_FUNCTION_INFO_V1(personalize_event_json_from_jsonb);

/* What stands in front of a jsonb. */
#define MARK_BYTES 4

/* What the binary form of a jsonb begins with, and no JSON does. */
#define JSONB_BINARY_VERSION '\1'

/*
 * True if an error says that the text is at fault, and not the server or the user's patience.
 * What is not supported are escapes where nothing is converted from UTF-8, as in SQL_ASCII.
 */
static bool
IsFaultOfText(int sqlState)
{
	return ERRCODE_TO_CATEGORY(sqlState) == ERRCODE_DATA_EXCEPTION ||
		ERRCODE_TO_CATEGORY(sqlState) == ERRCODE_PROGRAM_LIMIT_EXCEEDED || sqlState == ERRCODE_FEATURE_NOT_SUPPORTED;
}

/* What an error says, as one clause. */
static char *
Describe(const ErrorData *error)
{
	char	   *reason = error->detail ?
		psprintf("not JSON: %s: %s", error->message, error->detail) :
		psprintf("not JSON: %s", error->message);
	size_t		length = strlen(reason);

	if (reason[length - 1] == '.')
		reason[length - 1] = '\0';
	return reason;
}

/* A text and its jsonb. */
typedef struct Parsing
{
	char	   *text;
	Jsonb	   *json;
} Parsing;

/* Parse it. */
static bool
Parse(void *argument)
{
	Parsing    *parsing = argument;

	parsing->json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(parsing->text)));
	return true;
}

/* Read a text as jsonb; NULL, and why, if it is none. */
Jsonb *
EventJsonRead(IngestString text, char **reason)
{
	Parsing		parsing = {.text = pnstrdup(text.data, text.length)};
	ErrorData  *error = SubtransactionTry(Parse, &parsing);

	if (error != NULL && !IsFaultOfText(error->sqlerrcode))
		ReThrowError(error);
	if (error != NULL)
		*reason = Describe(error);
	pfree(parsing.text);
	return parsing.json;
}

/* True if the value holds a jsonb. */
static bool
IsMarked(const IngestString *value)
{
	return value->length > MARK_BYTES && memcmp(value->data, "\0\0\0\0", MARK_BYTES) == 0;
}

/* The bytes of a datum. */
static IngestString
Bytes(Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

	return (IngestString) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

/* The jsonb of a marked value. */
static Jsonb *
Unmark(const IngestString *value)
{
	int			size = value->length - MARK_BYTES;
	Jsonb	   *json = palloc(VARHDRSZ + size);

	SET_VARSIZE(json, VARHDRSZ + size);
	memcpy(VARDATA(json), value->data + MARK_BYTES, size);
	return json;
}

/* The jsonb of an event_json datum; NULL, the text and why, if it is none. */
Jsonb *
EventJsonGet(Datum value, IngestString *text, char **reason)
{
	*text = Bytes(value);
	return IsMarked(text) ? Unmark(text) : EventJsonRead(*text, reason);
}

/* The jsonb of an event_json datum; raises if it is none. */
Jsonb *
EventJsonToJsonb(Datum value)
{
	IngestString text = Bytes(value);

	if (IsMarked(&text))
		return Unmark(&text);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(text.data, text.length))));
}

/* The text of an event_json datum, palloc'd. */
char *
EventJsonString(Datum datum)
{
	IngestString value = Bytes(datum);
	Jsonb	   *json;

	if (!IsMarked(&value))
		return pnstrdup(value.data, value.length);
	json = Unmark(&value);
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* event_json output: the text as it was given. */
Datum
personalize_event_json_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(EventJsonString(PG_GETARG_DATUM(0)));
}

/* event_json binary input: that of text, or of jsonb, which puts a version before it. */
Datum
personalize_event_json_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);

	if (buffer->len > buffer->cursor && buffer->data[buffer->cursor] == JSONB_BINARY_VERSION)
		buffer->cursor++;
	return textrecv(fcinfo);
}

/* event_json binary output: that of text. */
Datum
personalize_event_json_send(PG_FUNCTION_ARGS)
{
	char	   *string = EventJsonString(PG_GETARG_DATUM(0));
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendtext(&buffer, string, strlen(string));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* jsonb as event_json. */
Datum
personalize_event_json_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *json = PG_GETARG_JSONB_P(0);
	int			size = VARSIZE(json) - VARHDRSZ;
	struct varlena *value = palloc(VARHDRSZ + MARK_BYTES + size);

	SET_VARSIZE(value, VARHDRSZ + MARK_BYTES + size);
	memset(VARDATA(value), 0, MARK_BYTES);
	memcpy(VARDATA(value) + MARK_BYTES, VARDATA(json), size);
	PG_RETURN_POINTER(value);
}
