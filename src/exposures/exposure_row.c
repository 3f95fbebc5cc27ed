/*
 * exposure_row.c
 *		Rows of exposure and of exposure_outcome, read and written.
 *
 * An outcome that is credited by its time and not by name has no request_origin.  What was
 * done at one moment is numbered in the order of ExposureCompareOutcomes, so that the person,
 * the moment and that place are a short key whatever the rows have in common.
 */
#include "postgres.h"

#include "exposures/exposure_internal.h"

#include "compat.h"
#include "exposures/request_id.h"

/* Columns of exposure in order. */
typedef enum ExposureColumn
{
	EXPOSURE_USER_KEY,
	EXPOSURE_REQUEST_KEY,
	EXPOSURE_ITEM_KEY,
	EXPOSURE_SHOWN_AT,
	EXPOSURE_REQUEST_ORIGIN,
	EXPOSURE_QUERY_KEY,
	EXPOSURE_SLOT,
	EXPOSURE_REASON,
	EXPOSURE_SCORE
} ExposureColumn;
#define EXPOSURE_COLUMNS (EXPOSURE_SCORE + 1)

/* Columns of exposure_outcome in order. */
typedef enum OutcomeColumn
{
	OUTCOME_USER_KEY,
	OUTCOME_TS,
	OUTCOME_ITEM_KEY,
	OUTCOME_EVENT,
	OUTCOME_ORDINAL,
	OUTCOME_PLACE,
	OUTCOME_CURRENCY_CODE,
	OUTCOME_AMOUNT,
	OUTCOME_ATTRIBUTED_TO,
	OUTCOME_REQUEST_ORIGIN
} OutcomeColumn;
#define OUTCOME_COLUMNS (OUTCOME_REQUEST_ORIGIN + 1)

/* Open the tables. */
ExposureTables *
ExposureTablesOpen(LOCKMODE lockMode, Snapshot snapshot)
{
	ExposureTables *tables = palloc0(sizeof(ExposureTables));

	tables->context = CurrentMemoryContext;
	tables->newShown.table = "exposure";
	tables->newOutcomes.table = "exposure_outcome";
	tables->snapshot = snapshot;
	tables->shownByRequest = KeyedOpen("exposure", "exposure_pkey", lockMode);
	tables->shownByTime = KeyedOpen("exposure", "exposure_shown_at_idx", lockMode);
	tables->outcomesByTime = KeyedOpen("exposure_outcome", "exposure_outcome_pkey", lockMode);
	tables->outcomesByTarget = KeyedOpen("exposure_outcome", "exposure_outcome_attributed_to_idx", lockMode);
	return tables;
}

/* Add a row, which is written with others, at the end at the latest. */
static void
AddRow(ExposureTables *tables, LazyWriter *writer, const Datum *values, const bool *nulls)
{
	MemoryContext caller = MemoryContextSwitchTo(tables->context);

	LazyWriterAdd(writer, values, nulls);
	MemoryContextSwitchTo(caller);
}

/* Write what is left, and close them. */
void
ExposureTablesClose(ExposureTables *tables)
{
	LazyWriterEnd(&tables->newOutcomes);
	LazyWriterEnd(&tables->newShown);
	KeyedClose(tables->outcomesByTarget);
	KeyedClose(tables->outcomesByTime);
	KeyedClose(tables->shownByTime);
	KeyedClose(tables->shownByRequest);
}

/* A row of exposure in a slot. */
Shown
ExposureReadShown(TupleTableSlot *slot)
{
	Datum	   *values;
	Shown		shown;

	slot_getallattrs(slot);
	values = slot->tts_values;
	shown.request = DatumGetInt64(values[EXPOSURE_REQUEST_KEY]);
	shown.item = DatumGetInt64(values[EXPOSURE_ITEM_KEY]);
	shown.at = DatumGetTimestampTz(values[EXPOSURE_SHOWN_AT]);
	shown.origin = DatumGetInt64(values[EXPOSURE_REQUEST_ORIGIN]);
	shown.query = DatumGetInt64(values[EXPOSURE_QUERY_KEY]);
	shown.slot = DatumGetInt16(values[EXPOSURE_SLOT]);
	shown.reason = DatumGetInt16(values[EXPOSURE_REASON]);
	shown.score = DatumGetFloat4(values[EXPOSURE_SCORE]);
	if (shown.reason < 0 || shown.reason > REQUEST_MAX_CODE)
		shown.reason = 0;		/* the row is damaged */
	return shown;
}

/* The number in a column of a row; 0 where it is NULL. */
static int64
NumberOrZero(const TupleTableSlot *slot, OutcomeColumn column)
{
	return slot->tts_isnull[column] ? 0 : DatumGetInt64(slot->tts_values[column]);
}

