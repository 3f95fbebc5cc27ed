/*
 * page_segment.c
 *		Kinds of visitors of a page, whose impressions and clicks are counted apart.
 *
 * A visitor is in the first segment of the page, by place, whose condition holds; who is in
 * none is known or new.  The number of a segment stands in request ids and counters beside
 * that of the module.  Each backend keeps the table until it changes.
 */
#include "postgres.h"

#include "pages/page_segment.h"

#include "access/htup_details.h"
#include "base/argument.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "commands/trigger.h"
#include "compat.h"
#include "engines/audience.h"
#include "fmgr.h"
#include "items/item.h"
#include "pages/page_module.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_check_page_segment);

/* Columns of page_segment; src/pages/page_segment.sql. */
typedef enum PageSegmentColumn
{
	SEGMENT_COLUMN_PAGE = 1,
	SEGMENT_COLUMN_NAME,
	SEGMENT_COLUMN_PLACE,
	SEGMENT_COLUMN_AUDIENCE,
	SEGMENT_COLUMN_SEGMENT,
	SEGMENT_COLUMN_NUMBER
} PageSegmentColumn;

/* A row. */
typedef struct PageSegment
{
	text	   *page;
	char	   *name;
	int			place;
	Audience	audience;
	int			number;
} PageSegment;

/* What a backend keeps of the table. */
typedef struct SegmentTable
{
	int			count;
	PageSegment *segments;		/* by place */
} SegmentTable;

static void *ReadTable(Relation relation, Snapshot snapshot);
static TableCache cache = {.table = "page_segment",.read = ReadTable};

/* A row out of a slot. */
static bool
ReadRow(void *row, TupleTableSlot *slot)
{
	PageSegment *segment = row;

	segment->page = TableRowCopy(slot, SEGMENT_COLUMN_PAGE);
	segment->name = TableRowText(slot, SEGMENT_COLUMN_NAME);
	segment->place = TableRowInteger(slot, SEGMENT_COLUMN_PLACE);
	segment->audience.path = TableRowCopy(slot, SEGMENT_COLUMN_AUDIENCE);
	segment->audience.segment = TableRowText(slot, SEGMENT_COLUMN_SEGMENT);
	segment->number = DatumGetInt16(slot->tts_values[SEGMENT_COLUMN_NUMBER - 1]);
	return true;
}

/* Order segments by place, then by name. */
static int
CompareSegments(const void *left, const void *right)
{
	const PageSegment *a = left;
	const PageSegment *b = right;

	return a->place != b->place ? (a->place > b->place) - (a->place < b->place) : strcmp(a->name, b->name);
}

/* Read the table. */
static void *
ReadTable(Relation relation, Snapshot snapshot)
{
	SegmentTable *table = palloc_object(SegmentTable);
	TableRows	rows = TableRowsRead(relation, snapshot, sizeof(PageSegment), ReadRow, CompareSegments);

	table->count = rows.count;
	table->segments = rows.rows;
	return table;
}

/* The segment of a visitor. */
int
PageSegmentFind(EngineContext *context, const text *page, int *count)
{
	const SegmentTable *table = TableCacheGet(&cache);
	int			found = -1;

	*count = PAGE_SEGMENT_FIRST;
	for (int i = 0; i < table->count; i++)
	{
		const PageSegment *segment = &table->segments[i];

		if (!TextIsSame(segment->page, page))
			continue;
		*count = Max(*count, segment->number + 1);
		if (found < 0 && AudienceIncludes(context, &segment->audience))
			found = segment->number;
	}
	if (found < 0)
		found = context->lack == LACK_NOTHING ? PAGE_SEGMENT_KNOWN : PAGE_SEGMENT_NEW;
	return found;
}

/* What a segment of a page is called. */
const char *
PageSegmentName(const text *page, int number)
{
	const SegmentTable *table = TableCacheGet(&cache);

	for (int i = 0; i < table->count; i++)
		if (table->segments[i].number == number && TextIsSame(table->segments[i].page, page))
			return table->segments[i].name;
	return number == PAGE_SEGMENT_NEW ? "new" : "known";
}

/* Complain of a name that means something else. */
static void
CheckName(Datum name)
{
	char	   *string = TextDatumGetCString(name);

	PageCheckText("name", "segment of a page", name, PAGE_MAX_NAME_BYTES);
	if (strcmp(string, "new") == 0 || strcmp(string, "known") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("no segment of a page can be called \"%s\"", string),
				 errdetail("Every page has it: who is in none of its segments is known, or new."),
				 errhint("Choose another name.")));
}

/* Trigger _check_page_segment() */
Datum
personalize_check_page_segment(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Datum		values[SEGMENT_COLUMN_NUMBER];
	bool		nulls[SEGMENT_COLUMN_NUMBER];
	HeapTuple	tuple;
	char	   *name;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_check_page_segment must be called as a trigger")));
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	for (int i = 0; i < SEGMENT_COLUMN_NUMBER; i++)
	{
		values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(trigger->tg_relation), &nulls[i]);
		if (nulls[i] && i < SEGMENT_COLUMN_AUDIENCE - 1)
			ArgumentReportNull(psprintf("%s of a segment of a page",
										NameStr(TupleDescAttr(RelationGetDescr(trigger->tg_relation), i)->attname)));
	}
	PageCheckText("page", "segment of a page", values[SEGMENT_COLUMN_PAGE - 1], PAGE_MAX_NAME_BYTES);
	CheckName(values[SEGMENT_COLUMN_NAME - 1]);
	name = TextDatumGetCString(values[SEGMENT_COLUMN_NAME - 1]);
	if (nulls[SEGMENT_COLUMN_AUDIENCE - 1] && nulls[SEGMENT_COLUMN_SEGMENT - 1])
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("segment \"%s\" of a page says of nobody that they are in it", name),
				 errhint("Give an audience, a segment, or both.")));
	if (!nulls[SEGMENT_COLUMN_AUDIENCE - 1])
		AudienceCheckPath("audience of segment", name, values[SEGMENT_COLUMN_AUDIENCE - 1]);
	if (!nulls[SEGMENT_COLUMN_SEGMENT - 1])
		AudienceCheckSegment("segment of a page", name, values[SEGMENT_COLUMN_SEGMENT - 1]);
	return PointerGetDatum(tuple);
}

/* Watch the table. */
void
PageSegmentInit(void)
{
	TableCacheRegister(&cache);
}
