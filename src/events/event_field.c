/*
 * event_field.c
 *		The fields of properties, and of the items in them, that are known by name.
 *
 * The names are ours and those of Google Analytics 4, Segment, Snowplow and
 * Google Retail.  An object is walked once, whatever number of names there is.
 */
#include "postgres.h"

#include "events/event_field.h"

#include "base/number.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

const char *const eventFieldNames[EVENT_FIELD_COUNT] = {
	[FIELD_VALUE] = "value",
	[FIELD_REVENUE] = "revenue",
	[FIELD_TOTAL] = "total",
	[FIELD_PRICE] = "price",
	[FIELD_QUANTITY] = "quantity",
	[FIELD_SLOT] = "slot",
	[FIELD_POSITION] = "position",
	[FIELD_INDEX] = "index",
	[FIELD_SCORE] = "score",
	[FIELD_CURRENCY] = "currency",
	[FIELD_ORDER_ID] = "order_id",
	[FIELD_TRANSACTION_ID] = "transaction_id",
	[FIELD_QUERY] = "query",
	[FIELD_SEARCH_TERM] = "search_term",
	[FIELD_SEARCH_QUERY] = "search_query",
	[FIELD_CATEGORY] = "category",
	[FIELD_ITEM_CATEGORY] = "item_category",
	[FIELD_BRAND] = "brand",
	[FIELD_ITEM_BRAND] = "item_brand",
	[FIELD_ITEM_ID] = "item_id",
	[FIELD_PRODUCT_ID] = "product_id",
	[FIELD_SKU] = "sku",
	[FIELD_ID] = "id",
	[FIELD_PRODUCT] = "product",
	[FIELD_ITEMS] = "items",
	[FIELD_PRODUCTS] = "products",
	[FIELD_LINE_ITEMS] = "line_items",
	[FIELD_PRODUCT_DETAILS] = "productDetails"
};

/* The number of a name; -1 if it is not known. */
static int
FindField(const char *name, int length)
{
	static int	lengths[EVENT_FIELD_COUNT];

	if (lengths[0] == 0)
		for (int i = EVENT_FIELD_COUNT - 1; i >= 0; i--)
			lengths[i] = strlen(eventFieldNames[i]);
	for (int i = 0; i < EVENT_FIELD_COUNT; i++)
		if (lengths[i] == length && memcmp(eventFieldNames[i], name, length) == 0)
			return i;
	return -1;
}

/* Find the known fields of an object. */
void
EventFieldsRead(JsonbContainer *object, EventFields *fields)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	fields->present = 0;
	if (object == NULL || !JsonContainerIsObject(object))
		return;
	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		int			field;

		if (token != WJB_KEY)
			continue;
		field = FindField(value.val.string.val, value.val.string.len);
		JsonbIteratorNext(&iterator, &value, true);
		if (field < 0 || value.type == jbvNull)
			continue;
		fields->of[field] = value;
		fields->present |= FIELD_BIT(field);
	}
}

/* Append the members of an object, except some known ones; returns how many. */
int
EventFieldsPush(JsonbParseState **state, JsonbContainer *object, uint32 except)
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
		int			field;
		bool		skip;

		if (token != WJB_KEY)
			continue;
		field = except == 0 ? -1 : FindField(value.val.string.val, value.val.string.len);
		skip = field >= 0 && (except & FIELD_BIT(field)) != 0;
		if (!skip)
			pushJsonbValue(state, WJB_KEY, &value);
		JsonbIteratorNext(&iterator, &value, true);
		if (!skip)
			pushJsonbValue(state, WJB_VALUE, &value);
		count += !skip;
	}
	return count;
}

/* True if a value is a string of blanks, which says nothing. */
static bool
IsBlank(const JsonbValue *value)
{
	const char *string;
	int			length;

	if (value->type != jbvString)
		return false;
	string = value->val.string.val;
	length = value->val.string.len;
	NumberTrim(&string, &length);
	return length == 0;
}

/* The first of some fields that says anything. */
const JsonbValue *
EventFieldsFirst(const EventFields *fields, const EventField *names, int count, EventField *found)
{
	for (int i = 0; i < count; i++)
	{
		*found = names[i];
		if ((fields->present & FIELD_BIT(names[i])) && !IsBlank(&fields->of[names[i]]))
			return &fields->of[names[i]];
	}
	return NULL;
}

/* The bytes of a JSON string or number. */
bool
EventFieldScalar(const JsonbValue *value, IngestString *string)
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
