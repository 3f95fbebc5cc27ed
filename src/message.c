/*
 * message.c
 *		Checks a message and turns it into rows of event.
 *
 * A message about several items (properties.items, or items beside properties
 * in track_many) becomes one row an item.  Its first row keeps what was said
 * about the message as a whole, so that a search is counted once and not once an
 * item it found; every row keeps what was said about its item, the currency,
 * without which a price says nothing, and the order it belongs to.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "event_json.h"
#include "event_time.h"
#include "ingest_private.h"
#include "key.h"
#include "mb/pg_wchar.h"
#include "message_id.h"
#include "miscadmin.h"
#include "partition.h"
#include "refused_id.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* The longest name of an event, in bytes. */
#define MAX_EVENT_BYTES 64

/* The most bytes of properties. */
#define MAX_PROPERTIES_BYTES (64 * 1024)

/* The most bytes that are kept of a rejected message. */
#define MAX_PAYLOAD_BYTES (128 * 1024)

/* The most items of one message. */
#define MAX_ITEMS 1000

/* Longer values are cut in messages. */
#define MAX_QUOTED_BYTES 64

/* Where an item's id may stand. */
static const char *const itemIdNames[] = {"item_id", "product_id", "sku", "id"};

/* What every row of a message with items keeps of the whole. */
static const char *const sharedNames[] = {"currency", "order_id"};

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
static char *
CheckOptional(IngestString id, const char *name)
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
static void
Tidy(IngestString *id)
{
	IdBytes		tidy;

	if (id->data == NULL)
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

/* Why the message cannot be taken; NULL if it can.  cause tells which field it is. */
static char *
CheckMessage(const IngestBatch *batch, const IngestMessage *message, IngestReason *cause)
{
	char	   *reason;

	*cause = REASON_MALFORMED;
	if (message->malformed)
		return pstrdup(message->malformed);
	if ((*cause = REASON_USER_ID, reason = CheckPerson(message->userId)) ||
		(*cause = REASON_EVENT, reason = CheckRequired(message->event, "event", MAX_EVENT_BYTES)) ||
		(*cause = REASON_ITEM_ID, reason = CheckOptional(message->itemId, "item_id")) ||
		(*cause = REASON_SESSION_ID, reason = CheckOptional(message->sessionId, "session_id")) ||
		(*cause = REASON_REQUEST_ID, reason = CheckOptional(message->requestId, "request_id")) ||
		(*cause = REASON_MESSAGE_ID, reason = CheckOptional(message->messageId, "message_id")) ||
		(*cause = REASON_TS, reason = CheckTs(batch, message)) ||
		(*cause = REASON_PROPERTIES, reason = CheckProperties(message)))
		return reason;
	return NULL;
}

/* A member of a JSON object, if it is there. */
static bool
GetMember(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return object && JsonContainerIsObject(object) &&
		getKeyJsonValueFromContainer(object, name, (int) strlen(name), value) != NULL;
}

/* True if the string is a plain decimal number, so that numeric_in takes it. */
static bool
IsDecimal(const char *string, int length)
{
	int			digits = 0;
	int			points = 0;

	if (length > 18)
		return false;
	for (int i = 0; i < length; i++)
	{
		if (string[i] >= '0' && string[i] <= '9')
			digits++;
		else if (string[i] == '.')
			points++;
		else if (i > 0 || string[i] != '-')
			return false;
	}
	return digits > 0 && points <= 1;
}

/* True if the number is so large that reckoning with it could fail. */
static bool
IsHuge(Numeric number)
{
	Datum		bound = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));

	return DatumGetBool(DirectFunctionCall2(numeric_gt,
											DirectFunctionCall1(numeric_abs, NumericGetDatum(number)), bound));
}

