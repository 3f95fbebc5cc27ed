/*
 * rights.c
 *		The rights of a person: copy, correction, restriction, objection.
 *
 * A correction does to a raw event what the person says is right, and has every
 * processor count the person again: what it had counted of them is taken out
 * before, under the exclusive lock of their stripe, and what is right comes in
 * after.  Nothing tells the result from one where the right event came first.
 *
 * A restriction takes nothing away.  What stands in a row of the person's own
 * stays there, and readers leave it out (restriction.c); what went into sums and
 * sessions, which others see, is taken out of them and put back when it is lifted.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/key.h"
#include "base/purge_lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/event_detail.h"
#include "events/message_id.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "people/consent_cache.h"
#include "people/consent_change.h"
#include "people/identity.h"
#include "people/ledger.h"
#include "people/person_removal.h"
#include "people/restriction.h"
#include "people/tombstone.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(personalize_export_held);
PG_FUNCTION_INFO_V1(personalize_export_user);
PG_FUNCTION_INFO_V1(personalize_restrict);
PG_FUNCTION_INFO_V1(personalize_lift_restriction);
PG_FUNCTION_INFO_V1(personalize_object_to);
PG_FUNCTION_INFO_V1(personalize_purge_undecided);
PG_FUNCTION_INFO_V1(personalize_rectify);
PG_FUNCTION_INFO_V1(personalize_event_details);
PG_FUNCTION_INFO_V1(personalize_message_probe);
PG_FUNCTION_INFO_V1(personalize_message_probe_of_key);

/* Refuse where nothing can be written. */
static void
CheckMayWrite(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PurgeCheckReadCommitted(function);
}

/* Be alone with the person whose id a decision is given for. */
static void
LockPerson(ConsentDecision *decision, const char *notDone)
{
	Person		person = IdentityLockExclusive(decision->userId, notDone);

	decision->userId = person.userId;
	decision->userKey = person.userKey;
}

/* What a person's data is restricted for, as of now. */
static int32
RestrictedNow(int64 userKey)
{
	int32		restricted;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	restricted = RestrictionOf(userKey);
	PopActiveSnapshot();
	return restricted;
}

/* A basis and the grounds for it. */
static text *
FormatBasis(FunctionCallInfo fcinfo, int argument, const char *basis)
{
	if (PG_ARGISNULL(argument))
		return cstring_to_text(basis);
	return cstring_to_text(psprintf("%s: %s", basis, text_to_cstring(PG_GETARG_TEXT_PP(argument))));
}

/* Read (user_id, purposes, grounds, source) of a decision. */
static void
GetDecision(FunctionCallInfo fcinfo, const char *basis, const PurposeCatalogue *purposes,
			ConsentDecision *decision)
{
	decision->userId = KeyIdArgument(fcinfo, 0, "user_id");
	decision->userKey = KeyFromText(decision->userId);
	decision->purposes = PG_ARGISNULL(1) ? purposes->all :
		PurposeGetMask(PG_GETARG_ARRAYTYPE_P(1), purposes);
	decision->basis = FormatBasis(fcinfo, 2, basis);
	ArgumentCheckGiven(fcinfo, 3, "source");
	decision->source = PG_GETARG_TEXT_PP(3);
}

