/*
 * item_list.c
 *		The items of a message about several.
 *
 * A list is an array of objects or ids.  What programs make of one is read, too:
 * an object of a single item, an object of numbered items (a PHP array with a
 * gap), and either of them written as a string.
 *
 * Each item becomes a row.  The first row keeps what was said about the message
 * as a whole, so that a search is counted once and not once an item it found;
 * every row keeps what was said about its item, the currency, without which a
 * price says nothing, and the order it belongs to.
 *
 * If the message has a value, the values of its rows add up to it, to the last
 * digit.  Items are worth their own value or price × quantity; what is left goes
 * to the items that have neither, else it raises or lowers (a discount, say) all
 * in proportion.
 */
#include "postgres.h"

#include "events/item_list.h"

#include "base/key.h"
#include "base/number.h"
#include "compat.h"
#include "events/event_json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* The most items of one message. */
#define MAX_ITEMS 1000
StaticAssertDecl(MAX_ITEMS <= 1 << EVENT_ORDINAL_BITS, "ordinals of a message need more bits");

/* Shares are rounded to as many decimals as sums of amounts are kept with. */
#define SHARE_DECIMALS 6

/* Where a list may stand. */
static const EventField listNames[] = {
	FIELD_ITEMS, FIELD_PRODUCTS, FIELD_LINE_ITEMS, FIELD_PRODUCT_DETAILS
};

/* Where an item's id may stand: in the item, and beside what is said of a single one. */
static const EventField idNames[] = {FIELD_ITEM_ID, FIELD_PRODUCT_ID, FIELD_SKU, FIELD_ID};
#define ID_NAMES_OUTSIDE 3

/* What every row of a message keeps of the whole. */
static const EventField sharedNames[] = {FIELD_CURRENCY, FIELD_ORDER_ID};

#define NO_FIELD EVENT_FIELD_COUNT

/* An item that has been read. */
typedef struct ListItem
{
	IngestString id;
	EventField	idField;		/* NO_FIELD: the item is nothing but its id */
	JsonbContainer *object;		/* NULL: the same */
	EventDetail detail;
	Numeric		worth;			/* its own value, or price × quantity; NULL: unknown */
	Numeric		value;			/* what is stored */
} ListItem;

/* True if two JSON values are equal. */
bool
ItemListIsSame(const JsonbValue *left, const JsonbValue *right)
{
	JsonbValue	a = *left;
	JsonbValue	b = *right;

	return compareJsonbContainers(&JsonbValueToJsonb(&a)->root, &JsonbValueToJsonb(&b)->root) == 0;
}

/* The id of an item in its fields; returns why it is not usable, or NULL. */
char *
ItemListGetId(const EventFields *fields, bool item, IngestString *itemId, EventField *found)
{
	const JsonbValue *value = EventFieldsFirst(fields, idNames, item ? lengthof(idNames) : ID_NAMES_OUTSIDE, found);
	const char *name = eventFieldNames[*found];
	EventFields nested;

	*itemId = (IngestString) {NULL, 0};
	if (value == NULL && item && (fields->present & FIELD_BIT(FIELD_PRODUCT)) &&
		fields->of[FIELD_PRODUCT].type == jbvBinary)
	{
		EventFieldsRead(fields->of[FIELD_PRODUCT].val.binary.data, &nested);
		value = EventFieldsFirst(&nested, idNames, lengthof(idNames), found);
		*found = NO_FIELD;
	}
	if (value && !EventFieldScalar(value, itemId))
		return psprintf("%s is neither a string nor a number", name);
	IngestTidyId(itemId);
	return NULL;
}

