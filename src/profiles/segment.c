/*
 * segment.c
 *		Segments: their definitions, create_segment, alter_segment and drop_segment.
 */
#include "postgres.h"

#include "profiles/segment.h"

#include <math.h>

#include "base/argument.h"
#include "base/choice.h"
#include "base/interval.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "people/purpose.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

PG_FUNCTION_INFO_V1(personalize_create_segment);
PG_FUNCTION_INFO_V1(personalize_alter_segment);
PG_FUNCTION_INFO_V1(personalize_drop_segment);

/* Numbers below are for the segments that come with the extension. */
#define FIRST_OWN_SEGMENT 100
#define MAX_SEGMENTS 200
#define MAX_CONDITION 2000
#define MAX_TTL_DAYS 400

/* Columns of segment, in order; src/profiles/segment.sql. */
typedef enum SegmentColumn
{
	SEGMENT_SEGMENT = 1,
	SEGMENT_NAME,
	SEGMENT_CONDITION,
	SEGMENT_ENTER,
	SEGMENT_LEAVE,
	SEGMENT_TTL,
	SEGMENT_PURPOSES
} SegmentColumn;

/* Arguments of create_segment, in order. */
typedef enum SegmentArgument
{
	ARGUMENT_NAME,
	ARGUMENT_CONDITION,
	ARGUMENT_ENTER,
	ARGUMENT_LEAVE,
	ARGUMENT_TTL,
	ARGUMENT_DESCRIPTION
} SegmentArgument;
#define ARGUMENT_COUNT (ARGUMENT_DESCRIPTION + 1)

static void *ReadTable(Relation table, Snapshot snapshot);
static TableCache cache = {.table = "segment",.read = ReadTable};

/* Thresholds that a condition does not say itself. */
typedef struct Thresholds
{
	const Datum *enter;			/* NULL: not given */
	const Datum *leave;
	int			comparisons;
	int			unsaid;			/* comparisons without a threshold */
} Thresholds;

/* Give a comparison the thresholds. */
static void
SetThresholds(SegmentNode *node, void *arg)
{
	Thresholds *thresholds = arg;

	if (node->kind != SEGMENT_COMPARE)
		return;
	thresholds->comparisons++;
	if (thresholds->enter && !node->hasEnter)
	{
		node->enter = DatumGetFloat8(*thresholds->enter);
		node->hasEnter = true;
	}
	if (thresholds->leave && !node->hasLeave)
	{
		node->leave = DatumGetFloat8(*thresholds->leave);
		node->hasLeave = true;
	}
	thresholds->unsaid += !node->hasEnter;
}

/* Note the steps of a sequence. */
static void
AddSteps(SegmentNode *node, void *arg)
{
	SegmentSet *set = arg;

	for (int i = 0; i <= node->stepCount && node->kind == SEGMENT_SEQUENCE; i++)
	{
		char	   *event = i < node->stepCount ? node->events[i] : node->absent;

		if (event == NULL || SegmentIsStep(set, event))
			continue;
		set->steps = set->steps ? repalloc(set->steps, sizeof(char *) * (set->stepCount + 1)) :
			palloc(sizeof(char *));
		set->steps[set->stepCount++] = event;
	}
	set->horizon = Max(set->horizon, 2 * node->within);
}

/* Compile a row. */
static bool
ReadSegment(void *row, TupleTableSlot *slot)
{
	Segment    *segment = row;
	Datum	   *values = slot->tts_values - 1;	/* by SegmentColumn */
	bool	   *nulls = slot->tts_isnull - 1;
	Thresholds	thresholds = {
		.enter = nulls[SEGMENT_ENTER] ? NULL : &values[SEGMENT_ENTER],
		.leave = nulls[SEGMENT_LEAVE] ? NULL : &values[SEGMENT_LEAVE]
	};

	segment->id = DatumGetInt16(values[SEGMENT_SEGMENT]);
	segment->name = TextDatumGetCString(values[SEGMENT_NAME]);
	segment->condition = SegmentParse(TextDatumGetCString(values[SEGMENT_CONDITION]), NULL);
	segment->ttl = IntervalLength(DatumGetIntervalP(values[SEGMENT_TTL]));
	segment->purposes = DatumGetInt32(values[SEGMENT_PURPOSES]);
	SegmentEach(segment->condition, SetThresholds, &thresholds);
	return true;
}

/* Note the steps of a segment. */
static void
AddSegment(SegmentSet *set, const Segment *segment)
{
	/* a sequence may begin as long before its last step as that may be before what must not follow */
	set->horizon -= segment->ttl;
	SegmentEach(segment->condition, AddSteps, set);
	set->horizon += segment->ttl;
}