/* A member that is a number, or a string that holds one; NULL if there is none of use. */
static Numeric
GetNumber(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	if (!GetMember(object, name, &value))
		return NULL;
	if (value.type == jbvNumeric)
		return IsHuge(value.val.numeric) ? NULL : value.val.numeric;
	if (value.type == jbvString && IsDecimal(value.val.string.val, value.val.string.len))
		return DatumGetNumeric(DirectFunctionCall3(numeric_in,
												   CStringGetDatum(pnstrdup(value.val.string.val, value.val.string.len)),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
	return NULL;
}

/* True if what such an event is worth is the price of its item. */
static bool
IsPriced(int16 event)
{
	switch (event)
	{
		case EVENT_TYPE_ADD_TO_CART:
		case EVENT_TYPE_REMOVE_FROM_CART:
		case EVENT_TYPE_BEGIN_CHECKOUT:
		case EVENT_TYPE_PURCHASE:
		case EVENT_TYPE_REFUND:
			return true;
		default:
			return false;
	}
}

/* Worth and place of a row, from what is said about it. */
void
IngestSetDetails(EventRow *row, JsonbContainer *properties)
{
	Numeric		slot;
	Numeric		price;
	Numeric		quantity;

	row->value = GetNumber(properties, "value");
	if (row->value == NULL && IsPriced(row->event) &&
		(price = GetNumber(properties, "price")) != NULL)
	{
		quantity = GetNumber(properties, "quantity");
		row->value = quantity == NULL ? price :
			DatumGetNumeric(DirectFunctionCall2(numeric_mul, NumericGetDatum(price),
												NumericGetDatum(quantity)));
	}
	slot = GetNumber(properties, "slot");
	if (slot == NULL)
		slot = GetNumber(properties, "position");
	if (slot != NULL)
	{
		Datum		rounded = DirectFunctionCall2(numeric_round, NumericGetDatum(slot), Int32GetDatum(0));

		row->hasSlot =
			DatumGetBool(DirectFunctionCall2(numeric_eq, rounded, NumericGetDatum(slot))) &&
			DatumGetBool(DirectFunctionCall2(numeric_ge, rounded, NumericGetDatum(int64_to_numeric(1)))) &&
			DatumGetBool(DirectFunctionCall2(numeric_le, rounded, NumericGetDatum(int64_to_numeric(PG_INT16_MAX))));
		if (row->hasSlot)
			row->slot = DatumGetInt16(DirectFunctionCall1(numeric_int2, rounded));
	}
}

/* The bytes of a JSON string or number. */
bool
IngestGetScalar(const JsonbValue *value, IngestString *string)
{
	if (value->type == jbvString)
		*string = (IngestString) {value->val.string.val, value->val.string.len};
	else if (value->type == jbvNumeric)
	{
		string->data = numeric_normalize(value->val.numeric);
		string->length = strlen(string->data);
	}
	else
		return false;
	return true;
}

/* The id of an item of a message, and the name under which it was found. */
static bool
GetItemId(JsonbValue *item, IngestString *itemId, const char **name)
{
	JsonbValue	value;

	*name = NULL;
	if (IngestGetScalar(item, itemId))
		return itemId->length > 0;
	if (item->type != jbvBinary)
		return false;
	for (int i = 0; i < lengthof(itemIdNames); i++)
	{
		*name = itemIdNames[i];
		if (GetMember(item->val.binary.data, *name, &value))
			return IngestGetScalar(&value, itemId) && itemId->length > 0;
	}
	return false;
}

/* Append the members of an object, except one; returns how many. */
static int
PushMembers(JsonbParseState **state, JsonbContainer *object, const char *except)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			count = 0;

	if (object == NULL || !JsonContainerIsObject(object))
		return 0;
	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		bool		skip;

		if (token != WJB_KEY)
			continue;
		skip = except && value.val.string.len == strlen(except) &&
			memcmp(value.val.string.val, except, value.val.string.len) == 0;
		if (!skip)
		{
			pushJsonbValue(state, WJB_KEY, &value);
			count++;
		}
		token = JsonbIteratorNext(&iterator, &value, true);
		if (!skip)
			pushJsonbValue(state, WJB_VALUE, &value);
	}
	return count;
}

/* Append one member of an object, if it is there; returns how many. */
static int
PushMember(JsonbParseState **state, JsonbContainer *object, const char *name)
{
	JsonbValue	key = {.type = jbvString, .val.string = {(int) strlen(name), (char *) name}};
	JsonbValue	value;

	if (!GetMember(object, name, &value))
		return 0;
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, &value);
	return 1;
}

