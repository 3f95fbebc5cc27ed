/*
 * track_json.c
 *		track_many: events as JSON.
 *
 * Nothing in a batch may make the batch fail, so values are read without calling
 * anything that raises: what cannot be read becomes the reason of a rejection.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/choice.h"
#include "base/event_time.h"
#include "base/json_build.h"
#include "base/json_member.h"
#include "compat.h"
#include "events/event_field.h"
#include "events/event_json.h"
#include "events/ingest.h"
#include "events/item_list.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(personalize_track_many);
PG_FUNCTION_INFO_V1(personalize_track_many_text);

/* The most messages that are written at once. */
#define FLUSH_MESSAGES 10000

/* Read an id or a name: a string or a number. */
static void
ReadString(IngestMessage *message, JsonbContainer *object, const char *name, IngestString *string)
{
	JsonbValue	value;

	if (JsonMemberGiven(object, name, &value) && !EventFieldScalar(&value, string))
		message->malformed = psprintf("%s is neither a string nor a number", name);
}

/* Read the event's time, named ts or timestamp: a string, or a number. */
static void
ReadTs(IngestMessage *message, JsonbContainer *object)
{
	JsonbValue	value;
	JsonbValue	other;
	IngestString string;
	bool		hasOther;

	hasOther = JsonMemberGiven(object, "timestamp", &other);
	if (!JsonMemberGiven(object, "ts", &value))
	{
		if (!hasOther)
			return;
		value = other;
	}
	else if (hasOther && !ItemListIsSame(&value, &other))
		message->malformed = "ts is not what timestamp is";
	if (!EventFieldScalar(&value, &string))
		message->malformed = "ts is neither a string nor a number";
	else if (EventTimeRead(string.data, string.length, &message->ts))
		message->hasTs = true;
	else
		message->unreadTs = string;
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

	if (!JsonMemberGiven(object, "consent", &consent))
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

/* What an event says that is no property of it, and the same without what only the style of writing adds. */
static const struct
{
	const char *name;
	const char *plain;
}			eventMembers[] = {
	{"user_id", "userid"}, {"event", "event"}, {"item_id", "itemid"}, {"session_id", "sessionid"},
	{"request_id", "requestid"}, {"message_id", "messageid"}, {"ts", "ts"}, {"timestamp", "timestamp"},
	{"consent", "consent"}, {"properties", "properties"}
};

/* A name without it: messageId, Message-ID and message_id are one. */
static char *
PlainName(const char *name)
{
	char	   *plain = palloc(strlen(name) + 1);
	int			length = 0;

	for (const char *c = name; *c != '\0'; c++)
		if (*c != '_' && *c != '-' && *c != ' ')
			plain[length++] = pg_ascii_tolower((unsigned char) *c);
	plain[length] = '\0';
	return plain;
}

/* True if a member of an event is one of those; if it is nearly one, why it cannot be taken. */
static bool
IsEventMember(const char *name, char **reason)
{
	const char *meant = NULL;
	char	   *plain;

	for (int i = 0; i < lengthof(eventMembers); i++)
		if (strcmp(name, eventMembers[i].name) == 0)
			return true;
	plain = PlainName(name);
	/* what somebody may be used for is never overlooked */
	if (strncmp(plain, "consent", strlen("consent")) == 0)
		meant = "consent";
	for (int i = 0; i < lengthof(eventMembers); i++)
		if (strcmp(plain, eventMembers[i].plain) == 0)
			meant = eventMembers[i].name;
	if (meant != NULL)
		*reason = psprintf("%s is not a member of events: write %s, or put it into properties", ChoiceShow(name), meant);
	return meant != NULL;
}

/* A member that stands beside properties; one may not contradict the other. */
static void
AddBeside(IngestMessage *message, JsonbContainer *properties, const char *name, const JsonbValue *content,
		  JsonbParseState **state)
{
	JsonbValue	value;

	if (properties && JsonMemberGiven(properties, name, &value) && !ItemListIsSame(&value, content))
		message->malformed = psprintf("%s beside properties is not what %s in properties is",
									  ChoiceShow(name), ChoiceShow(name));
	if (*state == NULL)
	{
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		EventFieldsPush(state, properties, 0);
	}
	JsonPushValue(state, name, content);
}

/* Put all that stands beside properties and is no member of events into them. */
static void
ReadBeside(IngestMessage *message, JsonbContainer *object, JsonbContainer *properties)
{
	JsonbParseState *state = NULL;
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *name;
		char	   *reason = NULL;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvNull)
			continue;
		if (!IsEventMember(name, &reason))
			AddBeside(message, properties, name, &value, &state);
		else if (reason != NULL)
			message->malformed = reason;
	}
	if (state == NULL)
		return;
	message->hasProperties = true;
	message->properties = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Read properties, and what stands beside them though it belongs there. */
