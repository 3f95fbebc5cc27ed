/*
 * payload_name.c
 *		Whom a rejected event names.
 *
 * What could not be taken is kept as it came, and often it was not taken because
 * it came in the wrong shape: the id is a member's name, or stands in an array, or
 * is a number, or in a text that is no JSON at all (the member "unreadable").  So that the events of somebody who is forgotten are found among
 * those of nobody, everything in them that can be an id is listed.
 */
#include "postgres.h"

#include "compat.h"
#include "events/event_json.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

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

/* Add a piece between quotation marks of a text that is no JSON, with its escapes resolved. */
static void
AddQuoted(ReturnSetInfo *result, const char *piece, int length)
{
	char	   *quoted = psprintf("\"%.*s\"", length, piece);
	char	   *reason;
	Jsonb	   *json;
	JsonbValue	string;

	AddName(result, piece, length, true);
	if (memchr(piece, '\\', length) == NULL)
		return;
	json = EventJsonRead((IngestString) {quoted, strlen(quoted)}, &reason);
	if (json != NULL && JsonbExtractScalar(&json->root, &string) && string.type == jbvString)
		AddName(result, string.val.string.val, string.val.string.len, true);
}

/* Add what can be an id in a text that is no JSON: what is quoted, and what stands alone. */
static void
AddUnreadable(ReturnSetInfo *result, const char *text, int length)
{
	const char *end = text + length;

	while (text < end)
	{
		const char *quote = memchr(text, '"', end - text);
		const char *stop = quote ? quote : end;

		AddQuoted(result, text, stop - text);
		while (text < stop)
		{
			size_t		word = 0;

			while (text + word < stop && strchr("{}[]:, \t\r\n", text[word]) == NULL)
				word++;
			if (word > 0)
				AddName(result, text, word, true);
			text += word + 1;
		}
		text = stop + 1;
	}
}

/* _payload_names(payload): what can be an id in it. */
Datum
personalize_payload_names(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JsonbIterator *iterator = JsonbIteratorInit(&PG_GETARG_JSONB_P(0)->root);
	PayloadPlace place = {0};
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		unreadable = false;

	InitMaterializedSRF(fcinfo, 0);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		certain;
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
		if (!isName || (value.type != jbvString && value.type != jbvNumeric))
			continue;
		certain = !place.inOther || place.personDepth > 0;
		if (value.type == jbvString)
			AddName(result, value.val.string.val, value.val.string.len, certain);
		else
		{
			char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));

			AddName(result, digits, strlen(digits), certain);
		}
		if (unreadable && token == WJB_VALUE && value.type == jbvString)
			AddUnreadable(result, value.val.string.val, value.val.string.len);
	}
	return (Datum) 0;
}