/* The properties of one row of a message with several items; NULL if there are none. */
static Jsonb *
ItemProperties(JsonbContainer *message, JsonbValue *item, const char *idName, bool first)
{
	JsonbParseState *state = NULL;
	int			count = 0;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (first)
		count += PushMembers(&state, message, "items");
	for (int i = 0; i < lengthof(sharedNames) && !first; i++)
		count += PushMember(&state, message, sharedNames[i]);
	if (item->type == jbvBinary)
		count += PushMembers(&state, item->val.binary.data, idName);
	item = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return count == 0 ? NULL : JsonbValueToJsonb(item);
}

/* Turn a message with items into rows; returns why it cannot be taken, or NULL. */
static char *
AddItems(IngestBatch *batch, const EventRow *common, JsonbContainer *properties,
		 JsonbContainer *items)
{
	int			count = JsonContainerSize(items);

	if (count > MAX_ITEMS)
		return psprintf("items has %d elements, more than %d", count, MAX_ITEMS);
	for (int i = 0; i < count; i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(items, i);
		const char *idName;
		IngestString itemId;
		PendingRow *row;
		char	   *reason;
		bool		isObject = item->type == jbvBinary;
		Numeric		value;

		if (GetItemId(item, &itemId, &idName))
			Tidy(&itemId);
		else
			itemId.length = 0;
		if (itemId.length == 0)
			return psprintf("items[%d] has no item_id", i);
		if ((reason = CheckOptional(itemId, "item_id")) != NULL)
			return reason;
		row = IngestAddRow(batch);
		row->event = *common;
		row->event.ordinal = i;
		row->event.hasItem = true;
		row->event.itemKey = KeyFromBytes(itemId.data, itemId.length);
		row->itemId = itemId;
		row->event.properties = ItemProperties(properties, item, idName, i == 0);
		IngestSetDetails(&row->event, isObject ? item->val.binary.data : NULL);
		/* the worth of the whole goes to its first row, unless items have prices */
		if (i == 0 && row->event.value == NULL &&
			(value = GetNumber(properties, "value")) != NULL)
			row->event.value = value;
	}
	return NULL;
}

/* An id that may be left out, as a key. */
static int64
OptionalKey(IngestString string, bool *exists)
{
	*exists = string.data != NULL && string.length > 0;
	return *exists ? KeyFromBytes(string.data, string.length) : 0;
}

/*
 * Register an event's name.  If that fails, for one because there are too many,
 * the reason and its SQLSTATE are given, and the rest of the batch goes on.
 */
static int
RegisterEvent(IngestString name, char **reason, int *sqlState)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			level = GetCurrentTransactionNestLevel();
	volatile int event = -1;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		event = EventTypeLookup(name.data, name.length, true);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error = SubtransactionFailed(context, owner, level);

		if (error->sqlerrcode != ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
			ReThrowError(error);
		*reason = error->message;
		*sqlState = error->sqlerrcode;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return event;
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
	event = EventTypeLookup(name.data, name.length, false);
	if (event < 0)
		event = RegisterEvent(name, reason, sqlState);
	if (event >= 0)
	{
		known = &batch->knownEvents[batch->nextKnownEvent++ % KNOWN_EVENTS];
		known->name = name;
		known->event = event;
	}
	return event;
}

