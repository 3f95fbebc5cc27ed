/*
 * message.c
 *		Checks a message and turns it into rows of event.
 *
 * A message about several items becomes one row an item (item_list.c).
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "base/event_time.h"
#include "base/grow.h"
#include "base/id.h"
#include "base/json_build.h"
#include "base/key.h"
#include "base/subtransaction.h"
#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_detail.h"
#include "events/event_field.h"
#include "events/event_json.h"
#include "events/ingest_private.h"
#include "events/item_list.h"
#include "events/message_id.h"
#include "events/partition.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "people/refused_id.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* The longest name of an event, in bytes. */
#define MAX_EVENT_BYTES 64

/* The most bytes of properties. */
#define MAX_PROPERTIES_BYTES (64 * 1024)

/* A JSON null has no more. */
#define MAX_NULL_BYTES 32

/* The most bytes that are kept of a rejected message. */
#define MAX_PAYLOAD_BYTES (128 * 1024)

/* Longer values are cut in messages. */
#define MAX_QUOTED_BYTES 64

/* A value as it may be shown: cut if it is long. */
static char *
Quote(IngestString string)
{
	int			length = string.length;

	if (length <= MAX_QUOTED_BYTES)
		return pnstrdup(string.data, length);
	length = pg_mbcliplen(string.data, length, MAX_QUOTED_BYTES);
	return psprintf("%.*s...", length, string.data);
}

/* Why a user, or an event's name, is not usable; NULL if it is. */
static char *
CheckRequired(IngestString string, const char *name, int maxBytes)
{
	if (string.data == NULL)
		return psprintf("%s must not be null", name);
	if (string.length == 0)
		return psprintf("%s must not be empty", name);
	if (string.length > maxBytes)
		return psprintf("%s \"%s\" has %d bytes, more than %d", name, Quote(string),
						string.length, maxBytes);
	return NULL;
}

/* Why a tidy id that may be left out is not usable: empty counts as left out. */
char *
IngestCheckId(IngestString id, const char *name)
{
	char	   *reason;

	if (id.data == NULL || id.length == 0)
		return NULL;
	reason = CheckRequired(id, name, KEY_MAX_ID_BYTES);
	if (reason == NULL && RefusedIdIsListed((IdBytes) {id.data, id.length}, false))
		reason = psprintf("%s \"%s\" is no id: personalize.refused_id lists it", name, Quote(id));
	return reason;
}

/* Why a tidy id is not usable as a person's; NULL if it is. */
static char *
CheckPerson(IngestString id)
{
	char	   *reason = CheckRequired(id, "user_id", KEY_MAX_ID_BYTES);

	if (reason == NULL && RefusedIdIsListed((IdBytes) {id.data, id.length}, true))
		reason = psprintf("user_id \"%s\" is the id of nobody: personalize.refused_id lists it", Quote(id));
	return reason;
}

/* Make an id tidy. */
void
IngestTidyId(IngestString *id)
{
	IdBytes		tidy;

	if (id->data == NULL || IdIsSurelyTidy(id->data, id->length))
		return;
	tidy = IdTidy((IdBytes) {id->data, id->length});
	*id = (IngestString) {tidy.data, tidy.length};
}

/* History begins on 1900-01-01: a day has a partition, named by a year of four digits. */
#define FIRST_HISTORY_DAY (-36524)

/* Why the event's time is not usable; NULL if it is. */
static char *
CheckTs(const IngestBatch *batch, const IngestMessage *message)
{
	if (message->unreadTs.data)
		return psprintf("ts \"%s\" is neither ISO 8601 nor unix seconds or milliseconds",
						Quote(message->unreadTs));
	if (!message->hasTs)
		return batch->history ? pstrdup("ts must not be null for history") : NULL;
	if (TIMESTAMP_NOT_FINITE(message->ts))
		return psprintf("ts \"%s\" is not a point in time", EventTimeFormat(message->ts));
	if (batch->history && PartitionDay(message->ts) < FIRST_HISTORY_DAY)
		return psprintf("ts \"%s\" is before 1900, where history begins",
						EventTimeFormat(message->ts));
	if (message->ts > TimestampTzPlusMilliseconds(batch->now, personalize_max_future))
		return psprintf("ts \"%s\" is further ahead than personalize.max_future allows",
						EventTimeFormat(message->ts));
	return NULL;
}

