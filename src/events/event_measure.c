/*
 * event_measure.c
 *		What counters keep of an event: worth, currency and place.
 */
#include "postgres.h"

#include "events/event_measure.h"

#include "base/id.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* Amounts are kept in this part of the currency's unit. */
#define AMOUNT_UNITS 1000000

/* The event's worth in 10^-6 of the currency; a worth too large is an error. */
int64
EventAmount(const EventRow *row)
{
	Datum		units;

	if (row->value == NULL)
		return 0;
	units = DirectFunctionCall2(numeric_mul, NumericGetDatum(row->value),
								NumericGetDatum(int64_to_numeric(AMOUNT_UNITS)));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, units));
}

/* A currency of up to four ASCII characters, tidy and in capitals, as a number; 0 if it is none. */
int32
EventCurrency(const EventRow *row)
{
	JsonbValue	value;
	IdBytes		tidy;
	uint32		code = 0;

	if (!EventProperty(row, "currency", &value) || value.type != jbvString)
		return 0;
	tidy = IdTidy((IdBytes) {value.val.string.val, value.val.string.len});
	if (tidy.length > 4)
		return 0;
	for (int i = 0; i < tidy.length; i++)
	{
		unsigned char letter = tidy.data[i];

		if (letter < ' ' || letter > '~')
			return 0;
		code = code << 8 | pg_ascii_toupper(letter);
	}
	return (int32) code;
}

/* The bucket of a place on the page. */
int16
EventSlotBucket(bool hasSlot, int16 slot)
{
	if (!hasSlot || slot <= 0)
		return 0;
	if (slot <= 4)
		return slot;
	return slot <= 8 ? 5 : slot <= 16 ? 6 : slot <= 32 ? 7 : 8;
}
