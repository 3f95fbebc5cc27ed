/*
 * track_json.c
 *		track_many: events as JSON.
 *
 * Nothing in a batch may make the batch fail, so values are read without calling
 * anything that raises: what cannot be read becomes the reason of a rejection.
 */
#include "postgres.h"

#include "compat.h"
#include "event_field.h"
#include "fmgr.h"
#include "ingest.h"
#include "item_list.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_track_many);

/* The most messages that are written at once. */
#define FLUSH_MESSAGES 10000

/* A member of an object; JSON null counts as absent. */
static bool
GetField(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), value) != NULL &&
		value->type != jbvNull;
}

/* Read an id or a name: a string or a number. */
static void
ReadString(IngestMessage *message, JsonbContainer *object, const char *name, IngestString *string)
{
	JsonbValue	value;

	if (!GetField(object, name, &value))
		return;
	if (value.type == jbvString)
		*string = (IngestString)
	{
		value.val.string.val, value.val.string.len
	};
	else if (value.type == jbvNumeric)
	{
		string->data = numeric_normalize(value.val.numeric);
		string->length = strlen(string->data);
	}
	else
		message->malformed = psprintf("%s is neither a string nor a number", name);
}

/*
 * Read a time as in ISO 8601 without raising; false if the string is none.
 * Names of zones are not taken: an unknown one would raise.
 */
static bool
ParseTs(const char *string, int length, TimestampTz *ts)
{
	char		buffer[MAXDATELEN + 1];
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			fieldCount;
	int			kind;
	int			zone;
	fsec_t		fraction;
	struct pg_tm tm;

	if (length > MAXDATELEN)
		return false;
	memcpy(buffer, string, length);
	buffer[length] = '\0';
	return strspn(buffer, "0123456789TtZz+-:. ") == length &&
		ParseDateTime(buffer, work, sizeof(work), fields, types,
						 MAXDATEFIELDS, &fieldCount) == 0 &&
		CompatDecodeDateTime(fields, types, fieldCount, &kind, &tm, &fraction, &zone) == 0 &&
		kind == DTK_DATE && tm2timestamp(&tm, fraction, &zone, ts) == 0;
}

/* Read the event's time, named ts or timestamp. */
static void
ReadTs(IngestMessage *message, JsonbContainer *object)
{
	JsonbValue	value;

	if (!GetField(object, "ts", &value) && !GetField(object, "timestamp", &value))
		return;
	if (value.type != jbvString)
		message->malformed = "ts is not a string";
	else if (ParseTs(value.val.string.val, value.val.string.len, &message->ts))
		message->hasTs = true;
	else
		message->malformed = psprintf("ts \"%.*s\" is not a point in time",
									  pg_mbcliplen(value.val.string.val, value.val.string.len,
												   MAXDATELEN),
									  value.val.string.val);
}

/*
 * Read what the event says about consent: an array of the purposes allowed, a
 * string that lists them, or an object of purposes and true or false.  Anything
 * else allows nothing.
 */
static void
ReadConsent(IngestBatch *batch, IngestMessage *message, JsonbContainer *object)
{
	JsonbValue	consent;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int32		bit = 0;

	if (!GetField(object, "consent", &consent))
		return;
	message->speaks = true;
	if (consent.type == jbvString)
		message->spoken = IngestPurposeList(batch, consent.val.string.val, consent.val.string.len);
	if (consent.type != jbvBinary)
		return;
	iterator = JsonbIteratorInit(consent.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if ((token == WJB_KEY || token == WJB_ELEM) && value.type == jbvString)
			bit = IngestPurpose(batch, value.val.string.val, value.val.string.len);
		if ((token == WJB_ELEM && value.type == jbvString) ||
			(token == WJB_VALUE && value.type == jbvBool && value.val.boolean))
			message->spoken |= bit;
	}
}