/* Take the members of an object as a list: one item, or several under numbers. */
static bool
ReadObject(JsonbContainer *object, ItemList *list)
{
	EventFields fields;
	IngestString id;
	EventField	found;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	list->elements = palloc(sizeof(JsonbValue) * Max(JsonContainerSize(object), 1));
	EventFieldsRead(object, &fields);
	if (ItemListGetId(&fields, true, &id, &found) == NULL && id.data)
	{
		list->elements[0].type = jbvBinary;
		list->elements[0].val.binary.data = object;
		list->count = 1;
		return true;
	}
	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_VALUE && value.type != jbvBinary)
			return false;
		if (token == WJB_VALUE)
			list->elements[list->count++] = value;
	}
	return true;
}

/* Take the elements of an array. */
static bool
ReadArray(JsonbContainer *array, ItemList *list)
{
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;

	list->elements = palloc(sizeof(JsonbValue) * Max(JsonContainerSize(array), 1));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			list->elements[list->count++] = value;
	return true;
}

/* The container that a value is, or holds as a string; NULL if it is neither. */
static JsonbContainer *
GetContainer(const JsonbValue *value)
{
	JsonbContainer *container = NULL;
	Jsonb	   *parsed;
	char	   *reason;

	if (value->type == jbvBinary)
		container = value->val.binary.data;
	else if (value->type == jbvString &&
			 (parsed = EventJsonRead((IngestString) {value->val.string.val, value->val.string.len}, &reason)) != NULL)
		container = &parsed->root;
	return container && !JsonContainerIsScalar(container) ? container : NULL;
}

/* Read a list; returns why it is none, or NULL. */
static char *
ReadList(const JsonbValue *value, EventField name, ItemList *list)
{
	JsonbContainer *container = GetContainer(value);

	list->name = name;
	list->count = 0;
	if (container && JsonContainerSize(container) > MAX_ITEMS)
		return psprintf("%s has %u elements, more than %d", eventFieldNames[name],
						JsonContainerSize(container), MAX_ITEMS);
	if (container && (JsonContainerIsArray(container) ? ReadArray(container, list) : ReadObject(container, list)))
		return NULL;
	return psprintf("%s \"%s\" is not a list of items", eventFieldNames[name], EventDetailShow(value));
}

/* Find the list of a message. */
char *
ItemListFind(const EventFields *fields, ItemList *list)
{
	list->count = 0;
	for (int i = 0; i < lengthof(listNames) && fields->present != 0; i++)
	{
		ItemList	other;
		EventField	found;
		const JsonbValue *value = EventFieldsFirst(fields, &listNames[i], 1, &found);
		char	   *reason;

		if (value == NULL)
			continue;
		if ((reason = ReadList(value, found, &other)) != NULL)
			return reason;
		if (list->count > 0 && other.count > 0 && !ItemListIsSame(&fields->of[list->name], value))
			return psprintf("%s and %s are different lists of items",
							eventFieldNames[list->name], eventFieldNames[found]);
		if (list->count == 0)
			*list = other;
	}
	return NULL;
}

/* Why an item's id is not usable, behind the name of the list; NULL if it is. */
static char *
CheckId(const ListItem *item)
{
	char	   *reason = IngestCheckId(item->id, "item_id");

	return reason ? psprintf(".%s", reason) : NULL;
}

/* Read an element; returns why it is no item, behind the name of the list, or NULL. */
static char *
ReadItem(const JsonbValue *element, int16 event, ListItem *item)
{
	JsonbContainer *container = NULL;
	EventFields fields;
	char	   *reason;

	memset(item, 0, offsetof(ListItem, detail.changed));
	item->worth = item->value = NULL;
	item->idField = NO_FIELD;
	if (element->type == jbvBinary || (element->type == jbvString &&
									   element->val.string.len > 0 && element->val.string.val[0] == '{'))
		container = GetContainer(element);
	else if (EventFieldScalar(element, &item->id) && item->id.length > 0)
	{
		IngestTidyId(&item->id);
		return item->id.length > 0 ? CheckId(item) : pstrdup(" has no item_id");
	}
	if (container == NULL || !JsonContainerIsObject(container))
		return pstrdup(" has no item_id");

	item->object = container;
	EventFieldsRead(container, &fields);
	if ((reason = ItemListGetId(&fields, true, &item->id, &item->idField)) != NULL)
		return psprintf(".%s", reason);
	if (item->id.data == NULL || item->id.length == 0)
		return pstrdup(" has no item_id");
	if ((reason = CheckId(item)) != NULL)
		return reason;
	if ((reason = EventDetailRead(&fields, event, true, &item->detail)) != NULL)
		return psprintf(".%s", reason);
	item->worth = item->detail.value ? item->detail.value : EventDetailCost(&item->detail);
	if (item->worth && NumberCompare(item->worth, PG_INT64_MAX) > 0)
		return pstrdup(".price × quantity is too large");
	return NULL;
}