/* Order segments by name. */
static int
CompareSegments(const void *left, const void *right)
{
	return strcmp(((const Segment *) left)->name, ((const Segment *) right)->name);
}

/* Read all of them. */
static void *
ReadTable(Relation table, Snapshot snapshot)
{
	SegmentSet *set = palloc0_object(SegmentSet);
	TableRows	rows = TableRowsRead(table, snapshot, sizeof(Segment), ReadSegment, CompareSegments);

	set->count = rows.count;
	set->segments = rows.rows;
	for (int i = 0; i < set->count; i++)
		AddSegment(set, &set->segments[i]);
	return set;
}

/* The current definitions. */
const SegmentSet *
SegmentSetGet(void)
{
	return TableCacheGet(&cache);
}

/* The same, and no session changes it until this transaction ends. */
const SegmentSet *
SegmentSetGetLocked(void)
{
	LockRelationOid(RelationFind("segment", false), RowExclusiveLock);
	return SegmentSetGet();
}

/* True if events of a name are steps of a sequence. */
bool
SegmentIsStep(const SegmentSet *set, const char *event)
{
	for (int i = 0; i < set->stepCount; i++)
		if (pg_strcasecmp(set->steps[i], event) == 0)
			return true;
	return false;
}

/* Keep batches of the profile processor out until the transaction ends. */
static void
LockDefinitions(void)
{
	LockRelationOid(RelationFind("segment", false), ShareRowExclusiveLock);
}

/* Complain of an argument. */
pg_noreturn static void
Complain(const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem), errhint("%s", hint)));
}

/* The name argument. */
static char *
NameArgument(FunctionCallInfo fcinfo)
{
	char	   *name;

	if (PG_ARGISNULL(0))
		ArgumentReportNull("name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!ChoiceIsName(name, NAMEDATALEN - 1))
		Complain(psprintf("segment name \"%s\" is empty, longer than %d bytes or has control characters", name, NAMEDATALEN - 1),
				 "Choose another name.");
	return name;
}

/* A threshold argument; NULL: not given. */
static const Datum *
ThresholdArgument(FunctionCallInfo fcinfo, SegmentArgument argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	if (!isfinite(PG_GETARG_FLOAT8(argument)))
		Complain(psprintf("%s must be a finite number", name), "Leave it out where the condition says it.");
	return &fcinfo->args[argument].value;
}

/* Add the purposes of a comparison's signal. */
static void
AddPurposes(SegmentNode *node, void *arg)
{
	int32	   *purposes = arg;
	const SignalSet *signals = SignalSetGet();

	if (node->kind == SEGMENT_SEQUENCE)
		*purposes |= PURPOSE_PERSONALIZATION;
	for (int i = 0; i < signals->count; i++)
		if (SegmentCompares(node, signals->signals[i].name))
			*purposes |= signals->signals[i].purposes;
}

/* Complain of thresholds that do not make sense; operators decide on which side leave is. */
static void
CheckComparison(SegmentNode *node, void *arg)
{
	bool		upward;

	if (node->kind != SEGMENT_COMPARE || !node->hasLeave)
		return;
	upward = node->operator == SEGMENT_GREATER_EQUAL || node->operator == SEGMENT_GREATER;
	if (node->operator == SEGMENT_EQUAL || (upward ? node->leave > node->enter : node->leave < node->enter))
		Complain(psprintf("leave %g is beyond the threshold %g to enter", node->leave, node->enter),
				 "Who is in leaves at a lower value than to enter where the comparison is >= or >, at a higher one where it is <= or <.");
}

/* Read the condition and what belongs to it; returns the purposes. */
static int32
CheckCondition(FunctionCallInfo fcinfo)
{
	char	   *condition;
	SegmentNode *node;
	int32		purposes = 0;
	Thresholds	thresholds = {
		.enter = ThresholdArgument(fcinfo, ARGUMENT_ENTER, "enter"),
		.leave = ThresholdArgument(fcinfo, ARGUMENT_LEAVE, "leave")
	};

	if (PG_ARGISNULL(ARGUMENT_CONDITION))
		ArgumentReportNull("condition");
	condition = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_CONDITION));
	if (strlen(condition) > MAX_CONDITION)
		Complain(psprintf("the condition has more than %d bytes", MAX_CONDITION), "Make several segments of it.");
	node = SegmentParse(condition, "condition");
	SegmentEach(node, SetThresholds, &thresholds);
	if ((thresholds.enter || thresholds.leave) && thresholds.comparisons != 1)
		Complain(psprintf("enter and leave are of one comparison, but condition \"%s\" has %d", condition,
						  thresholds.comparisons),
				 "Write the thresholds into the condition: signal decayed >= 5 leave 3.");
	if (thresholds.unsaid > 0)
		Complain(psprintf("condition \"%s\" does not say how much it wants", condition),
				 "Write a comparison like >= 5 into the condition, or give enter.");
	SegmentEach(node, CheckComparison, NULL);
	SegmentEach(node, AddPurposes, &purposes);
	return purposes;
}