/* Why the properties are not usable; NULL if they are. */
static char *
CheckProperties(const IngestMessage *message)
{
	Size		size;
	Jsonb	   *properties;
	char	   *shown;

	if (message->whyUnread)
		return psprintf("properties are %s", message->whyUnread);
	if (!message->hasProperties)
		return NULL;
	size = toast_raw_datum_size(message->properties);
	if (size > MAX_PROPERTIES_BYTES)
		return psprintf("properties have %zu bytes, more than %d", size, MAX_PROPERTIES_BYTES);
	properties = DatumGetJsonbP(message->properties);
	if (!JB_ROOT_IS_OBJECT(properties))
	{
		shown = JsonbToCString(NULL, &properties->root, (int) size);
		return psprintf("properties \"%s\" are not a JSON object",
						Quote((IngestString) {shown, strlen(shown)}));
	}
	return NULL;
}

/*
 * Why the message, of a user who is nobody for a reason that may be NULL, cannot be
 * taken; NULL if it can.  cause tells which field it is.
 */
static char *
CheckMessage(const IngestBatch *batch, const IngestMessage *message, char *nobody, IngestReason *cause)
{
	char	   *reason;

	*cause = REASON_MALFORMED;
	if (message->malformed)
		return pstrdup(message->malformed);
	if ((*cause = REASON_USER_ID, reason = nobody) ||
		(*cause = REASON_EVENT, reason = CheckRequired(message->event, "event", MAX_EVENT_BYTES)) ||
		(*cause = REASON_ITEM_ID, reason = IngestCheckId(message->itemId, "item_id")) ||
		(*cause = REASON_SESSION_ID, reason = IngestCheckId(message->sessionId, "session_id")) ||
		(*cause = REASON_REQUEST_ID, reason = IngestCheckId(message->requestId, "request_id")) ||
		(*cause = REASON_MESSAGE_ID, !message->surelyNew && (reason = IngestCheckId(message->messageId, "message_id"))) ||
		(*cause = REASON_TS, reason = CheckTs(batch, message)) ||
		(*cause = REASON_PROPERTIES, reason = CheckProperties(message)))
		return reason;
	return NULL;
}

static IngestReadRequest readRequest = NULL;

/* Let others read the ids of answers. */
void
IngestRegisterRequest(IngestReadRequest read)
{
	Assert(readRequest == NULL);
	readRequest = read;
}

/* An id that may be left out, as a key. */
static int64
OptionalKey(IngestString string, bool *exists)
{
	*exists = string.data != NULL && string.length > 0;
	return *exists ? KeyFromBytes(string.data, string.length) : 0;
}

/* A name, and its number. */
typedef struct Meeting
{
	IngestString name;
	int			event;
} Meeting;

/* Meet the name. */
static bool
Meet(void *argument)
{
	Meeting    *meeting = argument;

	meeting->event = EventTypeMeet(meeting->name.data, meeting->name.length);
	return true;
}

/*
 * Register an event's name.  If that fails, for one because there are too many,
 * the reason and its SQLSTATE are given, and the rest of the batch goes on.
 */
