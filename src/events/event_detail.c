/*
 * event_detail.c
 *		What an event, or an item of it, says about worth, place and the like.
 *
 * Numbers that came as strings are stored as numbers, so that price bands,
 * filters and value paths see what event.value sees.  What was said under
 * another tracker's name is stored under ours too.
 *
 * Amounts are not negative, so that no sum is raised by what should lower it:
 * a refund, and what is taken out of a cart, lowers sums by its kind, and a minus
 * sign in it says the same once more.
 */
#include "postgres.h"

#include "events/event_detail.h"

#include "base/json_build.h"
#include "base/number.h"
#include "compat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Longer values are cut in messages. */
#define MAX_QUOTED_BYTES 64

/* A field, and the names others have for it. */
typedef struct FieldNames
{
	EventField	field;
	int			count;
	EventField	names[3];
} FieldNames;

/* Stored under our name, too, where it is missing. */
static const FieldNames storedNames[] = {
	{FIELD_ORDER_ID, 2, {FIELD_ORDER_ID, FIELD_TRANSACTION_ID}},
	{FIELD_QUERY, 3, {FIELD_QUERY, FIELD_SEARCH_TERM, FIELD_SEARCH_QUERY}},
	{FIELD_CATEGORY, 2, {FIELD_CATEGORY, FIELD_ITEM_CATEGORY}},
	{FIELD_BRAND, 2, {FIELD_BRAND, FIELD_ITEM_BRAND}}
};

/* What the signals have to say; set once when the library is loaded. */
static EventDetailCheckRow checkRow = NULL;

static const EventField valueNames[] = {FIELD_VALUE, FIELD_REVENUE, FIELD_TOTAL};
static const EventField priceNames[] = {FIELD_PRICE};
static const EventField quantityNames[] = {FIELD_QUANTITY};
static const EventField scoreNames[] = {FIELD_SCORE};
static const EventField slotNames[] = {FIELD_SLOT, FIELD_POSITION, FIELD_INDEX};

/* True if what such an event is worth is the price of its item. */
bool
EventDetailIsPriced(int16 event)
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

/* True if such an event takes something back, so that a minus sign says nothing new. */
static bool
TakesBack(int16 event)
{
	return event == EVENT_TYPE_REFUND || event == EVENT_TYPE_REMOVE_FROM_CART;
}

/* A value as it may be shown. */
char *
EventDetailShow(const JsonbValue *value)
{
	IngestString string;

	if (!EventFieldScalar(value, &string))
		return value->type == jbvBool ? pstrdup(value->val.boolean ? "true" : "false") :
			pstrdup(JsonContainerIsArray(value->val.binary.data) ? "[...]" : "{...}");
	if (string.length <= MAX_QUOTED_BYTES)
		return pnstrdup(string.data, string.length);
	return psprintf("%.*s...", pg_mbcliplen(string.data, string.length, MAX_QUOTED_BYTES), string.data);
}

/* Store a field otherwise than it was sent. */
void
EventDetailChange(EventDetail *detail, EventField field, const JsonbValue *value)
{
	Assert(detail->changeCount < EVENT_DETAIL_MAX_CHANGES);
	detail->changed[detail->changeCount] = field;
	detail->changes[detail->changeCount++] = *value;
}

/* The same for a number. */
void
EventDetailChangeNumber(EventDetail *detail, EventField field, Numeric number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = number;
	EventDetailChange(detail, field, &value);
}

/* Read the first of some fields as a number; returns why it is none. */
static char *
ReadNumber(const EventFields *fields, const EventField *names, int count, EventDetail *detail,
		   Numeric *number, EventField *found)
{
	const JsonbValue *value = EventFieldsFirst(fields, names, count, found);
	const char *problem;

	*number = NULL;
	if (value == NULL)
		return NULL;
	switch (NumberFromJson(value, number, &problem))
	{
		case NUMBER_ABSENT:
			return NULL;
		case NUMBER_REFUSED:
			return psprintf("%s \"%s\" %s", eventFieldNames[*found], EventDetailShow(value), problem);
		case NUMBER_READ:
			break;
	}
	if (value->type == jbvString)
		EventDetailChangeNumber(detail, *found, *number);
	return NULL;
}

/* Make a number positive where its sign says nothing, refuse it where it would be wrong. */
static char *
CheckSign(Numeric *number, EventField field, int16 event)
{
	if (*number == NULL || NumberCompare(*number, 0) >= 0)
		return NULL;
	if (TakesBack(event))
	{
		*number = DatumGetNumeric(DirectFunctionCall1(numeric_abs, NumericGetDatum(*number)));
		return NULL;
	}
	if (field == FIELD_PRICE || field == FIELD_QUANTITY || EventDetailIsPriced(event))
		return psprintf("%s \"%s\" is negative: what is given back is an event \"refund\", a discount lowers the value of the order",
						eventFieldNames[field], numeric_normalize(*number));
	return NULL;
}

/* Read an amount of the event. */
static char *
ReadAmount(const EventFields *fields, const EventField *names, int count, int16 event,
		   EventDetail *detail, Numeric *number)
{
	EventField	found;
	char	   *reason = ReadNumber(fields, names, count, detail, number, &found);

	return reason ? reason : CheckSign(number, found, event);
}

/*
 * Read the place on the page; index counts from 0, as in Google Analytics 4.
 * The position of a promotion is a name with Segment ("home_banner_top").
 */