/* Write a decision to the ledger, and what is restricted now. */
static void
RecordRestriction(const ConsentDecision *decision, int32 restricted)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(decision->userKey), Int32GetDatum(restricted)};
	SpiUtilScope scope;

	ConsentCacheNoteChange(decision->userKey);
	SpiUtilBegin(&scope);
	ConsentRecord(decision, NULL);
	SpiUtilRun(&plan, "UPDATE personalize.subject SET restricted = $2 WHERE user_key = $1",
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/*
 * True, with a warning, if the person was forgotten: there is nothing to restrict,
 * and a row of subject would let events in again, which only a grant may do.
 */
static bool
IsForgotten(const ConsentDecision *decision)
{
	Tombstone	tombstone;

	if (!TombstoneStandsNow(decision->userKey, &tombstone))
		return false;
	ereport(WARNING,
			(errmsg("nothing is restricted: user \"%s\" was erased", text_to_cstring(decision->userId)),
			 errdetail("Nothing of the person is left, and nothing is stored before a grant.")));
	return true;
}

/* restrict(user_id, purposes, grounds, source) → purposes restricted. */
Datum
personalize_restrict(PG_FUNCTION_ARGS)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	ConsentDecision decision = {.granted = false};
	int32		before;
	int32		added;

	CheckMayWrite("restrict()");
	GetDecision(fcinfo, LEDGER_RESTRICTION, purposes, &decision);
	LockPerson(&decision, "nothing is restricted");
	if (IsForgotten(&decision))
		return PurposeMaskToArray(0, purposes);
	before = RestrictedNow(decision.userKey);
	added = decision.purposes & ~before;
	PersonPark(decision.userKey, added);
	RecordRestriction(&decision, before | added);
	return PurposeMaskToArray(before | added, purposes);
}

/* lift_restriction(user_id, purposes, grounds, source) → purposes still restricted. */
Datum
personalize_lift_restriction(PG_FUNCTION_ARGS)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	ConsentDecision decision = {.granted = true};
	int32		before;

	CheckMayWrite("lift_restriction()");
	GetDecision(fcinfo, LEDGER_RESTRICTION " lifted", purposes, &decision);
	LockPerson(&decision, "no restriction is lifted");
	before = RestrictedNow(decision.userKey);
	if (!PG_ARGISNULL(1) && (decision.purposes & ~before) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data of user \"%s\" is not restricted for: %s", text_to_cstring(decision.userId),
						PurposeFormatMask(decision.purposes & ~before, purposes)),
				 before == 0 ? errhint("Nothing is restricted.") :
				 errhint("It is restricted for: %s.", PurposeFormatMask(before, purposes))));
	decision.purposes &= before;
	if (decision.purposes == 0)
		return PurposeMaskToArray(0, purposes);
	RecordRestriction(&decision, before & ~decision.purposes);
	PersonUnpark(decision.userKey, decision.purposes);
	return PurposeMaskToArray(before & ~decision.purposes, purposes);
}

/* object_to(user_id, purposes, grounds, source) → purposes still allowed. */
Datum
personalize_object_to(PG_FUNCTION_ARGS)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	ConsentDecision decision = {.granted = false};

	CheckMayWrite("object_to()");
	GetDecision(fcinfo, "objection", purposes, &decision);
	return ConsentWithdraw(&decision, purposes, "object_to()");
}

/* A query of people of whom something is stored for purposes ($1) that they have not spoken about. */
static char *
UndecidedQuery(void)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	StringInfoData sql;
	const char *separator = "";

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT u.user_key FROM (");
	for (int i = 0; i < count; i++)
	{
		if (stores[i].people == NULL)
			continue;
		appendStringInfo(&sql, "%sSELECT t.user_key FROM (%s) AS t WHERE t.purposes & $1 <> 0",
						 separator, stores[i].people);
		separator = " UNION ";
	}
	appendStringInfoString(&sql, ") AS u LEFT JOIN personalize.subject AS s USING (user_key)"
						   " WHERE $1 & ~(coalesce(s.decided, 0) | coalesce(s.restricted, 0)) <> 0"
						   " ORDER BY u.user_key LIMIT $2");
	return sql.data;
}

/* People of whom something is stored for purposes that they may not have spoken about. */
static int64 *
ReadUndecided(int32 bits, int32 limit, uint64 *count)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT4OID, INT4OID};
	Datum		values[] = {Int32GetDatum(bits), Int32GetDatum(limit)};
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;
	int64	   *keys;
	bool		isNull;

	SpiUtilBegin(&scope);
	*count = SpiUtilRun(&plan, UndecidedQuery(), lengthof(types), types, values, NULL, false);
	keys = MemoryContextAlloc(context, sizeof(int64) * Max(*count, 1));
	for (uint64 i = 0; i < *count; i++)
		keys[i] = DatumGetInt64(SpiUtilValue(i, 1, &isNull));
	SpiUtilEnd(&scope);
	return keys;
}

