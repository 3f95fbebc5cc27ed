/*
 * order_id.c
 *		Which order an event belongs to.
 *
 * Programs write words where they have no id.  An order by such a name would join
 * purchases that have nothing to do with each other, so it is none, and the
 * session or the day tells what belongs together.  It is tidied as other ids are.
 */
#include "postgres.h"

#include "events/order_id.h"

#include "base/id.h"
#include "events/event_field.h"

/* What stands for no id at all, in lower case. */
static const char *const placeholders[] = {
	"", "(not set)", "(none)", "(not provided)", "not set", "null", "(null)", "<null>", "nil", "none",
	"undefined", "undef", "unknown", "nan", "n/a", "na", "#n/a", "[object object]", "{}", "[]", "true",
	"false", "-", "--", "0", "00000000-0000-0000-0000-000000000000"
};

/* True if the id stands for none. */
static bool
IsPlaceholder(IngestString id)
{
	for (int i = 0; i < lengthof(placeholders); i++)
		if (strlen(placeholders[i]) == id.length && pg_strncasecmp(placeholders[i], id.data, id.length) == 0)
			return true;
	return false;
}

/* The order of an event. */
bool
OrderIdRead(const EventRow *row, IngestString *orderId)
{
	JsonbValue	value;
	IdBytes		tidy;

	if (!EventProperty(row, eventFieldNames[FIELD_ORDER_ID], &value) ||
		!EventFieldScalar(&value, orderId))
		return false;
	tidy = IdTidy((IdBytes) {orderId->data, orderId->length});
	orderId->data = tidy.data;
	orderId->length = tidy.length;
	return !IsPlaceholder(*orderId);
}
