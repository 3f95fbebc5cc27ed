/*
 * data_quality.c
 *		What is missing in the events that were received lately.
 *
 * An event that is stored but says less than its kind should counts for little:
 * a purchase without a value, a search without words, a view of nothing.  Here
 * they are counted, by kind, each with the names of what one of them did say;
 * never with values, which may tell about a person.
 */
#include "postgres.h"

#include "base/number.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_event_gaps);

/* A sample tells at most so many names. */
#define MAX_NAMES 20

/* What an event may lack. */
typedef enum Gap
{
	GAP_NONE,					/* all events of the kind */
	GAP_ITEM,
	GAP_VALUE,
	GAP_QUERY
} Gap;
#define GAP_COUNT (GAP_QUERY + 1)

static const char *const gapNames[GAP_COUNT] = {NULL, "no item", "no value", "no query"};

/* Events of a kind that lack the same. */
typedef struct GapEntry
{
	struct
	{
		int16		event;
		int16		gap;
	}			key;
	int64		count;
	TimestampTz last;
	ArrayType  *names;			/* of the properties of one of them */
} GapEntry;

/* True if an event says what was searched for. */
static bool
HasQuery(const EventRow *row)
{
	JsonbValue	value;
	const char *string;
	int			length;

	if (!EventProperty(row, "query", &value) || value.type != jbvString)
		return false;
	string = value.val.string.val;
	length = value.val.string.len;
	NumberTrim(&string, &length);
	return length > 0;
}

/* True if an event lacks something that its kind should have. */
static bool
Lacks(const EventRow *row, Gap gap)
{
	switch (gap)
	{
		case GAP_NONE:
			return true;
		case GAP_ITEM:
			return !row->hasItem &&
				(row->event == EVENT_TYPE_SELECT_ITEM || row->event == EVENT_TYPE_VIEW_ITEM ||
				 row->event == EVENT_TYPE_ADD_TO_WISHLIST || row->event == EVENT_TYPE_ADD_TO_CART ||
				 row->event == EVENT_TYPE_REMOVE_FROM_CART || row->event == EVENT_TYPE_PURCHASE);
		case GAP_VALUE:
			return row->value == NULL &&
				(row->event == EVENT_TYPE_PURCHASE || row->event == EVENT_TYPE_REFUND);
		case GAP_QUERY:
			/* of a search with results the first row has it */
			return row->event == EVENT_TYPE_SEARCH && row->ordinal == 0 && !HasQuery(row);
	}
	return false;
}

/* The names of an event's properties. */
static ArrayType *
PropertyNames(const EventRow *row)
{
	Datum		names[MAX_NAMES];
	int			count = 0;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (row->properties && JB_ROOT_IS_OBJECT(row->properties))
	{
		iterator = JsonbIteratorInit(&row->properties->root);
		while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
			if (token == WJB_KEY && count < MAX_NAMES)
				names[count++] = PointerGetDatum(cstring_to_text_with_len(value.val.string.val,
																		  value.val.string.len));
	}
	return construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Count an event. */
static void
CountEvent(HTAB *gaps, const EventRow *row, Gap gap)
{
	GapEntry	wanted = {.key = {row->event, gap}};
	GapEntry   *entry;
	bool		found;

	entry = hash_search(gaps, &wanted.key, HASH_ENTER, &found);
	if (!found)
	{
		entry->count = 0;
		entry->last = row->receivedAt;
		entry->names = PropertyNames(row);
	}
	entry->count++;
	entry->last = Max(entry->last, row->receivedAt);
}

/* Read the events received since some time. */
static HTAB *
ReadGaps(TimestampTz since)
{
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.allDays = true,.since = since};
	HASHCTL		control = {
		.keysize = sizeof(((GapEntry *) NULL)->key),.entrysize = sizeof(GapEntry),.hcxt = CurrentMemoryContext
	};
	HTAB	   *gaps = hash_create("personalize event gaps", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		for (int gap = 0; gap < GAP_COUNT && row.receivedAt >= since; gap++)
			if (Lacks(&row, gap))
				CountEvent(gaps, &row, gap);
	}
	EventScanEnd(scan);
	return gaps;
}

/* _event_gaps(since) → (event, gap, events, last_at, names). */
Datum
personalize_event_gaps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HASH_SEQ_STATUS status;
	GapEntry   *entry;

	InitMaterializedSRF(fcinfo, 0);
	hash_seq_init(&status, ReadGaps(PG_GETARG_TIMESTAMPTZ(0)));
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		const char *name = gapNames[entry->key.gap];
		Datum		values[] = {
			Int16GetDatum(entry->key.event), name ? CStringGetTextDatum(name) : (Datum) 0,
			Int64GetDatum(entry->count), TimestampTzGetDatum(entry->last), PointerGetDatum(entry->names)
		};
		bool		nulls[lengthof(values)] = {false, name == NULL};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
