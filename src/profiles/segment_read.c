/*
 * segment_read.c
 *		The readers of segments: in_segment(), segments_of(), segment_members().
 *
 * Whether a person is in a segment is computed from the profile with the events that
 * the processor has not reached.  Of all members, those are looked at who have such
 * events or are due; of the others the processor's word holds.
 */
#include "postgres.h"

#include "profiles/segment.h"

#include "base/argument.h"
#include "base/choice.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/key_set.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/identity.h"
#include "people/policy.h"
#include "people/restriction.h"
#include "profiles/analyst_purpose.h"
#include "profiles/profile.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

PG_FUNCTION_INFO_V1(personalize_in_segment);
PG_FUNCTION_INFO_V1(personalize_segments_of);
PG_FUNCTION_INFO_V1(personalize_segment_members);

/* The purpose in force; 0 if reading is denied silently. */
static int32
PurposeArgument(FunctionCallInfo fcinfo, int argument)
{
	return PolicyPurpose(PG_ARGISNULL(argument) ? NULL : PG_GETARG_TEXT_PP(argument));
}

/* The names of all. */
int
SegmentNames(const char ***names)
{
	const SegmentSet *set = SegmentSetGet();

	*names = palloc_array(const char *, Max(set->count, 1));
	for (int i = 0; i < set->count; i++)
		(*names)[i] = set->segments[i].name;
	return set->count;
}

/* Complain of a name that no segment has. */
void
SegmentReportUnknown(const char *name)
{
	const char **names;
	int			count = SegmentNames(&names);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("segment \"%s\" does not exist", name),
			 count > 0 ? errhint("%s", ChoiceHint(name, "segments", names, count)) :
			 errhint("Make one with personalize.create_segment().")));
}

/* The segment that an argument names. */
static const Segment *
SegmentArgument(FunctionCallInfo fcinfo, int argument)
{
	const SegmentSet *set = SegmentSetGet();
	const char **names;
	int			count = SegmentNames(&names);
	char	   *name;
	int			place;

	ArgumentCheckGiven(fcinfo, argument, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	place = ChoiceFind(name, names, count);
	if (place < 0)
		SegmentReportUnknown(name);
	return &set->segments[place];
}

/* The user's key out of the first argument. */
static int64
UserArgument(FunctionCallInfo fcinfo)
{
	return IdentityKeyArgument(fcinfo, 0, "user_id");
}

/* Whether the person of a view is in a segment at its time, as far as the view may show it. */
static SegmentState
StateOf(const ProfileView *view, const Segment *segment, TimestampTz now)
{
	SegmentPerson person = {view->features, view->steps, view->signals, now};
	SegmentState state = {.due = DT_NOEND};
	StoredRow	row;

	if (!view->exists || (segment->purposes & view->purposes) == 0 ||
		(segment->purposes & view->restricted) != 0)
		return state;
	StoredRowBegin(&row, STORED_PROFILE, &view->userKey);
	state = SegmentMatch(segment, &person);
	StoredRowEnd(&row);
	return state;
}

/* True if the person of a view is in the segment of a name. */
bool
SegmentHas(const ProfileView *view, const char *name, TimestampTz now)
{
	const SegmentSet *set = SegmentSetGet();

	for (int i = 0; i < set->count; i++)
		if (strcmp(set->segments[i].name, name) == 0)
			return StateOf(view, &set->segments[i], now).member;
	return false;
}

/* An error unless a segment is kept for the purpose; false if denials are silent. */
static bool
CheckKept(const Segment *segment, int32 purpose)
{
	return AnalystCheckKept(psprintf("segment \"%s\"", segment->name), segment->purposes, purpose);
}

/* in_segment(user_id, name, purpose) */
Datum
personalize_in_segment(PG_FUNCTION_ARGS)
{
	int64		userKey = UserArgument(fcinfo);
	const Segment *segment = SegmentArgument(fcinfo, 1);
	int32		purpose = PurposeArgument(fcinfo, 2);

	if (purpose == 0 || !CheckKept(segment, purpose))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(StateOf(ProfileLoad(userKey, purpose), segment, ClockNow()).member);
}

/* What a sequence was about, as a column. */
static Datum
QueryColumn(const ProfileView *view, const SegmentState *state, bool *isNull)
{
	const Signal *signal = SignalFind(view->signals, SIGNAL_SEARCH_TERM);
	text	   *query = NULL;

	if (state->hasQuery && signal != NULL)
		query = ProfileValueText(view, signal, FeatureKeyMake(signal->id, state->query));
	*isNull = query == NULL;
	return PointerGetDatum(query);
}

/* segments_of(user_id, purpose): the segments a person is in. */
Datum
personalize_segments_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		userKey = UserArgument(fcinfo);
	int32		purpose = PurposeArgument(fcinfo, 1);
	const SegmentSet *set = SegmentSetGet();
	int32		kept = 0;
	ProfileView *view;

	for (int i = 0; i < set->count; i++)
		kept |= set->segments[i].purposes;
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (purpose == 0 || !AnalystCheckKept("membership in segments", kept, purpose))
		return (Datum) 0;
	view = ProfileLoad(userKey, purpose);
	for (int i = 0; i < set->count; i++)
	{
		SegmentState state = StateOf(view, &set->segments[i], ClockNow());
		Datum		values[3];
		bool		nulls[3] = {false};

		if (!state.member)
			continue;
		values[0] = CStringGetTextDatum(set->segments[i].name);
		values[1] = TimestampTzGetDatum(state.due);
		values[2] = QueryColumn(view, &state, &nulls[2]);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The people with events that the processor has not reached; fewer if there are too many events. */
static void
CollectTail(KeySet *people)
{
	TxidSnapshot *positions[SHARD_COUNT];
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.minTxid = PG_INT64_MAX,
	.keysOnly = true,.maxRead = ProfileMaxTail()};
	EventScan  *scan;
	EventRow	row;

	for (int shard = 0; shard < SHARD_COUNT; shard++)
	{
		positions[shard] = ProcessorPosition(PROCESSOR_PROFILE, shard, options.snapshot);
		options.minTxid = Min(options.minTxid, TxidSnapshotMin(positions[shard]));
	}
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (!TxidIsSeen(row.txid, positions[ShardOfKey(row.userKey)]))
			(void) KeySetAdd(people, row.userKey);
	}
	EventScanEnd(scan);
}

