/*
 * erasure_payload.c
 *		Whom a rejected event names.
 *
 * What could not be taken is kept as it came, and often it was not taken because
 * it came in the wrong shape: the id is a member's name, or stands in an array, or
 * is a number.  So that the events of somebody who is forgotten are found among
 * those of nobody, everything in them that can be an id is listed.
 */
#include "postgres.h"

#include "compat.h"
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

/* _payload_names(payload): what can be an id in it. */
Datum
personalize_payload_names(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JsonbIterator *iterator = JsonbIteratorInit(&PG_GETARG_JSONB_P(0)->root);
	PayloadPlace place = {0};
	JsonbIteratorToken token;
	JsonbValue	value;

	InitMaterializedSRF(fcinfo, 0);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		isName = token == WJB_VALUE || token == WJB_ELEM;
		Datum		values[2];
		bool		nulls[lengthof(values)] = {false};

		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			place.depth++;
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
		{
			if (--place.depth < place.personDepth)
				place.personDepth = 0;
		}
		else if (token == WJB_KEY)
			isName = BeginMember(&place, &value);
		if (!isName || (value.type != jbvString && value.type != jbvNumeric))
			continue;
		if (value.type == jbvString)
			values[0] = PointerGetDatum(cstring_to_text_with_len(value.val.string.val,
																 value.val.string.len));
		else
			values[0] = PointerGetDatum(cstring_to_text(
				DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)))));
		values[1] = BoolGetDatum(!place.inOther || place.personDepth > 0);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
