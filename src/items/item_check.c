/*
 * item_check.c
 *		What may stand in a row of the catalogue, whoever writes it.
 *
 * INSERT, COPY and UPDATE are held to what upsert_items() and sync_items() read: an id is
 * kept tidy, a price is a number that can be reckoned with, a time is one, tags are one
 * list of labels.  An id of refused_id is only warned of: a list may have been changed
 * since the row was written, and a dump of both must be restored.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/key.h"
#include "base/number.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "people/refused_id.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_check_item);

/* The columns that are looked at. */
enum
{
	CHECK_ITEM_ID, CHECK_PRICE, CHECK_CREATED_AT, CHECK_TAGS, CHECK_COLUMNS
};

/* The row that is written. */
typedef struct ItemWritten
{
	int			columns[CHECK_COLUMNS];
	Datum		values[CHECK_COLUMNS];
	bool		nulls[CHECK_COLUMNS];
} ItemWritten;

/* Take the columns out of a row. */
static void
TakeColumns(ItemWritten *row, HeapTuple tuple, TupleDesc desc)
{
	static const char *const names[] = {"item_id", "price", "created_at", "tags"};

	for (int i = 0; i < CHECK_COLUMNS; i++)
	{
		row->columns[i] = SPI_fnumber(desc, names[i]);
		row->values[i] = heap_getattr(tuple, row->columns[i], desc, &row->nulls[i]);
	}
}

/* The id, for messages. */
static char *
ItemIdOf(const ItemWritten *row)
{
	return TextDatumGetCString(row->values[CHECK_ITEM_ID]);
}

/* Make the id tidy; an error if it is none.  True if it was not. */
static bool
CheckId(ItemWritten *row)
{
	text	   *id = KeySurelyId(row->values[CHECK_ITEM_ID], false);
	bool		wasTidy = id != NULL;

	if (!wasTidy)
		id = KeyCheckId(row->values[CHECK_ITEM_ID], false, "item_id");
	if (RefusedIdIsListed((IdBytes) {VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)}, false))
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("item_id \"%s\" is the id of nothing", text_to_cstring(id)),
				 errdetail("Events that name it are rejected."),
				 errhint(REFUSED_ID_HINT)));
	row->values[CHECK_ITEM_ID] = PointerGetDatum(id);
	return !wasTidy;
}

/* Complain of a price that nobody can reckon with. */
static void
CheckPrice(const ItemWritten *row)
{
	JsonbValue	price = {.type = jbvNumeric};
	Numeric		number;
	const char *problem;

	if (row->nulls[CHECK_PRICE])
		return;
	price.val.numeric = DatumGetNumeric(row->values[CHECK_PRICE]);
	if (NumberFromJson(&price, &number, &problem) == NUMBER_REFUSED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("price \"%s\" of item \"%s\" %s",
						DatumGetCString(DirectFunctionCall1(numeric_out, row->values[CHECK_PRICE])), ItemIdOf(row), problem)));
}

/* Complain of a time that is none. */
static void
CheckCreatedAt(const ItemWritten *row)
{
	if (!row->nulls[CHECK_CREATED_AT] && TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(row->values[CHECK_CREATED_AT])))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("created_at \"%s\" of item \"%s\" is not a point in time",
						DatumGetCString(DirectFunctionCall1(timestamptz_out, row->values[CHECK_CREATED_AT])), ItemIdOf(row))));
}

/* Leave labels that are null out; an error if this is no list.  True if there were any. */
static bool
CheckTags(ItemWritten *row)
{
	ArrayType  *tags;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			left = 0;

	if (row->nulls[CHECK_TAGS])
		return false;
	tags = DatumGetArrayTypeP(row->values[CHECK_TAGS]);
	if (ARR_NDIM(tags) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tags of item \"%s\" are not a list of labels: they have %d dimensions", ItemIdOf(row), ARR_NDIM(tags))));
	if (!array_contains_nulls(tags))
		return false;
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			values[left++] = values[i];
	row->values[CHECK_TAGS] = PointerGetDatum(construct_array(values, left, TEXTOID, -1, false, TYPALIGN_INT));
	return true;
}

/* Trigger _check_item(): what is written into the catalogue. */
Datum
personalize_check_item(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	tuple;
	ItemWritten row;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_check_item must be called as a trigger")));
	desc = RelationGetDescr(trigger->tg_relation);
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	TakeColumns(&row, tuple, desc);
	/* the column's own constraint says so */
	if (row.nulls[CHECK_ITEM_ID])
		return PointerGetDatum(tuple);
	if (CheckId(&row))
		tuple = heap_modify_tuple_by_cols(tuple, desc, 1, &row.columns[CHECK_ITEM_ID], &row.values[CHECK_ITEM_ID], &row.nulls[CHECK_ITEM_ID]);
	CheckPrice(&row);
	CheckCreatedAt(&row);
	if (CheckTags(&row))
		tuple = heap_modify_tuple_by_cols(tuple, desc, 1, &row.columns[CHECK_TAGS], &row.values[CHECK_TAGS], &row.nulls[CHECK_TAGS]);
	return PointerGetDatum(tuple);
}