/* Complain unless ttl is a time that can be kept to. */
static void
CheckTtl(FunctionCallInfo fcinfo)
{
	int64		ttl = IntervalLength(PG_GETARG_INTERVAL_P(ARGUMENT_TTL));

	if (ttl < USECS_PER_MINUTE || ttl > MAX_TTL_DAYS * USECS_PER_DAY)
		Complain(psprintf("ttl %s is not between a minute and %d days",
						  DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(ARGUMENT_TTL))),
						  MAX_TTL_DAYS),
				 "It is how long after its last event a part of the condition holds at most.");
}

/* The number of a segment; 0: there is none of the name. */
static int16
FindSegment(const char *name)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(name)};
	bool		isNull;

	if (SpiUtilRun(&plan, "SELECT segment FROM personalize.segment WHERE name = $1",
				   lengthof(types), types, values, NULL, false) == 0)
		return 0;
	return DatumGetInt16(SpiUtilValue(0, 1, &isNull));
}

/* The next number; who had it before has left nothing behind. */
static int16
NextNumber(void)
{
	static SPIPlanPtr plan = NULL;
	bool		isNull;
	int64		next;
	int64		count;

	SpiUtilRun(&plan, "SELECT greatest(max(segment)::bigint + 1, $1), count(*) FROM personalize.segment",
			   1, (Oid[]) {INT8OID}, (Datum[]) {Int64GetDatum(FIRST_OWN_SEGMENT)}, NULL, false);
	next = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	count = DatumGetInt64(SpiUtilValue(0, 2, &isNull));
	if (count >= MAX_SEGMENTS || next > PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are %d segments already", (int) count),
				 errhint("Drop one with personalize.drop_segment().")));
	return (int16) next;
}

/* Note a sequence. */
static void
FindSequence(SegmentNode *node, void *arg)
{
	*(bool *) arg |= node->kind == SEGMENT_SEQUENCE;
}

/* Steps that nobody was interested in so far are filled in from the raw events. */
static void
FillSteps(const char *condition)
{
	bool		found = false;

	SegmentEach(SegmentParse(condition, "condition"), FindSequence, &found);
	if (found)
		ProcessorAskBackfill(PROCESSOR_PROFILE, PROFILE_PART_STEPS);
}

/* Have the processor look at everybody who has a profile, or is in the segment. */
static void
LookAtEverybody(Datum number, Datum purposes)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID, INT4OID};
	Datum		values[] = {number, purposes};

	SpiUtilRun(&plan, "INSERT INTO personalize.segment_member AS m (user_key, segment, member, since, due, purposes)"
			   " SELECT p.user_key, $1, false, personalize_internal._now(), '-infinity'::timestamptz, $2 FROM personalize.profile p"
			   " UNION ALL SELECT o.user_key, $1, false, personalize_internal._now(), '-infinity'::timestamptz, $2 FROM personalize.segment_member o"
			   " WHERE o.segment = $1 AND NOT EXISTS (SELECT FROM personalize.profile q WHERE q.user_key = o.user_key)"
			   " ON CONFLICT (user_key, segment) DO UPDATE SET due = excluded.due, purposes = excluded.purposes",
			   lengthof(types), types, values, NULL, false);
}

/* create_segment(name, condition, enter, leave, ttl, description): returns its number. */
Datum
personalize_create_segment(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr insert = NULL;
	const Oid	types[] = {INT2OID, TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID, INTERVALOID, INT4OID, TEXTOID};
	char	   *name = NameArgument(fcinfo);
	int32		purposes;
	Datum		values[8];
	char		nulls[] = "        ";
	SpiUtilScope scope;

	ArgumentCheckGiven(fcinfo, ARGUMENT_TTL, "ttl");
	purposes = CheckCondition(fcinfo);
	CheckTtl(fcinfo);
	LockDefinitions();
	SpiUtilBegin(&scope);
	if (FindSegment(name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("segment \"%s\" already exists", name)));
	values[0] = Int16GetDatum(NextNumber());
	for (int i = ARGUMENT_NAME; i <= ARGUMENT_TTL; i++)
	{
		values[i + 1] = fcinfo->args[i].value;
		nulls[i + 1] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[6] = Int32GetDatum(purposes);
	values[7] = fcinfo->args[ARGUMENT_DESCRIPTION].value;
	nulls[7] = PG_ARGISNULL(ARGUMENT_DESCRIPTION) ? 'n' : ' ';
	SpiUtilRun(&insert, "INSERT INTO personalize.segment (segment, name, condition, enter, leave, ttl, purposes, description)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", lengthof(types), types, values, nulls, false);
	LookAtEverybody(values[0], values[6]);
	SpiUtilEnd(&scope);
	FillSteps(text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_CONDITION)));
	PG_RETURN_DATUM(values[0]);
}