/* Shorthands for arithmetic. */
static Numeric
Add(Numeric left, Numeric right)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(left), NumericGetDatum(right)));
}

static Numeric
Subtract(Numeric left, Numeric right)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(left), NumericGetDatum(right)));
}

/* total × part / whole, rounded to what is kept; all of it where part is the whole. */
static Numeric
Share(Numeric total, Numeric part, Numeric whole)
{
	Datum		product;

	if (DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(part), NumericGetDatum(whole))))
		return total;
	product = DirectFunctionCall2(numeric_mul, NumericGetDatum(total), NumericGetDatum(part));
	return DatumGetNumeric(DirectFunctionCall2(numeric_round,
											   DirectFunctionCall2(numeric_div, product, NumericGetDatum(whole)),
											   Int32GetDatum(SHARE_DECIMALS)));
}

/* How items take part in what is left of the order's value. */
typedef enum ShareBy
{
	SHARE_UNPRICED,				/* what has no worth of its own, by quantity */
	SHARE_WORTH,				/* all, in proportion to their worth */
	SHARE_QUANTITY,				/* all, by quantity */
	SHARE_EQUALLY
} ShareBy;

/* An item's part. */
static Numeric
GetPart(const ListItem *item, ShareBy by)
{
	Numeric		zero = int64_to_numeric(0);
	Numeric		one = int64_to_numeric(1);

	switch (by)
	{
		case SHARE_UNPRICED:
			if (item->worth)
				return zero;
			break;
		case SHARE_WORTH:
			return item->worth ? item->worth : zero;
		case SHARE_EQUALLY:
			return one;
		case SHARE_QUANTITY:
			break;
	}
	return item->detail.quantity ? item->detail.quantity : one;
}

/* The sum of all parts. */
static Numeric
SumParts(const ListItem *items, int count, ShareBy by)
{
	Numeric		sum = int64_to_numeric(0);

	for (int i = 0; i < count; i++)
		sum = Add(sum, GetPart(&items[i], by));
	return sum;
}

/* Give the items their values, so that these add up to the value of the whole. */
static void
ShareValue(Numeric total, ListItem *items, int count)
{
	Numeric		rest = Subtract(total, SumParts(items, count, SHARE_WORTH));
	Numeric		part = int64_to_numeric(0);
	Numeric		given = int64_to_numeric(0);
	ShareBy		by = NumberCompare(rest, 0) > 0 ? SHARE_UNPRICED : SHARE_WORTH;
	Numeric		whole;

	while (NumberCompare(whole = SumParts(items, count, by), 0) <= 0)
		by++;
	for (int i = 0; i < count; i++)
	{
		Numeric		share;

		part = Add(part, GetPart(&items[i], by));
		share = Share(rest, part, whole);
		items[i].value = Subtract(share, given);
		if (items[i].worth)
			items[i].value = Add(items[i].worth, items[i].value);
		items[i].value = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
															 NumericGetDatum(items[i].value)));
		given = share;
	}
}