static void
ReadProperties(IngestMessage *message, JsonbContainer *object)
{
	JsonbContainer *properties = NULL;
	JsonbValue	value;

	if (JsonMemberGiven(object, "properties", &value))
	{
		message->hasProperties = true;
		message->properties = JsonbPGetDatum(JsonbValueToJsonb(&value));
		if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			return;
		properties = value.val.binary.data;
	}
	ReadBeside(message, object, properties);
}

/* Read the members of an object. */
static void
ReadObject(IngestBatch *batch, IngestMessage *message, JsonbContainer *object)
{

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

/* Add a message to the batch, which is written when it is full. */
static void
AddMessage(IngestBatch *batch, const IngestMessage *message)
{
	IngestAdd(batch, message);
	if (message->rowNumber % FLUSH_MESSAGES == 0)
		IngestFlush(batch);
}

/* Read one element of the array. */
static void
AddElement(IngestBatch *batch, int64 number, JsonbValue *element)
{
	IngestMessage message = {.rowNumber = number, .original = element};

	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
		message.malformed = "the element is not a JSON object";
	else
		ReadObject(batch, &message, element->val.binary.data);
	AddMessage(batch, &message);
}

/* Read one message that is a text. */
static void
AddText(IngestBatch *batch, int64 number, IngestString text)
{
	char	   *reason;
	Jsonb	   *json = EventJsonRead(text, &reason);
	IngestMessage message = {.rowNumber = number, .originalText = text};
	JsonbValue *element = palloc(sizeof(JsonbValue));

	if (json != NULL)
	{
		if (!JB_ROOT_IS_SCALAR(json) || !JsonbExtractScalar(&json->root, element))
			JsonbToJsonbValue(json, element);
		AddElement(batch, number, element);
		return;
	}
	message.malformed = reason;
	/* whose it is decides what may be kept of it, and who can have it erased */
	(void) EventJsonFind(text, "user_id", &message.userId);
	AddMessage(batch, &message);
}

/* Write what is left, and answer. */
static Datum
Finish(FunctionCallInfo fcinfo, IngestBatch *batch)
{
	IngestFlush(batch);
	return IngestCountsDatum(fcinfo, IngestEnd(batch));
}

/* Take in a jsonb array. */
static Datum
TrackArray(FunctionCallInfo fcinfo, Jsonb *events)
{
	IngestBatch *batch = IngestBegin("track_many", false);
	int			count = JB_ROOT_COUNT(events);

	for (int i = 0; i < count; i++)
		AddElement(batch, i + 1, getIthJsonbValueFromContainer(&events->root, i));
	return Finish(fcinfo, batch);
}

/* Raise if there are no events to take in. */
static void
CheckGiven(FunctionCallInfo fcinfo)
{
	ArgumentCheckGiven(fcinfo, 0, "events");
}

/* track_many(jsonb) → (accepted, duplicate, suppressed, rejected). */
Datum
personalize_track_many(PG_FUNCTION_ARGS)
{
	Jsonb	   *events;

	CheckGiven(fcinfo);
	events = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(events) || JB_ROOT_IS_SCALAR(events))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events is not a JSON array"),
				 errhint("Give an array of objects, also for one event.")));
	return TrackArray(fcinfo, events);
}

/*
 * track_many(text) → (accepted, duplicate, suppressed, rejected).  Usually the
 * whole is good and read at once.
 */
Datum
personalize_track_many_text(PG_FUNCTION_ARGS)
{
	text	   *events;
	IngestString whole;
	IngestString message;
	IngestBatch *batch;
	EventJsonList list;
	Jsonb	   *json;
	char	   *reason;
	int64		number = 0;

	CheckGiven(fcinfo);
	events = PG_GETARG_TEXT_PP(0);
	whole = (IngestString) {VARDATA_ANY(events), VARSIZE_ANY_EXHDR(events)};
	json = EventJsonRead(whole, &reason);
	if (json != NULL && JB_ROOT_IS_ARRAY(json) && !JB_ROOT_IS_SCALAR(json))
		return TrackArray(fcinfo, json);
	batch = IngestBegin("track_many", false);
	if (json != NULL)
		AddText(batch, 1, whole);
	else
		for (EventJsonListBegin(&list, whole); EventJsonListNext(&list, &message);)
			AddText(batch, ++number, message);
	return Finish(fcinfo, batch);
}
