/*
 * gone.c
 *		What retention may have removed.
 *
 * A day that was dropped leaves no row of its own behind, so the end of the newest
 * one is kept: who compares what was counted with the raw events has to know from
 * when on these are complete.
 */
#include "postgres.h"

#include "events/gone.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Note a time, unless a later one is known. */
static void
Note(const char *what, TimestampTz before)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, TIMESTAMPTZOID};
	Datum		values[] = {CStringGetTextDatum(what), TimestampTzGetDatum(before)};

	SpiUtilRunAsOwner(&plan,
					  "INSERT INTO personalize._gone AS g (what, before) VALUES ($1, $2)"
					  " ON CONFLICT (what) DO UPDATE SET before = excluded.before WHERE g.before < excluded.before",
					  lengthof(types), types, values, NULL, false);
}

/* Ask for a time; kinds: $1 of the query, an array, 0 if it has none. */
static TimestampTz
Ask(SPIPlanPtr *plan, const char *query, Datum kinds)
{
	const Oid	types[] = {INT2ARRAYOID};
	TimestampTz before = DT_NOBEGIN;
	SpiUtilScope scope;
	bool		isNull;
	Datum		value;

	SpiUtilBegin(&scope);
	SpiUtilRun(plan, query, kinds == 0 ? 0 : lengthof(types), types, &kinds, NULL, true);
	value = SpiUtilValue(0, 1, &isNull);
	if (!isNull)
		before = DatumGetTimestampTz(value);
	SpiUtilEnd(&scope);
	return before;
}

/* Note that raw events that arrived before a time may be gone. */
void
GoneNoteEvents(TimestampTz before)
{
	Note("event", before);
}

/* Note that sessions that ended before a time may be gone. */
void
GoneNoteSessions(TimestampTz before)
{
	Note("session", before);
}

/* The newest day that was dropped, or that kinds of event were taken out of. */
#define GONE_EVENTS \
	"SELECT greatest((SELECT g.before FROM personalize._gone g WHERE g.what = 'event')," \
	" (SELECT (max(d.day) + 1)::timestamp AT TIME ZONE 'UTC' FROM personalize._event_day d"
#define OR_GONE \
	" OR to_regclass('personalize.event_p' || translate(d.day::text, '-', '')) IS NULL))"

/* From when on raw events of the kinds that count for sessions are there. */
TimestampTz
GoneEventsBefore(void)
{
	static SPIPlanPtr plan = NULL;

	return Ask(&plan, GONE_EVENTS
			   "  WHERE d.expired && ARRAY(SELECT t.event FROM personalize.event_type t WHERE t.weight > 0)" OR_GONE, 0);
}

/* From when on raw events of some kinds are there. */
TimestampTz
GoneEventsOfKinds(const int16 *kinds, int count)
{
	static SPIPlanPtr plan = NULL;
	Datum	   *elements = palloc_array(Datum, count + 1);

	for (int i = 0; i < count; i++)
		elements[i] = Int16GetDatum(kinds[i]);
	return Ask(&plan, GONE_EVENTS "  WHERE d.expired && $1" OR_GONE,
			   PointerGetDatum(construct_array(elements, count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT)));
}

/* From when on sessions are there. */
TimestampTz
GoneSessionsBefore(void)
{
	static SPIPlanPtr plan = NULL;

	return Ask(&plan, "SELECT g.before FROM personalize._gone g WHERE g.what = 'session'"
			   " UNION ALL SELECT NULL LIMIT 1", 0);
}

/* Note that what was shown before a time may be gone. */
void
GoneNoteExposures(TimestampTz before)
{
	Note("exposure", before);
}

/* From when on what was shown is there. */
TimestampTz
GoneExposuresBefore(void)
{
	static SPIPlanPtr plan = NULL;

	return Ask(&plan, "SELECT g.before FROM personalize._gone g WHERE g.what = 'exposure'"
			   " UNION ALL SELECT NULL LIMIT 1", 0);
}