/* A row of exposure_outcome in a slot. */
OutcomeRow
ExposureReadOutcome(TupleTableSlot *slot)
{
	OutcomeRow	row = {.stored = true,.tid = slot->tts_tid};
	const Datum *values = slot->tts_values;

	slot_getallattrs(slot);
	row.what.at = DatumGetTimestampTz(values[OUTCOME_TS]);
	row.what.item = DatumGetInt64(values[OUTCOME_ITEM_KEY]);
	row.what.event = DatumGetInt16(values[OUTCOME_EVENT]);
	row.what.ordinal = DatumGetInt16(values[OUTCOME_ORDINAL]);
	row.place = row.placeBefore = DatumGetInt32(values[OUTCOME_PLACE]);
	if (!slot->tts_isnull[OUTCOME_CURRENCY_CODE])
		row.what.currency = DatumGetInt32(values[OUTCOME_CURRENCY_CODE]);
	row.what.amount = NumberOrZero(slot, OUTCOME_AMOUNT);
	row.target = row.before = NumberOrZero(slot, OUTCOME_ATTRIBUTED_TO);
	row.what.request = slot->tts_isnull[OUTCOME_REQUEST_ORIGIN] ? 0 : row.target;
	row.what.origin = NumberOrZero(slot, OUTCOME_REQUEST_ORIGIN);
	return row;
}

/* Write what changes of what was shown. */
static void
WriteShown(ExposureTables *tables, const PersonExposures *person)
{
	static const bool nulls[EXPOSURE_COLUMNS] = {false};

	for (int i = 0; i < person->shownCount; i++)
	{
		ShownRow   *row = &person->shown[i];
		Datum		values[EXPOSURE_COLUMNS];

		if (row->stored && row->now.at == row->before.at && row->now.origin == row->before.origin &&
			row->now.query == row->before.query && row->now.slot == row->before.slot &&
			row->now.reason == row->before.reason && ScoreIsSame(row->now.score, row->before.score))
			continue;
		values[EXPOSURE_USER_KEY] = Int64GetDatum(person->userKey);
		values[EXPOSURE_REQUEST_KEY] = Int64GetDatum(row->now.request);
		values[EXPOSURE_ITEM_KEY] = Int64GetDatum(row->now.item);
		values[EXPOSURE_SHOWN_AT] = TimestampTzGetDatum(row->now.at);
		values[EXPOSURE_REQUEST_ORIGIN] = Int64GetDatum(row->now.origin);
		values[EXPOSURE_QUERY_KEY] = Int64GetDatum(row->now.query);
		values[EXPOSURE_SLOT] = Int16GetDatum(row->now.slot);
		values[EXPOSURE_REASON] = Int16GetDatum(row->now.reason);
		values[EXPOSURE_SCORE] = Float4GetDatum(row->now.score);
		if (row->stored)
			KeyedUpdate(tables->shownByRequest, &row->tid, values, NULL);
		else
			AddRow(tables, &tables->newShown, values, nulls);
	}
}

/* Write an outcome. */
static void
WriteOutcome(ExposureTables *tables, int64 userKey, OutcomeRow *row)
{
	Datum		values[OUTCOME_COLUMNS];
	bool		nulls[OUTCOME_COLUMNS] = {false};

	values[OUTCOME_USER_KEY] = Int64GetDatum(userKey);
	values[OUTCOME_TS] = TimestampTzGetDatum(row->what.at);
	values[OUTCOME_ITEM_KEY] = Int64GetDatum(row->what.item);
	values[OUTCOME_EVENT] = Int16GetDatum(row->what.event);
	values[OUTCOME_ORDINAL] = Int16GetDatum(row->what.ordinal);
	values[OUTCOME_PLACE] = Int32GetDatum(row->place);
	values[OUTCOME_CURRENCY_CODE] = Int32GetDatum(row->what.currency);
	nulls[OUTCOME_CURRENCY_CODE] = row->what.currency == 0;
	values[OUTCOME_AMOUNT] = Int64GetDatum(row->what.amount);
	nulls[OUTCOME_AMOUNT] = row->what.amount == 0;
	values[OUTCOME_ATTRIBUTED_TO] = Int64GetDatum(row->target);
	nulls[OUTCOME_ATTRIBUTED_TO] = row->target == 0;
	values[OUTCOME_REQUEST_ORIGIN] = Int64GetDatum(row->what.origin);
	nulls[OUTCOME_REQUEST_ORIGIN] = row->what.request == 0;
	if (row->stored)
		KeyedUpdate(tables->outcomesByTime, &row->tid, values, nulls);
	else
		AddRow(tables, &tables->newOutcomes, values, nulls);
}

/*
 * Write what changes of what followed.  Those that move up are written from the last to the
 * first and the others from the first to the last, so that a place is always free when it is
 * taken, also for a subscriber who is told of one after the other.
 */
static void
WriteOutcomes(ExposureTables *tables, PersonExposures *person)
{
	OutcomeRow *rows = person->outcomes;

	if (person->outcomeCount > 1)
		qsort(rows, person->outcomeCount, sizeof(OutcomeRow), ExposureCompareOutcomes);
	for (int i = person->outcomeCount - 1; i >= 0; i--)
	{
		if (rows[i].stored && rows[i].place > rows[i].placeBefore)
			WriteOutcome(tables, person->userKey, &rows[i]);
	}
	for (int i = 0; i < person->outcomeCount; i++)
	{
		if (!rows[i].stored || rows[i].place < rows[i].placeBefore ||
			(rows[i].place == rows[i].placeBefore && rows[i].target != rows[i].before))
			WriteOutcome(tables, person->userKey, &rows[i]);
	}
}

/* Write what changes of a person's rows. */
void
ExposureWriteRows(ExposureTables *tables, PersonExposures *person)
{
	WriteShown(tables, person);
	WriteOutcomes(tables, person);
}
