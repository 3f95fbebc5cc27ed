/*
 * replay_step.c
 *		What people went to next: the steps that a replay foretells.
 *
 * Sessions are cut from the raw events as the processor neighbour cuts them.  A step is an
 * item that its session had not had before; an engine is asked for it as of the microsecond
 * before.  Which sessions are looked at is drawn by a hash of person and session, so the same
 * question has the same steps.
 */
#include "postgres.h"

#include "base/grow.h"
#include "base/key.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "neighbours/neighbour.h"
#include "neighbours/session.h"
#include "people/consent.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_replay_steps);

/* As many events are kept at once; beyond, half of the people are left out. */
#define MAX_EVENTS 2000000

/* Events of a sample of people. */
typedef struct EventSample
{
	SessionEvent *events;
	int64		count;
	int64		capacity;
	uint64		below;			/* people whose hash is not below are left out */
} EventSample;

/* A session: a run of the sorted events. */
typedef struct SampledSession
{
	uint64		hash;
	int64		first;
	int			count;
} SampledSession;

/* Sessions that may be replayed. */
typedef struct SessionSample
{
	SampledSession *sessions;
	int			count;
	int			capacity;
} SessionSample;

/* The hash by which people are drawn. */
static uint64
HashPerson(int64 userKey)
{
	return KeyHash(&userKey, sizeof(userKey));
}

/* Leave out half of the people. */
static void
Halve(EventSample *sample)
{
	int64		kept = 0;

	sample->below /= 2;
	for (int64 i = 0; i < sample->count; i++)
		if (HashPerson(sample->events[i].userKey) < sample->below)
			sample->events[kept++] = sample->events[i];
	sample->count = kept;
}

/* Add an event. */
static void
AddEvent(EventSample *sample, const EventRow *row)
{
	if (HashPerson(row->userKey) >= sample->below)
		return;
	if (sample->count == MAX_EVENTS)
		Halve(sample);
	GrowArray(sample->events, sample->count + 1, sample->capacity, 1024);
	SessionEventFill(&sample->events[sample->count++], row);
}

/* Read the events of that time that count for sessions, and sort them. */
static void
LoadEvents(EventSample *sample, TimestampTz since, TimestampTz until)
{
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.allDays = true,.keysOnly = true,.since = since};
	bool	   *counts = NeighbourEventTypes();
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	sample->capacity = 1024;
	sample->events = palloc_array(SessionEvent, sample->capacity);
	sample->below = PG_UINT64_MAX;
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.ts >= since && row.ts < until && row.event >= 0 && counts[row.event] && NeighbourShard(&row) >= 0)
			AddEvent(sample, &row);
	}
	EventScanEnd(scan);
	SessionEventSort(sample->events, sample->count);
}

/* True if an event goes on with the session of the one before. */
static bool
GoesOn(const SessionEvent *before, const SessionEvent *event)
{
	return event->userKey == before->userKey && event->given == before->given &&
		event->sessionKey == before->sessionKey &&
		(event->given || event->item.ts <= before->item.ts + NEIGHBOUR_SESSION_GAP);
}

/* qsort comparator: by hash. */
static int
CompareSessions(const void *left, const void *right)
{
	const SampledSession *a = left;
	const SampledSession *b = right;

	return a->hash != b->hash ? (a->hash > b->hash) - (a->hash < b->hash) : (a->first > b->first) - (a->first < b->first);
}

/* Add a session. */
static void
AddSession(SessionSample *sample, const SessionEvent *events, int64 first, int count)
{
	uint64		parts[3] = {(uint64) events[first].userKey, (uint64) events[first].sessionKey, (uint64) events[first].item.ts};

	GrowArray(sample->sessions, sample->count + 1, sample->capacity, 256);
	sample->sessions[sample->count++] = (SampledSession) {.hash = KeyHash(parts, sizeof(parts)),.first = first,.count = count};
}

/* Cut the events into sessions, and draw some of people who allow recommendations now. */
static SessionSample
DrawSessions(const EventSample *events, int wanted)
{
	SessionSample sample = {0};
	int			kept = 0;

	for (int64 first = 0, next; first < events->count; first = next)
	{
		next = first + 1;
		while (next < events->count && next - first < SESSION_MAX_CLICKS &&
			   GoesOn(&events->events[next - 1], &events->events[next]))
			next++;
		if (next - first > 1)
			AddSession(&sample, events->events, first, (int) (next - first));
		/* what a robot does after so many clicks is passed over */
		while (next < events->count && GoesOn(&events->events[next - 1], &events->events[next]))
			next++;
		CHECK_FOR_INTERRUPTS();
	}
	if (sample.count > 1)
		qsort(sample.sessions, sample.count, sizeof(SampledSession), CompareSessions);
	for (int i = 0; i < sample.count && kept < wanted; i++)
		if (ConsentMaskOf(events->events[sample.sessions[i].first].userKey) & PURPOSE_RECOMMENDATIONS)
			sample.sessions[kept++] = sample.sessions[i];
	sample.count = kept;
	return sample;
}

/* Return the step to an event, with the items before it, the newest first. */
static void
PutStep(ReturnSetInfo *output, int session, const SessionEvent *event, const Datum *seen, int seenCount)
{
	Datum		newest[SESSION_MAX_CLICKS];
	Datum		values[5];
	bool		nulls[lengthof(values)] = {false};

	for (int i = 0; i < seenCount; i++)
		newest[i] = seen[seenCount - 1 - i];
	values[0] = Int64GetDatum(session);
	values[1] = Int64GetDatum(event->userKey);
	values[2] = TimestampTzGetDatum(event->item.ts - 1);
	values[3] = PointerGetDatum(construct_array(newest, seenCount, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = Int64GetDatum(event->item.itemKey);
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* Return the steps of a session. */
static void
PutSteps(ReturnSetInfo *output, int session, const SessionEvent *events, int count)
{
	Datum		seen[SESSION_MAX_CLICKS];
	int			seenCount = 0;

	for (int i = 0; i < count; i++)
	{
		bool		again = false;

		for (int j = 0; j < seenCount && !again; j++)
			again = DatumGetInt64(seen[j]) == events[i].item.itemKey;
		if (again)
			continue;
		/* of what happens in one microsecond nothing is known before */
		if (seenCount > 0 && events[i].item.ts > events[0].item.ts)
			PutStep(output, session, &events[i], seen, seenCount);
		seen[seenCount++] = Int64GetDatum(events[i].item.itemKey);
	}
}

/* _replay_steps(since, until, sessions) */
Datum
personalize_replay_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	EventSample events = {0};
	SessionSample sample;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	LoadEvents(&events, PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1));
	sample = DrawSessions(&events, PG_GETARG_INT32(2));
	for (int i = 0; i < sample.count; i++)
		PutSteps(output, i + 1, &events.events[sample.sessions[i].first], sample.sessions[i].count);
	return (Datum) 0;
}