/* Fields of properties that may also stand beside them. */
static const EventField besideNames[] = {
	FIELD_VALUE, FIELD_REVENUE, FIELD_TOTAL, FIELD_PRICE, FIELD_QUANTITY, FIELD_SLOT, FIELD_POSITION,
	FIELD_CURRENCY, FIELD_ORDER_ID, FIELD_TRANSACTION_ID, FIELD_QUERY, FIELD_SEARCH_TERM,
	FIELD_SEARCH_QUERY, FIELD_CATEGORY, FIELD_BRAND, FIELD_PRODUCT_ID, FIELD_SKU, FIELD_ITEMS,
	FIELD_PRODUCTS, FIELD_LINE_ITEMS, FIELD_PRODUCT_DETAILS
};

/* Put known fields that stand beside properties into them; one may not contradict the other. */
static void
AddBeside(IngestMessage *message, const EventFields *beside, JsonbContainer *properties)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	EventFieldsPush(&state, properties, 0);
	for (int i = 0; i < lengthof(besideNames); i++)
	{
		const char *name = eventFieldNames[besideNames[i]];
		const JsonbValue *field = &beside->of[besideNames[i]];

		if ((beside->present & FIELD_BIT(besideNames[i])) == 0)
			continue;
		if (properties && GetField(properties, name, &value) && !ItemListIsSame(&value, field))
			message->malformed = psprintf("%s beside properties is not what %s in properties is", name, name);
		EventFieldPush(&state, name, field);
	}
	message->hasProperties = true;
	message->properties = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Read properties, and what stands beside them though it belongs there. */
static void
ReadProperties(IngestMessage *message, JsonbContainer *object)
{
	EventFields beside;
	JsonbContainer *properties = NULL;
	JsonbValue	value;

	if (GetField(object, "properties", &value))
	{
		message->hasProperties = true;
		message->properties = JsonbPGetDatum(JsonbValueToJsonb(&value));
		if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			return;
		properties = value.val.binary.data;
	}
	EventFieldsRead(object, &beside);
	for (int i = 0; i < lengthof(besideNames); i++)
		if (beside.present & FIELD_BIT(besideNames[i]))
		{
			AddBeside(message, &beside, properties);
			return;
		}
}

/* Read one element of the array. */
static void
ReadMessage(IngestBatch *batch, IngestMessage *message, JsonbValue *element)
{
	JsonbContainer *object;

	message->original = element;
	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
	{
		message->malformed = "the element is not a JSON object";
		return;
	}
	object = element->val.binary.data;
	ReadString(message, object, "user_id", &message->userId);
	ReadString(message, object, "event", &message->event);
	ReadString(message, object, "item_id", &message->itemId);
	ReadString(message, object, "session_id", &message->sessionId);
	ReadString(message, object, "request_id", &message->requestId);
	ReadString(message, object, "message_id", &message->messageId);
	ReadTs(message, object);
	ReadConsent(batch, message, object);
	ReadProperties(message, object);
}

/* track_many(events) → (accepted, duplicate, suppressed, rejected). */
Datum
personalize_track_many(PG_FUNCTION_ARGS)
{
	Jsonb	   *events;
	IngestBatch *batch;
	int			count;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("events must not be null")));
	events = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(events) || JB_ROOT_IS_SCALAR(events))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events is not a JSON array"),
				 errhint("Give an array of objects, also for one event.")));
	count = JB_ROOT_COUNT(events);
	batch = IngestBegin("track_many", false);
	for (int i = 0; i < count; i++)
	{
		IngestMessage message = {.rowNumber = i + 1};

		ReadMessage(batch, &message, getIthJsonbValueFromContainer(&events->root, i));
		IngestAdd(batch, &message);
		if ((i + 1) % FLUSH_MESSAGES == 0)
			IngestFlush(batch, false);
	}
	IngestFlush(batch, false);
	return IngestCountsDatum(fcinfo, IngestEnd(batch));
}