/* The purposes of bits that a person has not spoken about, as of now. */
static int32
UndecidedNow(int64 userKey, int32 bits, int32 all)
{
	ConsentState state = {.userKey = userKey};
	ConsentState *states[] = {&state};

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	ConsentReadStates(states, 1, all, GetActiveSnapshot());
	PopActiveSnapshot();
	return bits & ~state.decided;
}

/* purge_undecided(purposes, max_people) → people of whom something was taken away. */
Datum
personalize_purge_undecided(PG_FUNCTION_ARGS)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	bool		stripes[SHARD_COUNT] = {false};
	int64		purged = 0;
	uint64		count;
	int32		bits;
	int64	   *keys;

	CheckMayWrite("purge_undecided()");
	ArgumentCheckGiven(fcinfo, 0, "purposes");
	ArgumentCheckGiven(fcinfo, 1, "max_people");
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_people must be at least 1, not %d", PG_GETARG_INT32(1)),
				 errhint("0 is what it returns when nobody is left.")));
	bits = PurposeGetMask(PG_GETARG_ARRAYTYPE_P(0), purposes);
	if (bits & purposes->allowed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("people who have not spoken still allow: %s",
						PurposeFormatMask(bits & purposes->allowed, purposes)),
				 errhint("Change personalize.purpose_default first.")));
	keys = ReadUndecided(bits, PG_GETARG_INT32(1), &count);
	for (uint64 i = 0; i < count; i++)
		stripes[ShardOfKey(keys[i])] = true;
	PurgeLockStripes(stripes, "nothing is purged");
	for (uint64 i = 0; i < count; i++)
	{
		int32		undecided = UndecidedNow(keys[i], bits, purposes->all);

		CHECK_FOR_INTERRUPTS();
		if (undecided == 0)
			continue;
		ConsentTakeAway(keys[i], undecided);
		purged++;
	}
	PG_RETURN_INT64(purged);
}