/* Turn a checked message into rows; returns why it cannot be taken, or NULL. */
static char *
AddRows(IngestBatch *batch, const IngestMessage *message, PendingMessage *pending)
{
	EventRow	row = {0};
	JsonbContainer *properties = NULL;
	JsonbContainer *items = message->items;
	PendingRow *single;
	bool		severalItems;
	char	   *reason = NULL;
	int			event;

	pending->cause = REASON_EVENT;
	event = LookUpEvent(batch, message->event, &reason, &pending->sqlState);
	if (event < 0)
		return reason;
	row.userKey = pending->userKey;
	row.event = (int16) event;
	row.ts = message->hasTs ? message->ts : batch->now;
	row.receivedAt = batch->history ? row.ts : batch->now;
	row.sessionKey = OptionalKey(message->sessionId, &row.hasSession);
	row.requestKey = OptionalKey(message->requestId, &row.hasRequest);
	if (message->hasProperties)
	{
		JsonbValue	value;

		row.properties = DatumGetJsonbP(message->properties);
		properties = &row.properties->root;
		if (items == NULL && GetMember(properties, "items", &value) &&
			value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			items = value.val.binary.data;
	}
	severalItems = items && JsonContainerSize(items) > 0 &&
		(message->itemId.data == NULL || message->itemId.length == 0);
	/* an id that nobody knows is of use only where it joins several rows */
	row.hasMessage = (severalItems || !message->surelyNew) &&
		message->messageId.data != NULL && message->messageId.length > 0;
	if (row.hasMessage)
		row.messageKey = MessageIdKey(message->messageId.data, message->messageId.length);
	pending->cause = REASON_ITEMS;
	if (severalItems)
		return AddItems(batch, &row, properties, items);

	row.itemKey = OptionalKey(message->itemId, &row.hasItem);
	if (properties)
		IngestSetDetails(&row, properties);
	single = IngestAddRow(batch);
	single->event = row;
	single->itemId = message->itemId;
	return NULL;
}

/* Append a text member, unless it is null. */
static void
PushText(JsonbParseState **state, const char *name, IngestString string)
{
	JsonbValue	key = {.type = jbvString, .val.string = {strlen(name), (char *) name}};
	JsonbValue	value = {.type = jbvString};

	if (string.data == NULL)
		return;
	/* what is too long is shown cut: nobody can use it as it was */
	value.val.string.val = string.length > KEY_MAX_ID_BYTES ? Quote(string) : (char *) string.data;
	value.val.string.len = string.length > KEY_MAX_ID_BYTES ? strlen(value.val.string.val) : string.length;
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Append a text member that may be long, unless it is null or too long to keep. */
static void
PushWhole(JsonbParseState **state, const char *name, IngestString string)
{
	JsonbValue	key = {.type = jbvString, .val.string = {strlen(name), (char *) name}};
	JsonbValue	value = {.type = jbvString, .val.string = {string.length, (char *) string.data}};

	if (string.data == NULL || string.length > MAX_PAYLOAD_BYTES)
		return;
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, &value);
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
	PushText(&state, "message_id", message->messageId);
	if (message->hasTs)
	{
		char	   *ts = EventTimeFormat(message->ts);

		PushText(&state, "ts", (IngestString) {ts, strlen(ts)});
	}
	PushText(&state, "ts", message->unreadTs);
	PushWhole(&state, "properties", message->unreadProperties);
	if (message->hasProperties &&
		toast_raw_datum_size(message->properties) <= MAX_PROPERTIES_BYTES)
	{
		JsonbValue	key = {.type = jbvString, .val.string = {10, "properties"}};
		JsonbValue	value;

		JsonbToJsonbValue(DatumGetJsonbP(message->properties), &value);
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
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
	if (batch->messageCount == batch->messageCapacity)
	{
		batch->messageCapacity *= 2;
		batch->messages = repalloc_huge(batch->messages,
										batch->messageCapacity * sizeof(PendingMessage));
	}
	return memset(&batch->messages[batch->messageCount++], 0, sizeof(PendingMessage));
}

/* Add a message to the batch. */
void
IngestAdd(IngestBatch *batch, const IngestMessage *given)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->scratch);
	PendingMessage *pending = NextMessage(batch);
	IngestMessage tidy = *given;
	const IngestMessage *message = &tidy;

	Tidy(&tidy.userId);
	Tidy(&tidy.itemId);
	Tidy(&tidy.sessionId);
	Tidy(&tidy.requestId);
	Tidy(&tidy.messageId);
	pending->rowNumber = message->rowNumber;
	pending->speaks = message->speaks;
	pending->spoken = message->spoken;
	pending->ts = message->hasTs ? message->ts : batch->now;
	pending->firstRow = batch->rowCount;
	if (CheckPerson(message->userId) == NULL)
	{
		pending->hasUser = true;
		pending->userId = message->userId;
		pending->userKey = KeyFromBytes(message->userId.data, message->userId.length);
	}
	pending->reason = CheckMessage(batch, message, &pending->cause);
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
	else if (message->messageId.data && message->messageId.length > 0 && !message->surelyNew)
	{
		pending->hasMessageId = true;
		MessageIdUuid(message->messageId.data, message->messageId.length, &pending->message);
	}
	pending->rowCount = batch->rowCount - pending->firstRow;
	MemoryContextSwitchTo(caller);
}