/* The arguments of a call with what the segment is in the place of those that are null; returns its number. */
static Datum
FillArguments(FunctionCallInfo call, FunctionCallInfo fcinfo)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID};
	Datum		number;
	bool		isNull;

	if (SpiUtilRun(&plan, "SELECT segment, name, condition, enter, leave, ttl, description, builtin FROM personalize.segment"
				   " WHERE name = $1", lengthof(types), types, &fcinfo->args[ARGUMENT_NAME].value, NULL, false) == 0)
		SegmentReportUnknown(TextDatumGetCString(fcinfo->args[ARGUMENT_NAME].value));
	number = SpiUtilValue(0, 1, &isNull);
	if (DatumGetBool(SpiUtilValue(0, 8, &isNull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("segment \"%s\" comes with the extension and cannot be changed",
						TextDatumGetCString(fcinfo->args[ARGUMENT_NAME].value)),
				 errhint("Create one of your own from its condition, and drop it if nobody needs it.")));
	for (int i = 0; i < ARGUMENT_COUNT; i++)
	{
		bool		ofCondition = i == ARGUMENT_ENTER || i == ARGUMENT_LEAVE;

		call->args[i] = fcinfo->args[i];
		/* thresholds are those of a condition: a new one comes with its own */
		if (!fcinfo->args[i].isnull || (ofCondition && !fcinfo->args[ARGUMENT_CONDITION].isnull))
			continue;
		call->args[i].value = SpiUtilValue(0, i + 2, &call->args[i].isnull);
	}
	return number;
}

/* alter_segment(name, condition, enter, leave, ttl, description): what is null stays. */
Datum
personalize_alter_segment(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr update = NULL;
	const Oid	types[] = {INT2OID, TEXTOID, FLOAT8OID, FLOAT8OID, INTERVALOID, INT4OID, TEXTOID};
	static const SegmentArgument places[] = {ARGUMENT_CONDITION, ARGUMENT_ENTER, ARGUMENT_LEAVE, ARGUMENT_TTL};
	LOCAL_FCINFO(call, ARGUMENT_COUNT);
	Datum		values[7];
	char		nulls[] = "       ";
	SpiUtilScope scope;

	(void) NameArgument(fcinfo);
	LockDefinitions();
	SpiUtilBegin(&scope);
	values[0] = FillArguments(call, fcinfo);
	values[5] = Int32GetDatum(CheckCondition(call));
	CheckTtl(call);
	for (int i = 0; i < lengthof(places); i++)
	{
		values[i + 1] = call->args[places[i]].value;
		nulls[i + 1] = call->args[places[i]].isnull ? 'n' : ' ';
	}
	values[6] = call->args[ARGUMENT_DESCRIPTION].value;
	nulls[6] = call->args[ARGUMENT_DESCRIPTION].isnull ? 'n' : ' ';
	SpiUtilRun(&update, "UPDATE personalize.segment SET condition = $2, enter = $3, leave = $4, ttl = $5, purposes = $6,"
			   " description = $7 WHERE segment = $1", lengthof(types), types, values, nulls, false);
	LookAtEverybody(values[0], values[5]);
	SpiUtilEnd(&scope);
	if (!PG_ARGISNULL(ARGUMENT_CONDITION))
		FillSteps(text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_CONDITION)));
	PG_RETURN_VOID();
}

/* drop_segment(name) */
Datum
personalize_drop_segment(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plans[3];
	static const char *const statements[] = {
		"DELETE FROM personalize.segment WHERE segment = $1",
		"DELETE FROM personalize.segment_member WHERE segment = $1",
		"DELETE FROM personalize.segment_change WHERE segment = $1"
	};
	const Oid	types[] = {INT2OID};
	char	   *name = NameArgument(fcinfo);
	SpiUtilScope scope;
	Datum		number;

	LockDefinitions();
	SpiUtilBegin(&scope);
	number = Int16GetDatum(FindSegment(name));
	if (DatumGetInt16(number) == 0)
		SegmentReportUnknown(name);
	for (int i = 0; i < lengthof(statements); i++)
		SpiUtilRun(&plans[i], statements[i], lengthof(types), types, &number, NULL, false);
	SpiUtilEnd(&scope);
	PG_RETURN_VOID();
}

/* Make the cache known. */
void
SegmentInit(void)
{
	TableCacheRegister(&cache);
}