/* _event_details(event, properties) → (value, slot, properties) as ingestion stores them. */
Datum
personalize_event_details(PG_FUNCTION_ARGS)
{
	EventRow	row = {.event = PG_GETARG_INT16(0),.properties = PG_GETARG_JSONB_P(1)};
	TupleDesc	descriptor;
	Datum		values[3];
	bool		nulls[3];

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	EventDetailSet(&row);
	nulls[0] = row.value == NULL;
	nulls[1] = !row.hasSlot;
	values[0] = nulls[0] ? (Datum) 0 : NumericGetDatum(row.value);
	values[1] = Int16GetDatum(row.slot);
	values[2] = JsonbPGetDatum(row.properties);
	nulls[2] = JB_ROOT_COUNT(row.properties) == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* The arguments of rectify() for its SQL part. */
typedef struct Correction
{
	Datum		values[5];		/* user key, correction, message key, time, ordinal */
	char		nulls[5];
} Correction;

/* Read all but the first. */
static void
GetCorrection(FunctionCallInfo fcinfo, Correction *correction)
{
	ArgumentCheckGiven(fcinfo, 1, "correction");
	memset(correction->nulls, ' ', sizeof(correction->nulls));
	correction->values[1] = PG_GETARG_DATUM(1);
	if (PG_ARGISNULL(2))
		correction->nulls[2] = 'n';
	else
	{
		text	   *id = KeyIdArgument(fcinfo, 2, "message_id");
		pg_uuid_t	uuid;

		correction->values[2] = Int64GetDatum(MessageIdRead(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &uuid));
	}
	for (int i = 3; i < 5; i++)
	{
		correction->values[i] = PG_GETARG_DATUM(i);
		correction->nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
}

/* Run a step of a correction. */
static void
RunStep(SPIPlanPtr *plan, const char *sql, const Correction *correction)
{
	static const Oid types[] = {INT8OID, JSONBOID, INT8OID, TIMESTAMPTZOID, INT4OID};

	SpiUtilRunAsOwner(plan, sql, lengthof(types), types, correction->values, correction->nulls, false);
}

/* Correct a raw event and all that was counted of it. */
static void
RectifyEvent(int64 userKey, const Correction *correction)
{
	static SPIPlanPtr applyPlan;
	int32		restricted = RestrictedNow(userKey);

	PersonTakeOut(userKey, restricted);
	RunStep(&applyPlan, "SELECT personalize_internal._rectify_event($1, $2, $3, $4, $5)", correction);
	PersonRemake(userKey, restricted);
}

/* rectify(user_id, correction, message_id, event_time, ordinal). */
Datum
personalize_rectify(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr checkPlan;
	static SPIPlanPtr preferencePlan;
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	int64		userKey;
	Correction	correction;
	bool		ofEvent;

	CheckMayWrite("rectify()");
	GetCorrection(fcinfo, &correction);
	ofEvent = !PG_ARGISNULL(2) || !PG_ARGISNULL(3);
	userKey = IdentityLockExclusive(userId, "nothing is corrected").userKey;
	correction.values[0] = Int64GetDatum(userKey);
	if (ofEvent)
	{
		RunStep(&checkPlan, "SELECT personalize_internal._check_correction($1, $2, $3, $4, $5)", &correction);
		RectifyEvent(userKey, &correction);
	}
	else
		RunStep(&preferencePlan, "SELECT personalize_internal._rectify_preference($1, $2) FROM (SELECT $3, $4, $5) u",
				&correction);
	PG_RETURN_VOID();
}

/* The query of all that is held of a person, by parts. */
static char *
HeldQuery(void)
{
	StringInfoData query;
	int			count;
	const PersonStore *stores = PersonStores(&count);

	initStringInfo(&query);
	for (int i = 0; i < count; i++)
		if (stores[i].copy && stores[i].copy->query)
			appendStringInfo(&query, "%sjsonb_build_object(%s, (%s))", query.len > 0 ? " || " : "SELECT ",
							 quote_literal_cstr(stores[i].copy->as), stores[i].copy->query);
	return query.data;
}

/* _export_held(user_key, user_id): the same of the person's other ids, one within the other. */
Datum
personalize_export_held(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, TEXTOID};
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	SpiUtilScope scope;
	Datum		result;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, plan == NULL ? HeldQuery() : "_export_held()", lengthof(types), types, values, NULL, true);
	result = SPI_datumTransfer(SpiUtilValue(0, 1, &isNull), false, -1);
	SpiUtilEnd(&scope);
	PG_RETURN_DATUM(result);
}

/* export_user(user_id): everything that is held about a person. */
Datum
personalize_export_user(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, TEXTOID};
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	Person		person = IdentityPersonNow(userId);
	Datum		values[] = {Int64GetDatum(person.userKey), PointerGetDatum(person.userId)};
	SpiUtilScope scope;
	Datum		result;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT personalize_internal._export_user($1, $2)",
			   lengthof(types), types, values, NULL, true);
	result = SPI_datumTransfer(SpiUtilValue(0, 1, &isNull), false, -1);
	SpiUtilEnd(&scope);
	PG_RETURN_DATUM(result);
}

/* _message_probe(message): what finds the events of a message that was seen. */
Datum
personalize_message_probe(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(MessageIdProbe(PG_GETARG_UUID_P(0)));
}

/* _message_probe(message_key): the same, from the event. */
Datum
personalize_message_probe_of_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(MessageIdProbeOfKey(PG_GETARG_INT64(0)));
}
