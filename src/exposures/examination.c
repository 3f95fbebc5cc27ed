/*
 * examination.c
 *		How likely people look at what is shown at a place.
 *
 * As shipped, a place is looked at place^-0.9 as often as the first.  fit_examination()
 * (examination_fit.c) finds out from the pages of this database, and leaves its findings
 * in table examination.  A place of which little is known stays near what is shipped.
 */
#include "postgres.h"

#include "exposures/examination.h"

#include <math.h>

#include "access/tableam.h"
#include "base/table_cache.h"
#include "compat.h"
#include "events/event_measure.h"

/* Columns; src/exposures/examination.sql. */
typedef enum ExaminationColumn
{
	EXAMINATION_PLACE = 1,
	EXAMINATION_AFTER_CLICK,
	EXAMINATION_MODEL,
	EXAMINATION_SHOWN,
	EXAMINATION_CLICKED,
	EXAMINATION_LOOKED_AT
} ExaminationColumn;

/* As shipped, how often what is looked at is clicked. */
#define SHIPPED_RATE 0.05

/* So many impressions of a place count as much as what is shipped. */
#define PRIOR_IMPRESSIONS 20

/* Places that were not told are as the first so many. */
#define PLACES_NOT_TOLD 10

/* Of buckets that reach further than what is fitted: where they are taken to end. */
#define LAST_PLACE 64

static void *ReadTable(Relation table, Snapshot snapshot);
static TableCache cache = {.table = "examination",.read = ReadTable};

/* Called once when the library is loaded. */
void
ExaminationInit(void)
{
	TableCacheRegister(&cache);
}

/* As shipped. */
double
ExaminationShipped(int places)
{
	return pow(Max(places, 1), -0.9);
}

/* The probability of one place; below what is fitted it falls as it is shipped. */
double
ExaminationOf(const Examination *examination, int place)
{
	if (place <= EXAMINATION_PLACES)
		return examination->ofPlace[Max(place, 0)];
	return examination->ofPlace[EXAMINATION_PLACES] * ExaminationShipped(place) / ExaminationShipped(EXAMINATION_PLACES);
}

/* What is known of buckets of places: the mean of their places. */
static void
FillBuckets(Examination *examination)
{
	int			counts[ATTRACTION_PLACES] = {0};

	examination->ofPlace[0] = 0;
	for (int place = 1; place <= PLACES_NOT_TOLD; place++)
		examination->ofPlace[0] += examination->ofPlace[place] / PLACES_NOT_TOLD;
	for (int place = 0; place <= LAST_PLACE; place++)
	{
		int			bucket = EventSlotBucket(place > 0, place);

		counts[bucket]++;
		examination->ofBucket[bucket] +=
			(ExaminationOf(examination, place) - examination->ofBucket[bucket]) / counts[bucket];
	}
}

/* Read what was fitted. */
static void *
ReadTable(Relation table, Snapshot snapshot)
{
	Examination *examination = palloc0(sizeof(Examination));
	double		impressions[EXAMINATION_PLACES + 1] = {0};
	double		clicked = 0;
	double		looked = 0;
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isNull;
		int			place = DatumGetInt16(slot_getattr(slot, EXAMINATION_PLACE, &isNull));
		double		shown = DatumGetInt64(slot_getattr(slot, EXAMINATION_SHOWN, &isNull));
		double		lookedAt = shown * DatumGetFloat8(slot_getattr(slot, EXAMINATION_LOOKED_AT, &isNull));

		if (place < 1 || place > EXAMINATION_PLACES)
			continue;
		impressions[place] += shown;
		examination->ofPlace[place] += lookedAt;
		looked += lookedAt;
		clicked += DatumGetInt64(slot_getattr(slot, EXAMINATION_CLICKED, &isNull));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	for (int place = 1; place <= EXAMINATION_PLACES; place++)
		examination->ofPlace[place] = (examination->ofPlace[place] + PRIOR_IMPRESSIONS * ExaminationShipped(place)) /
			(impressions[place] + PRIOR_IMPRESSIONS);
	examination->rate = looked > 0 ? Min(Max(clicked / looked, 0.001), 0.5) : SHIPPED_RATE;
	FillBuckets(examination);
	return examination;
}

/* What is known. */
const Examination *
ExaminationGet(void)
{
	return TableCacheGet(&cache);
}