/* Members, and who may be one, as (user_key, since, holds until then, user_id). */
static void
ReadCandidates(const Segment *segment, KeySet *tail)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT8ARRAYOID};
	Datum		values[] = {Int16GetDatum(segment->id), KeySetArray(tail)};

	SpiUtilRun(&plan,
			   "SELECT c.user_key, m.since, coalesce(m.due, '-infinity'), s.user_id, m.member"
			   " FROM (SELECT m.user_key FROM personalize.segment_member m"
			   "  WHERE m.segment = $1 AND (m.member OR m.due <= personalize_internal._now())"
			   "  UNION SELECT t.user_key FROM unnest($2) AS t (user_key)) c"
			   " LEFT JOIN personalize.segment_member m ON m.user_key = c.user_key AND m.segment = $1"
			   " LEFT JOIN personalize.subject s ON s.user_key = c.user_key"
			   " ORDER BY c.user_key", lengthof(types), types, values, NULL, true);
}

/* True if somebody is in a segment. */
static bool
IsMember(const Segment *segment, int64 userKey, int32 purpose, bool changes)
{
	if (changes)
		return StateOf(ProfileLoad(userKey, purpose), segment, ClockNow()).member;
	return (segment->purposes & purpose) != 0 && (segment->purposes & RestrictionOf(userKey)) == 0;
}

/* segment_members(name, purpose): the people in a segment, by key. */
Datum
personalize_segment_members(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	const Segment *segment = SegmentArgument(fcinfo, 0);
	int32		purpose = PurposeArgument(fcinfo, 1);
	TimestampTz now = ClockNow();
	MemoryContext context;
	SpiUtilScope scope;
	KeySet		tail;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (purpose == 0 || !CheckKept(segment, purpose))
		return (Datum) 0;
	context = AllocSetContextCreate(CurrentMemoryContext, "personalize segment members", ALLOCSET_DEFAULT_SIZES);
	KeySetInit(&tail, 64);
	CollectTail(&tail);
	SpiUtilBegin(&scope);
	ReadCandidates(segment, &tail);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		Datum		values[3];
		bool		nulls[3] = {false};
		bool		isNull;
		Datum		key = SpiUtilValue(i, 1, &isNull);
		TimestampTz due = DatumGetTimestampTz(SpiUtilValue(i, 3, &isNull));
		bool		wasMember = DatumGetBool(SpiUtilValue(i, 5, &isNull)) && !isNull;

		values[0] = SpiUtilValue(i, 4, &nulls[0]);
		values[1] = key;
		values[2] = SpiUtilValue(i, 2, &nulls[2]);
		nulls[2] |= !wasMember;
		if (IsMember(segment, DatumGetInt64(key), purpose,
					 due <= now || KeySetHas(&tail, DatumGetInt64(key))))
			tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	SpiUtilEnd(&scope);
	return (Datum) 0;
}