static int
RegisterEvent(IngestString name, char **reason, int *sqlState)
{
	Meeting		meeting = {.name = name,.event = -1};
	ErrorData  *error = SubtransactionTry(Meet, &meeting);

	if (error != NULL && error->sqlerrcode != ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
		ReThrowError(error);
	if (error != NULL)
	{
		*reason = error->message;
		*sqlState = error->sqlerrcode;
	}
	else if (meeting.event < 0)
		*reason = pstrdup("event must not be blank");
	return meeting.event;
}

/* The number of an event's name; batches repeat the same few. */
static int
LookUpEvent(IngestBatch *batch, IngestString name, char **reason, int *sqlState)
{
	KnownEvent *known;
	int			event;

	for (int i = 0; i < KNOWN_EVENTS; i++)
	{
		known = &batch->knownEvents[i];
		if (known->name.length == name.length &&
			memcmp(known->name.data, name.data, name.length) == 0)
			return known->event;
	}
	event = EventTypeLookup(name.data, name.length);
	if (event < 0)
		event = RegisterEvent(name, reason, sqlState);
	if (event >= 0)
	{
		known = &batch->knownEvents[batch->nextKnownEvent++ % KNOWN_EVENTS];
		known->name.data = pnstrdup(name.data, name.length);
		known->name.length = name.length;
		known->event = event;
	}
	return event;
}

/* Turn a message about at most one item into a row; returns why it cannot be taken, or NULL. */
static char *
AddRow(IngestBatch *batch, const ItemListMessage *message, PendingMessage *pending)
{
	IngestString itemId = message->itemId;
	PendingRow *row = IngestAddRow(batch);
	EventField	found;
	char	   *reason;

	row->event = *message->row;
	pending->cause = REASON_ITEM_ID;
	if ((itemId.data == NULL || itemId.length == 0) &&
		((reason = ItemListGetId(message->fields, false, &itemId, &found)) != NULL ||
		 (reason = IngestCheckId(itemId, eventFieldNames[found])) != NULL))
		return reason;
	pending->cause = REASON_PROPERTIES;
	if ((reason = EventDetailApply(&row->event, message->detail, message->properties)) != NULL)
		return reason;
	row->event.itemKey = OptionalKey(itemId, &row->event.hasItem);
	row->itemId = itemId;
	return NULL;
}

/* The id of a message; one that nobody knows is made here at the latest. */
static IngestString
MessageIdOf(const IngestMessage *message)
{
	if (!message->surelyNew || message->messageId.data != NULL)
		return message->messageId;
	return (IngestString) {MessageIdMake(), UUID_TEXT_LENGTH};
}

/* What an event is but for its item and what its properties say. */
static EventRow
MakeRow(const IngestBatch *batch, const IngestMessage *message, const PendingMessage *pending, int event)
{
	EventRow	row = {
		.ts = message->hasTs ? message->ts : batch->now,
		.userKey = pending->userKey,
		.event = (int16) event
	};

	row.receivedAt = batch->history ? row.ts : batch->now;
	row.sessionKey = OptionalKey(message->sessionId, &row.hasSession);
	row.requestKey = OptionalKey(message->requestId, &row.hasRequest);
	if (row.hasRequest)
		row.requestOrigin = readRequest(message->requestId);
	return row;
}

/* Note the id of a message; one that nobody knows is of use only where it joins several rows. */
static void
NoteMessageId(const IngestMessage *message, bool joins, PendingMessage *pending, EventRow *row)
{
	if (joins || !message->surelyNew)
	{
		IngestString id = MessageIdOf(message);

		row->hasMessage = id.data != NULL && id.length > 0;
		if (row->hasMessage)
			row->messageKey = MessageIdRead(id.data, id.length, &pending->message);
	}
	pending->hasMessageId = row->hasMessage && !message->surelyNew;
}

/* Turn a message that has properties into rows; returns why it cannot be taken, or NULL. */
static char *
AddDescribed(IngestBatch *batch, const IngestMessage *message, PendingMessage *pending, EventRow *row)
{
	EventFields fields;
	EventDetail detail;
	ItemListMessage whole = {
		.row = row,.itemId = message->itemId,.fields = &fields,.detail = &detail
	};
	ItemList	list;
	char	   *reason;

	row->properties = DatumGetJsonbP(message->properties);
	whole.properties = &row->properties->root;
	EventFieldsRead(whole.properties, &fields);
	pending->cause = REASON_PROPERTIES;
	if ((reason = EventDetailRead(&fields, row->event, false, &detail)) != NULL)
		return reason;
	pending->cause = REASON_ITEMS;
	if ((reason = ItemListFind(&fields, &list)) != NULL)
		return reason;
	NoteMessageId(message, list.count > 0, pending, row);
	return list.count == 0 ? AddRow(batch, &whole, pending) : ItemListAddRows(batch, &whole, &list);
}

/* Turn one that has none into a row. */
static void
AddBare(IngestBatch *batch, const IngestMessage *message, PendingMessage *pending, EventRow *row)
{
	PendingRow *added;

	NoteMessageId(message, false, pending, row);
	row->itemKey = OptionalKey(message->itemId, &row->hasItem);
	added = IngestAddRow(batch);
	added->event = *row;
	added->itemId = message->itemId;
}

/* Turn a checked message into rows; returns why it cannot be taken, or NULL. */
static char *
AddRows(IngestBatch *batch, const IngestMessage *message, PendingMessage *pending)
{
	EventRow	row;
	char	   *reason = NULL;
	int			event;

	pending->cause = REASON_EVENT;
	event = LookUpEvent(batch, message->event, &reason, &pending->sqlState);
	if (event < 0)
		return reason;
	row = MakeRow(batch, message, pending, event);
	if (!message->hasProperties)
	{
		AddBare(batch, message, pending, &row);
		return NULL;
	}
	reason = AddDescribed(batch, message, pending, &row);
	for (int i = pending->firstRow; i < batch->rowCount && reason == NULL; i++)
	{
		pending->cause = REASON_PROPERTIES;
		reason = EventDetailCheck(&batch->rows[i].event);
	}
	return reason;
}

/* Append a text member, unless it is null. */
static void
PushText(JsonbParseState **state, const char *name, IngestString string)
{
	if (string.data == NULL)
		return;
	/* what is too long is shown cut: nobody can use it as it was */
	if (string.length > KEY_MAX_ID_BYTES)
		JsonPushString(state, name, Quote(string));
	else
		JsonPushBytes(state, name, string.data, string.length);
}

/* Append a text member that may be long, unless it is null or too long to keep. */
static void
PushWhole(JsonbParseState **state, const char *name, IngestString string)
{
	if (string.data != NULL && string.length <= MAX_PAYLOAD_BYTES)
		JsonPushBytes(state, name, string.data, string.length);
}

/* A rejected message as JSON. */
static Jsonb *
BuildPayload(const IngestMessage *message)
{
	JsonbParseState *state = NULL;

	if (message->original)
	{
		Jsonb	   *original = JsonbValueToJsonb(message->original);

		return VARSIZE(original) <= MAX_PAYLOAD_BYTES ? original : NULL;
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (message->originalText.data)
	{
		PushWhole(&state, "unreadable", message->originalText);
		return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	}
	PushText(&state, "user_id", message->userId);
	PushText(&state, "event", message->event);
	PushText(&state, "item_id", message->itemId);
	PushText(&state, "session_id", message->sessionId);
	PushText(&state, "request_id", message->requestId);
	PushText(&state, "message_id", MessageIdOf(message));
	if (message->hasTs)
	{
		char	   *ts = EventTimeFormat(message->ts);

		PushText(&state, "ts", (IngestString) {ts, strlen(ts)});
	}
	PushText(&state, "ts", message->unreadTs);
	PushWhole(&state, "properties", message->unreadProperties);
	if (message->hasProperties &&
		toast_raw_datum_size(message->properties) <= MAX_PROPERTIES_BYTES)
		JsonPushJsonb(&state, "properties", DatumGetJsonbP(message->properties));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Note the time of a message. */
void
IngestSetTs(IngestMessage *message, Datum value)
{
	const char *text;
	int			length;

	message->hasTs = EventTimeGet(value, &message->ts, &text, &length);
	if (!message->hasTs)
		message->unreadTs = (IngestString) {text, length};
}

/* Note the properties of a message. */
void
IngestSetProperties(IngestMessage *message, Datum value)
{
	char	   *reason = NULL;
	Jsonb	   *properties = EventJsonGet(value, &message->unreadProperties, &reason);

	message->hasProperties = properties != NULL;
	message->whyUnread = reason;
	if (properties)
	{
		message->properties = JsonbPGetDatum(properties);
		message->unreadProperties.data = NULL;
	}
}

/* Make room for one more message. */
static PendingMessage *
NextMessage(IngestBatch *batch)
{
	GrowArray(batch->messages, batch->messageCount + 1, batch->messageCapacity, 8);
	return memset(&batch->messages[batch->messageCount++], 0, sizeof(PendingMessage));
}

/* True if properties say nothing: a JSON null, which is as if they were left out. */
static bool
IsJsonNull(Datum properties)
{
	JsonbValue	value;
	Jsonb	   *jsonb;

	if (toast_raw_datum_size(properties) > MAX_NULL_BYTES)
		return false;
	jsonb = DatumGetJsonbP(properties);
	return JB_ROOT_IS_SCALAR(jsonb) && JsonbExtractScalar(&jsonb->root, &value) && value.type == jbvNull;
}

/* True if an id is seen at once to be tidy, or is none. */
static inline bool
IsTidyId(IngestString id)
{
	return id.data == NULL || IdIsSurelyTidy(id.data, id.length);
}

/* A message with tidy ids and without properties that say nothing; the copy is used if it is not that already. */
static const IngestMessage *
Tidy(const IngestMessage *given, IngestMessage *copy)
{
	if (!given->hasProperties && IsTidyId(given->userId) && IsTidyId(given->itemId) && IsTidyId(given->sessionId) &&
		IsTidyId(given->requestId) && (given->surelyNew || IsTidyId(given->messageId)))
		return given;
	*copy = *given;
	IngestTidyId(&copy->userId);
	IngestTidyId(&copy->itemId);
	IngestTidyId(&copy->sessionId);
	IngestTidyId(&copy->requestId);
	if (!copy->surelyNew)
		IngestTidyId(&copy->messageId);
	copy->hasProperties = given->hasProperties && !IsJsonNull(given->properties);
	return copy;
}

/* Add a message to the batch. */
void
IngestAdd(IngestBatch *batch, const IngestMessage *given)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->scratch);
	PendingMessage *pending = NextMessage(batch);
	IngestMessage copy;
	const IngestMessage *message = Tidy(given, &copy);
	char	   *nobody;

	pending->rowNumber = message->rowNumber;
	pending->speaks = message->speaks;
	pending->spoken = message->spoken;
	pending->ts = message->hasTs ? message->ts : batch->now;
	pending->firstRow = batch->rowCount;
	nobody = CheckPerson(message->userId);
	if (nobody == NULL)
	{
		pending->hasUser = true;
		pending->userId = message->userId;
		pending->userKey = KeyFromBytes(message->userId.data, message->userId.length);
	}
	pending->reason = CheckMessage(batch, message, nobody, &pending->cause);
	if (pending->reason == NULL)
		pending->reason = AddRows(batch, message, pending);
	if (pending->reason)
	{
		pending->status = INGEST_REJECTED;
		if (pending->sqlState == 0)
			pending->sqlState = message->userId.data == NULL || message->event.data == NULL ?
				ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_INVALID_PARAMETER_VALUE;
		pending->payload = BuildPayload(given);
		batch->rowCount = pending->firstRow;
	}
	pending->rowCount = batch->rowCount - pending->firstRow;
	MemoryContextSwitchTo(caller);
}