/* Find out what each item is worth; returns the value of the whole that was shared, or NULL. */
static Numeric
SetValues(const ItemListMessage *message, ListItem *items, int count)
{
	Numeric		total = message->detail->value;
	bool		priced = EventDetailIsPriced(message->row->event);
	bool		anyWorth = false;

	for (int i = 0; i < count; i++)
	{
		items[i].value = priced ? items[i].worth : items[i].detail.value;
		anyWorth |= items[i].worth != NULL;
	}
	/* a price beside the list is that of what is in it, if nothing else is known */
	if (total == NULL && priced && !anyWorth)
		total = EventDetailCost(message->detail);
	if (total)
		ShareValue(total, items, count);
	return total;
}

/* Note what every row keeps of the whole, of the row of an item that is not the first. */
static void
NoteShared(const ItemListMessage *message, EventDetail *shared)
{
	memset(shared, 0, offsetof(EventDetail, changed));
	for (int i = 0; i < lengthof(sharedNames); i++)
		if (message->fields->present & FIELD_BIT(sharedNames[i]))
			EventDetailChange(shared, sharedNames[i], &message->fields->of[sharedNames[i]]);
	for (int i = 0; i < message->detail->changeCount; i++)
		if (message->detail->changed[i] == FIELD_ORDER_ID)
			EventDetailChange(shared, FIELD_ORDER_ID, &message->detail->changes[i]);
}

/* The properties of an item's row; of names given twice the last counts.  NULL if there are none. */
static Jsonb *
BuildProperties(const ItemListMessage *message, const EventDetail *shared, ListItem *item, bool first)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;
	int			count = 0;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (first)
		count += EventFieldsPush(&state, message->properties, FIELD_LISTS);
	shared = first ? message->detail : shared;
	EventDetailPush(&state, shared);
	count += shared->changeCount;
	if (item->object)
		count += EventFieldsPush(&state, item->object,
							 item->idField == NO_FIELD ? 0 : FIELD_BIT(item->idField));
	EventDetailPush(&state, &item->detail);
	count += item->detail.changeCount;
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return count == 0 ? NULL : JsonbValueToJsonb(object);
}

/* True if an id given beside the list is that of an item in it. */
static bool
IsAmong(IngestString itemId, const ListItem *items, int count)
{
	int64		key;

	if (itemId.data == NULL || itemId.length == 0)
		return true;
	key = KeyFromBytes(itemId.data, itemId.length);
	for (int i = 0; i < count; i++)
		if (KeyFromBytes(items[i].id.data, items[i].id.length) == key)
			return true;
	return false;
}

/* Turn the items of a list into rows. */
char *
ItemListAddRows(IngestBatch *batch, const ItemListMessage *message, const ItemList *list)
{
	ListItem   *items = palloc(sizeof(ListItem) * list->count);
	const char *name = eventFieldNames[list->name];
	EventDetail shared;
	Numeric		total;

	for (int i = 0; i < list->count; i++)
	{
		char	   *reason = ReadItem(&list->elements[i], message->row->event, &items[i]);

		if (reason)
			return psprintf("%s[%d]%s", name, i, reason);
	}
	if (!IsAmong(message->itemId, items, list->count))
		return psprintf("item_id \"%.*s\" is not among %s", message->itemId.length, message->itemId.data, name);
	total = SetValues(message, items, list->count);
	NoteShared(message, &shared);
	for (int i = 0; i < list->count; i++)
	{
		PendingRow *row = IngestAddRow(batch);

		if (total)
			EventDetailChangeNumber(&items[i].detail, FIELD_VALUE, items[i].value);
		row->event = *message->row;
		row->event.ordinal = i;
		row->event.hasItem = true;
		row->event.itemKey = KeyFromBytes(items[i].id.data, items[i].id.length);
		row->itemId = items[i].id;
		row->event.value = items[i].value;
		row->event.hasSlot = items[i].detail.hasSlot;
		row->event.slot = items[i].detail.slot;
		row->event.properties = BuildProperties(message, &shared, &items[i], i == 0);
	}
	return NULL;
}