static char *
ReadSlot(const EventFields *fields, int16 event, bool item, EventDetail *detail)
{
	bool		promotion = event == EVENT_TYPE_VIEW_PROMOTION || event == EVENT_TYPE_SELECT_PROMOTION;
	Numeric		number;
	EventField	found;
	char	   *reason = ReadNumber(fields, slotNames, item ? 3 : 2, detail, &number, &found);
	int			first = found == FIELD_INDEX ? 0 : 1;
	Datum		whole;

	if (reason && promotion && found == FIELD_POSITION)
		return NULL;
	if (reason || number == NULL)
		return reason;
	whole = DirectFunctionCall2(numeric_trunc, NumericGetDatum(number), Int32GetDatum(0));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, whole, NumericGetDatum(number))) ||
		NumberCompare(number, first) < 0 || NumberCompare(number, PG_INT16_MAX + first - 1) > 0)
		return psprintf("%s \"%s\" is not a whole number from %d to %d", eventFieldNames[found],
						numeric_normalize(number), first, PG_INT16_MAX + first - 1);
	detail->hasSlot = true;
	detail->slot = DatumGetInt32(DirectFunctionCall1(numeric_int4, whole)) + 1 - first;
	if (found == FIELD_INDEX)
		EventDetailChangeNumber(detail, FIELD_SLOT, int64_to_numeric(detail->slot));
	return NULL;
}

/*
 * Read how well an item that was shown agrees with the query, as the application's own search
 * has it; beside a list of items the word may mean anything.
 */
static char *
ReadScore(const EventFields *fields, int16 event, bool item, EventDetail *detail)
{
	Numeric		number;
	EventField	found;

	if (event != EVENT_TYPE_VIEW_ITEM_LIST || (!item && (fields->present & FIELD_LISTS) != 0))
		return NULL;
	return ReadNumber(fields, scoreNames, lengthof(scoreNames), detail, &number, &found);
}

/* Note what is said under another name only. */
static void
ReadNames(const EventFields *fields, EventDetail *detail)
{
	for (int i = 0; i < lengthof(storedNames); i++)
	{
		EventField	found;
		const JsonbValue *value = EventFieldsFirst(fields, storedNames[i].names, storedNames[i].count, &found);

		if (value && found != storedNames[i].field)
			EventDetailChange(detail, storedNames[i].field, value);
	}
}

/* What the known fields of an object mean. */
char *
EventDetailRead(const EventFields *fields, int16 event, bool item, EventDetail *detail)
{
	char	   *reason;

	memset(detail, 0, offsetof(EventDetail, changed));
	if (fields->present == 0)
		return NULL;
	/* revenue and total mean an order's value in events about one */
	if ((reason = ReadAmount(fields, valueNames, EventDetailIsPriced(event) && !item ? 3 : 1, event,
							 detail, &detail->value)) ||
		(reason = ReadAmount(fields, priceNames, 1, event, detail, &detail->price)) ||
		(reason = ReadAmount(fields, quantityNames, 1, event, detail, &detail->quantity)) ||
		(reason = ReadSlot(fields, event, item, detail)) ||
		(reason = ReadScore(fields, event, item, detail)))
		return reason;
	ReadNames(fields, detail);
	return NULL;
}

/* price × quantity; NULL if there is no price. */
Numeric
EventDetailCost(const EventDetail *detail)
{
	if (detail->price == NULL || detail->quantity == NULL)
		return detail->price;
	return DatumGetNumeric(DirectFunctionCall2(numeric_mul, NumericGetDatum(detail->price),
											   NumericGetDatum(detail->quantity)));
}

/* Append what is stored otherwise to the object being built. */
void
EventDetailPush(JsonbParseState **state, const EventDetail *detail)
{
	for (int i = 0; i < detail->changeCount; i++)
		JsonPushValue(state, eventFieldNames[detail->changed[i]], &detail->changes[i]);
}

/* Worth and place of an event, from what is said about it; returns what is wrong, or NULL. */
char *
EventDetailApply(EventRow *row, const EventDetail *detail, JsonbContainer *properties)
{
	JsonbParseState *state = NULL;

	row->value = detail->value ? detail->value :
		EventDetailIsPriced(row->event) ? EventDetailCost(detail) : NULL;
	if (row->value && NumberCompare(row->value, PG_INT64_MAX) > 0)
		return pstrdup("price × quantity is too large");
	row->hasSlot = detail->hasSlot;
	row->slot = detail->slot;
	if (detail->changeCount == 0)
		return NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	EventFieldsPush(&state, properties, 0);
	EventDetailPush(&state, detail);
	row->properties = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return NULL;
}

/* Let others say why an event cannot be taken. */
void
EventDetailRegisterCheck(EventDetailCheckRow check)
{
	Assert(checkRow == NULL);
	checkRow = check;
}

/* Why an event, as it is to be stored, cannot be taken; NULL if it can. */
char *
EventDetailCheck(const EventRow *row)
{
	return checkRow(row);
}

/* Worth, place and properties of an event whose properties changed; raises. */
void
EventDetailSet(EventRow *row)
{
	EventFields fields;
	EventDetail detail;
	char	   *reason;

	EventFieldsRead(&row->properties->root, &fields);
	if ((reason = EventDetailRead(&fields, row->event, false, &detail)) != NULL ||
		(reason = EventDetailApply(row, &detail, &row->properties->root)) != NULL ||
		(reason = EventDetailCheck(row)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", reason)));
}
