/*
 * payload_name.c
 *		Whom a rejected event names.
 *
 * What could not be taken is kept as it came, and often it was not taken because
 * it came in the wrong shape: the id is a member's name, or stands in an array, or
 * is a number, or in JSON that was made a string of once too often, or in a text that
 * is no JSON at all (the member "unreadable"): cut off, of another language, a form, a
 * line of a log.  So that the events of somebody who is forgotten are found among
 * those of nobody, everything in them that can be an id is listed.
 */
#include "postgres.h"

#include "compat.h"
#include "events/event_json.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(personalize_payload_names);

/* Members of an event that mean something else than a person, numbers in them above all. */
static const char *const otherMembers[] = {
	"event", "item_id", "items", "ts", "timestamp", "session_id", "request_id", "message_id",
	"consent", "properties", "value", "price", "quantity", "currency", "amount", "count", "slot",
	"position", "rank", "score"
};

/* Where in the event we are. */
typedef struct PayloadPlace
{
	int			depth;
	int			personDepth;	/* of the object whose user_id we are in; 0: in none */
	bool		inOther;		/* in one of otherMembers of the event itself */
} PayloadPlace;

/* True if a JSON string is this. */
static bool
IsString(const JsonbValue *value, const char *string)
{
	return value->val.string.len == strlen(string) &&
		memcmp(value->val.string.val, string, value->val.string.len) == 0;
}

/* Note that a member begins; true if its name can be an id. */
static bool
BeginMember(PayloadPlace *place, const JsonbValue *key)
{
	bool		isPerson = IsString(key, "user_id");
	bool		isOther = false;

	for (int i = 0; i < lengthof(otherMembers) && !isOther; i++)
		isOther = IsString(key, otherMembers[i]);
	if (place->depth == 1)
		place->inOther = isOther;
	if (place->depth <= place->personDepth)
		place->personDepth = 0;
	if (isPerson && place->personDepth == 0)
		place->personDepth = place->depth;
	return !isPerson && !isOther;
}

/* Add a name to the result. */
static void
AddName(ReturnSetInfo *result, const char *name, int length, bool certain)
{
	Datum		values[] = {
		PointerGetDatum(cstring_to_text_with_len(name, length)), BoolGetDatum(certain)
	};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * What ids stand between in a text that is no JSON.  Ids can hold most of it themselves, so
 * such a text is taken apart in several ways.
 */
static const char *const separators[] = {
	"\"",						/* JSON */
	"'",						/* what other languages print of their objects */
	"\"{}[]:, \t\r\n",			/* what stands alone in either */
	"\"'{}[]():;,=&?|<> \t\r\n",	/* forms, addresses, XML, columns */
	"\"',;=&|<>\t\r\n"			/* columns with blanks in them */
};

/* The value of a hexadecimal digit; negative: it is none. */
static int
HexValue(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Add a piece with what forms and addresses make of other characters resolved (RFC 3986, section 2.1). */
static void
AddDecoded(ReturnSetInfo *result, const char *piece, int length, bool certain)
{
	char	   *decoded = palloc(length);
	int			count = 0;

	for (int i = 0; i < length; i++)
	{
		int			high = piece[i] == '%' && i + 2 < length ? HexValue(piece[i + 1]) : -1;
		int			low = high >= 0 ? HexValue(piece[i + 2]) : -1;

		decoded[count++] = low >= 0 ? (char) (high * 16 + low) : piece[i] == '+' ? ' ' : piece[i];
		i += low >= 0 ? 2 : 0;
	}
	if (pg_verify_mbstr(GetDatabaseEncoding(), decoded, count, true))
		AddName(result, decoded, count, certain);
	pfree(decoded);
}

/* Add a piece of a text that is no JSON, as it is and with its escapes resolved. */
static void
AddPiece(ReturnSetInfo *result, const char *piece, int length, bool certain)
{
	char	   *quoted;
	char	   *reason;
	Jsonb	   *json;
	JsonbValue	string;

	if (length == 0)
		return;
	AddName(result, piece, length, certain);
	if (memchr(piece, '%', length) != NULL || memchr(piece, '+', length) != NULL)
		AddDecoded(result, piece, length, certain);
	if (memchr(piece, '\\', length) == NULL)
		return;
	quoted = psprintf("\"%.*s\"", length, piece);
	json = EventJsonRead((IngestString) {quoted, strlen(quoted)}, &reason);
	if (json != NULL && JsonbExtractScalar(&json->root, &string) && string.type == jbvString)
		AddName(result, string.val.string.val, string.val.string.len, certain);
}

/* Add what can be an id in a text that is no JSON. */
static void
AddPieces(ReturnSetInfo *result, const char *text, int length, bool certain)
{
	for (int way = 0; way < lengthof(separators); way++)
		for (int start = 0; start < length;)
		{
			int			end = start;

			while (end < length && strchr(separators[way], text[end]) == NULL)
				end++;
			AddPiece(result, text + start, end - start, certain);
			start = end + 1;
		}
}

/* Add a number, as it is and without the zeros behind its point. */
static void
AddNumber(ReturnSetInfo *result, Numeric number, bool certain)
{
	char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	char	   *trimmed = DatumGetCString(DirectFunctionCall1(numeric_out, DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number))));

	AddName(result, digits, strlen(digits), certain);
	if (strcmp(digits, trimmed) != 0)
		AddName(result, trimmed, strlen(trimmed), certain);
}

static void AddNames(ReturnSetInfo *result, const Jsonb *payload, PayloadPlace place);

/* Add a string, and what is in it if it is, or was to be, JSON itself. */
static void
AddString(ReturnSetInfo *result, IngestString string, bool unreadable, const PayloadPlace *place)
{
	bool		certain = !place->inOther || place->personDepth > 0;
	PayloadPlace within = {.depth = certain && place->personDepth == 0 ? 0 : 1,.personDepth = place->personDepth > 0 ? 1 : 0,.inOther = place->inOther};
	int			start = 0;
	Jsonb	   *json = NULL;
	char	   *reason;

	AddName(result, string.data, string.length, certain);
	while (start < string.length && isspace((unsigned char) string.data[start]))
		start++;
	if (!unreadable && (start == string.length || strchr("{[\"", string.data[start]) == NULL))
		return;
	if (!unreadable)
		json = EventJsonRead(string, &reason);
	if (json != NULL)
		AddNames(result, json, within);
	else
		AddPieces(result, string.data, string.length, certain);
}

/* Add what can be an id in a payload that stands at a place. */
static void
AddNames(ReturnSetInfo *result, const Jsonb *payload, PayloadPlace place)
{
	JsonbIterator *iterator = JsonbIteratorInit((JsonbContainer *) &payload->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		unreadable = false;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		isName = token == WJB_VALUE || token == WJB_ELEM;

		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			place.depth++;
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
		{
			if (--place.depth < place.personDepth)
				place.personDepth = 0;
		}
		else if (token == WJB_KEY)
		{
			isName = BeginMember(&place, &value);
			unreadable = place.depth == 1 && IsString(&value, "unreadable");
		}
		if (isName && value.type == jbvString)
			AddString(result, (IngestString) {value.val.string.val, value.val.string.len}, unreadable && token == WJB_VALUE, &place);
		else if (isName && value.type == jbvNumeric)
			AddNumber(result, value.val.numeric, !place.inOther || place.personDepth > 0);
	}
}

/* _payload_names(payload): what can be an id in it. */
Datum
personalize_payload_names(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	AddNames((ReturnSetInfo *) fcinfo->resultinfo, PG_GETARG_JSONB_P(0), (PayloadPlace) {0});
	return (Datum) 0;
}
