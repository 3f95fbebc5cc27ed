/*
 * event_row.c
 *		A row of event, taken apart.
 */
#include "postgres.h"

#include "events/event_row.h"

#include "access/htup_details.h"
#include "access/tupdesc_details.h"
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

/* True if the columns up to properties that are not in a row are null: each that was not added with a default. */
static bool
LacksNullsOnly(TupleDesc descriptor, int columns)
{
	const AttrMissing *missing = descriptor->constr == NULL ? NULL : descriptor->constr->missing;

	for (int i = columns; missing != NULL && i < EVENT_PROPERTIES; i++)
		if (missing[i].am_present)
			return false;
	return true;
}

/* The header of a row that is on a page; NULL: it is not, or not all of what is not null up to properties is in it. */
static inline HeapTupleHeader
HeaderOnPage(TupleTableSlot *slot)
{
	HeapTuple	tuple = TTS_IS_BUFFERTUPLE(slot) ? ((BufferHeapTupleTableSlot *) slot)->base.tuple : NULL;

	return tuple != NULL && LacksNullsOnly(slot->tts_tupleDescriptor, HeapTupleHeaderGetNatts(tuple->t_data)) ?
		tuple->t_data : NULL;
}

/* A walk over the columns of a row. */
typedef struct ColumnWalk
{
	const char *data;
	const bits8 *present;		/* NULL: all that are in the row are */
	int			columns;		/* in the row */
	uintptr_t	place;			/* in data */
} ColumnWalk;

/* The next column, so many bytes aligned to as many; 0 if it is null. */
static pg_attribute_always_inline int64
NextColumn(ColumnWalk *walk, EventColumn column, int bytes, bool *exists)
{
	const char *data;

	*exists = column <= EVENT_ORDINAL ||
		(column <= walk->columns && (walk->present == NULL || !att_isnull(column - 1, walk->present)));
	if (!*exists)
		return 0;
	walk->place = TYPEALIGN(bytes, walk->place);
	data = walk->data + walk->place;
	walk->place += bytes;
	return bytes == sizeof(int64) ? *(const int64 *) data :
		bytes == sizeof(int32) ? *(const int32 *) data : *(const int16 *) data;
}

/* The order of columns that is gone by below; those up to ordinal are never null. */
StaticAssertDecl(EVENT_RECEIVED_AT == 1 && EVENT_TS == 2 && EVENT_TXID == 3 && EVENT_USER_KEY == 4 && EVENT_CONSENT == 5 &&
				 EVENT_EVENT == 6 && EVENT_ORDINAL == 7 && EVENT_ITEM_KEY == 8 && EVENT_SEQUENCE == 9 &&
				 EVENT_SESSION_KEY == 10 && EVENT_REQUEST_KEY == 11 && EVENT_MESSAGE_KEY == 12 &&
				 EVENT_REQUEST_ORIGIN == 13 && EVENT_SLOT == 14, "columns of event");

/*
 * Fill a row in up to its slot from where it is, quicker than a row of any form can be
 * taken apart: the server's code is told of each column's form by the catalogue.
 */
static void
FillFromPage(HeapTupleHeader header, EventRow *row)
{
	ColumnWalk	walk = {
		.data = (const char *) header + header->t_hoff,
		.present = (header->t_infomask & HEAP_HASNULL) != 0 ? header->t_bits : NULL,
		.columns = HeapTupleHeaderGetNatts(header)
	};
	bool		exists;

	row->receivedAt = NextColumn(&walk, EVENT_RECEIVED_AT, sizeof(int64), &exists);
	row->ts = NextColumn(&walk, EVENT_TS, sizeof(int64), &exists);
	row->txid = NextColumn(&walk, EVENT_TXID, sizeof(int64), &exists);
	row->userKey = NextColumn(&walk, EVENT_USER_KEY, sizeof(int64), &exists);
	row->consent = (int32) NextColumn(&walk, EVENT_CONSENT, sizeof(int32), &exists);
	row->event = (int16) NextColumn(&walk, EVENT_EVENT, sizeof(int16), &exists);
	row->ordinal = (int16) NextColumn(&walk, EVENT_ORDINAL, sizeof(int16), &exists);
	row->itemKey = NextColumn(&walk, EVENT_ITEM_KEY, sizeof(int64), &row->hasItem);
	row->sequence = (int16) NextColumn(&walk, EVENT_SEQUENCE, sizeof(int16), &exists);
	row->sessionKey = NextColumn(&walk, EVENT_SESSION_KEY, sizeof(int64), &row->hasSession);
	row->requestKey = NextColumn(&walk, EVENT_REQUEST_KEY, sizeof(int64), &row->hasRequest);
	row->messageKey = NextColumn(&walk, EVENT_MESSAGE_KEY, sizeof(int64), &row->hasMessage);
	row->requestOrigin = NextColumn(&walk, EVENT_REQUEST_ORIGIN, sizeof(int64), &exists);
	row->slot = (int16) NextColumn(&walk, EVENT_SLOT, sizeof(int16), &row->hasSlot);
	row->value = NULL;
	row->properties = NULL;
}

/* True if a row on a page has no value in a column. */
static inline bool
Lacks(HeapTupleHeader header, EventColumn column)
{
	return column > HeapTupleHeaderGetNatts(header) ||
		((header->t_infomask & HEAP_HASNULL) != 0 && att_isnull(column - 1, header->t_bits));
}

/* True if a row on a page has neither value nor properties. */
static inline bool
HasKeysOnly(HeapTupleHeader header)
{
	return Lacks(header, EVENT_VALUE) && Lacks(header, EVENT_PROPERTIES);
}

/* Decode a row. */
void
EventFillRow(TupleTableSlot *slot, bool keysOnly, EventRow *row)
{
	HeapTupleHeader header = HeaderOnPage(slot);

	if (header != NULL && (keysOnly || HasKeysOnly(header)))
	{
		FillFromPage(header, row);
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
