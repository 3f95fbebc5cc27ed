/*
 * event_row.c
 *		A row of event, taken apart.
 */
#include "postgres.h"

#include "events/event_row.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "executor/tuptable.h"
#include "utils/timestamp.h"

/* Read one nullable 64-bit column. */
static inline int64
ReadKey(const Datum *values, const bool *nulls, EventColumn column, bool *exists)
{
	*exists = !nulls[column - 1];
	return *exists ? DatumGetInt64(values[column - 1]) : 0;
}

/* Fill a row in from its columns. */
static inline void
FillRow(const Datum *values, const bool *nulls, bool keysOnly, EventRow *row)
{
	row->receivedAt = DatumGetTimestampTz(values[EVENT_RECEIVED_AT - 1]);
	row->ts = DatumGetTimestampTz(values[EVENT_TS - 1]);
	row->txid = DatumGetInt64(values[EVENT_TXID - 1]);
	row->userKey = DatumGetInt64(values[EVENT_USER_KEY - 1]);
	row->consent = DatumGetInt32(values[EVENT_CONSENT - 1]);
	row->event = DatumGetInt16(values[EVENT_EVENT - 1]);
	row->ordinal = DatumGetInt16(values[EVENT_ORDINAL - 1]);
	row->sequence = nulls[EVENT_SEQUENCE - 1] ? 0 : DatumGetInt16(values[EVENT_SEQUENCE - 1]);
	row->itemKey = ReadKey(values, nulls, EVENT_ITEM_KEY, &row->hasItem);
	row->sessionKey = ReadKey(values, nulls, EVENT_SESSION_KEY, &row->hasSession);
	row->requestKey = ReadKey(values, nulls, EVENT_REQUEST_KEY, &row->hasRequest);
	row->messageKey = ReadKey(values, nulls, EVENT_MESSAGE_KEY, &row->hasMessage);
	row->requestOrigin = nulls[EVENT_REQUEST_ORIGIN - 1] ? 0 :
		DatumGetInt64(values[EVENT_REQUEST_ORIGIN - 1]);
	row->hasSlot = !nulls[EVENT_SLOT - 1];
	row->slot = row->hasSlot ? DatumGetInt16(values[EVENT_SLOT - 1]) : 0;
	row->value = keysOnly || nulls[EVENT_VALUE - 1] ? NULL :
		DatumGetNumeric(values[EVENT_VALUE - 1]);
	row->properties = keysOnly || nulls[EVENT_PROPERTIES - 1] ? NULL :
		DatumGetJsonbP(values[EVENT_PROPERTIES - 1]);
}

/* Bytes of the columns up to slot, each aligned to as many. */
static const uint8 columnBytes[EVENT_SLOT + 1] = {
	[EVENT_RECEIVED_AT] = 8,[EVENT_TS] = 8,[EVENT_TXID] = 8,[EVENT_USER_KEY] = 8,[EVENT_CONSENT] = 4,[EVENT_EVENT] = 2,
	[EVENT_ORDINAL] = 2,[EVENT_SEQUENCE] = 2,[EVENT_ITEM_KEY] = 8,[EVENT_SESSION_KEY] = 8,[EVENT_REQUEST_KEY] = 8,
	[EVENT_MESSAGE_KEY] = 8,[EVENT_REQUEST_ORIGIN] = 8,[EVENT_SLOT] = 2
};

/* The header of a row that is on a page; NULL: it is not, or has not all columns up to properties. */
static inline HeapTupleHeader
HeaderOnPage(TupleTableSlot *slot)
{
	HeapTuple	tuple = TTS_IS_BUFFERTUPLE(slot) ? ((BufferHeapTupleTableSlot *) slot)->base.tuple : NULL;

	return tuple != NULL && HeapTupleHeaderGetNatts(tuple->t_data) >= EVENT_PROPERTIES ? tuple->t_data : NULL;
}

/*
 * Take the columns up to slot out of a row, quicker than a row of any form can be: the
 * server's code is told of each column's form by the catalogue.
 */
static void
TakeColumns(HeapTupleHeader header, Datum *values, bool *isNull)
{
	const char *data = (const char *) header + header->t_hoff;
	const bits8 *present = (header->t_infomask & HEAP_HASNULL) != 0 ? header->t_bits : NULL;
	uintptr_t	place = 0;

	for (int column = 1; column <= EVENT_SLOT; column++)
	{
		int			bytes = columnBytes[column];

		isNull[column - 1] = present != NULL && att_isnull(column - 1, present);
		if (isNull[column - 1])
			continue;
		place = TYPEALIGN(bytes, place);
		if (bytes == sizeof(int64))
			values[column - 1] = Int64GetDatum(*(const int64 *) (data + place));
		else if (bytes == sizeof(int32))
			values[column - 1] = Int32GetDatum(*(const int32 *) (data + place));
		else
			values[column - 1] = Int16GetDatum(*(const int16 *) (data + place));
		place += bytes;
	}
}

/* True if a row on a page has neither value nor properties. */
static inline bool
HasKeysOnly(HeapTupleHeader header)
{
	return (header->t_infomask & HEAP_HASNULL) != 0 && att_isnull(EVENT_VALUE - 1, header->t_bits) &&
		att_isnull(EVENT_PROPERTIES - 1, header->t_bits);
}

/* Decode a row. */
void
EventFillRow(TupleTableSlot *slot, bool keysOnly, EventRow *row)
{
	HeapTupleHeader header = HeaderOnPage(slot);
	Datum		taken[EVENT_SLOT];
	bool		nulls[EVENT_SLOT];

	if (header != NULL && (keysOnly || HasKeysOnly(header)))
	{
		TakeColumns(header, taken, nulls);
		FillRow(taken, nulls, true, row);
		return;
	}
	slot_getsomeattrs(slot, keysOnly ? EVENT_SLOT : EVENT_PROPERTIES);
	FillRow(slot->tts_values, slot->tts_isnull, keysOnly, row);
}

/* The transaction of a row. */
int64
EventRowTxid(TupleTableSlot *slot)
{
	HeapTupleHeader header = HeaderOnPage(slot);
	bool		isNull;
	int64		txid;

	if (header == NULL)
		return DatumGetInt64(slot_getattr(slot, EVENT_TXID, &isNull));
	memcpy(&txid, (const char *) header + header->t_hoff + EVENT_TXID_OFFSET, sizeof(int64));
	return txid;
}
