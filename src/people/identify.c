/*
 * identify.c
 *		Saying that ids are of one person, and that they are not after all.
 *
 * Everything happens in the caller's transaction, with the stripes of all ids it is
 * about locked exclusively: what was in flight under any of them is committed or gone,
 * nobody counts events of theirs, and nobody looks up whose they are and goes on.  Who
 * identifies takes turns with withdrawals and erasures (base/purge_lock.h), so ids that
 * are joined in both directions at once are joined by the first, and known to the second.
 *
 * A login that says what is known costs a look into an index and takes no lock.
 *
 * Both ids keep their chains in the ledger.  What the other id decided goes to that of
 * the person as decisions of the basis "identity"; a refusal there is a withdrawal.
 */
#include "postgres.h"

#include "people/identify.h"

#include "base/alone.h"
#include "base/argument.h"
#include "base/choice.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/purge_lock.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/consent_change.h"
#include "people/identity.h"
#include "people/person_move.h"
#include "people/refused_id.h"
#include "people/restriction.h"
#include "people/tombstone.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_identify);
PG_FUNCTION_INFO_V1(personalize_alias);
PG_FUNCTION_INFO_V1(personalize_split);

#define NOT_DONE "no ids are joined"

static int	personalize_max_identities = 1000;
static char *personalize_identity_purpose;

/* Two ids that are said to be one person's. */
typedef struct Joining
{
	const char *function;
	bool		known;			/* alias(): the other one may be a person with ids of its own */
	bool		intersects;		/* a refusal of either id holds */
	bool		discards;		/* also if not all of it can come along */
	text	   *aliasId;
	int64		aliasKey;
	text	   *userId;
	Datum		source;
	Person		owner;			/* whose the other id is now, mostly its own */
	Person		person;			/* who it is to be of */
	ConsentState ownerState;
	ConsentState personState;
} Joining;

/* Refuse where nothing can be written. */
static void
CheckMayWrite(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PurgeCheckReadCommitted(function);
}

/* One of two words as an argument; true: it is the first. */
static bool
GetChoice(FunctionCallInfo fcinfo, int argument, const char *name, const char *first, const char *second)
{
	const char *const choices[] = {first, second};
	char	   *given;
	int			place;

	ArgumentCheckGiven(fcinfo, argument, name);
	given = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	place = ChoiceFind(given, choices, lengthof(choices));
	if (place < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" does not exist", name, given),
				 errhint("%s", ChoiceHint(given, "words", choices, lengthof(choices)))));
	return place == 0;
}

/* Run a statement about keys. */
static uint64
RunKeys(SPIPlanPtr *plan, const char *sql, int count, const int64 *keys)
{
	const Oid	types[] = {INT8OID, INT8OID, INT8OID};
	Datum		values[3];

	Assert(count <= lengthof(types));
	for (int i = 0; i < count; i++)
		values[i] = Int64GetDatum(keys[i]);
	return SpiUtilRun(plan, sql, count, types, values, NULL, false);
}

/*
 * True if a person would have too many ids with so many more.  The newest place tells, unless
 * ids that have gone left places behind: then they are counted.
 */
static bool
WouldHaveTooMany(int64 userKey, int64 more)
{
	return IdentityNewestPlace(userKey) + more > personalize_max_identities &&
		IdentityCount(userKey, personalize_max_identities) + more > personalize_max_identities;
}

/* Raise if a person would have too many ids, or an id is not one to be given away. */
static void
CheckMayJoin(const Joining *joining)
{
	int64		owned = joining->known ? IdentityCount(joining->owner.userKey, personalize_max_identities) : 0;
	char	   *alias = text_to_cstring(joining->aliasId);
	char	   *user = text_to_cstring(joining->userId);

	if (!joining->known && joining->owner.userKey == joining->aliasKey && IdentityNewestPlace(joining->aliasKey) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("anonymous_id \"%s\" is a person with other ids, not an anonymous id", alias),
				 errhint("If \"%s\" and \"%s\" are one person, call SELECT * FROM personalize.alias(%s, %s).", alias, user,
						 quote_literal_cstr(alias), quote_literal_cstr(user))));
	if (WouldHaveTooMany(joining->person.userKey, 1 + owned))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("user \"%s\" would have more than %d other ids", user, personalize_max_identities),
				 errdetail("Ids that many people share, as of a kiosk, a test or a proxy, are nobody's."),
				 errhint("SELECT * FROM personalize.identities_of(%s) lists them, personalize.split() takes one away, personalize.max_identities is the limit.",
						 quote_literal_cstr(user))));
}

/* See whose the ids are now. */
static void
Resolve(Joining *joining)
{
	joining->person = IdentityPersonNow(joining->userId);
	joining->owner = IdentityPersonNow(joining->aliasId);
}

/* Lock all ids that something changes for; false: nothing does. */
static bool
LockIds(Joining *joining)
{
	bool		locked[SHARD_COUNT] = {false};

	for (;;)
	{
		bool		stripes[SHARD_COUNT];
		bool		more = false;

		Resolve(joining);
		if (joining->owner.userKey == joining->person.userKey)
			return false;
		memcpy(stripes, locked, sizeof(stripes));
		stripes[ShardOfKey(joining->aliasKey)] = true;
		stripes[ShardOfKey(joining->person.userKey)] = true;
		IdentityAddStripes(joining->owner.userKey, stripes);
		for (int i = 0; i < SHARD_COUNT; i++)
			more |= stripes[i] && !locked[i];
		if (!more)
		{
			CheckMayJoin(joining);
			return true;
		}
		PurgeLockStripes(stripes, NOT_DONE);
		memcpy(locked, stripes, sizeof(locked));
	}
}

/* An id in a call. */
static char *
Quoted(const text *id)
{
	return quote_literal_cstr(text_to_cstring(id));
}

/* Why a person cannot be joined with another; NULL: nothing is in the way. */
static char *
PersonObstacle(Person person)
{
	Tombstone	tombstone;
	int32		restricted;

	if (TombstoneStandsNow(person.userKey, &tombstone))
		return psprintf("%s was erased; only a grant brings the person back: personalize.grant_consent(%s, ...)",
						Quoted(person.userId), Quoted(person.userId));
	PushActiveSnapshot(GetLatestSnapshot());
	restricted = RestrictionOf(person.userKey);
	PopActiveSnapshot();
	if (restricted != 0)
		return psprintf("data of %s is restricted for %s; when that is over, call personalize.lift_restriction(%s)",
						Quoted(person.userId), PurposeFormatMask(restricted, PurposeCatalogueNow()), Quoted(person.userId));
	return NULL;
}

/* What the ids allow and refuse. */
static void
ReadStates(Joining *joining, const PurposeCatalogue *purposes)
{
	ConsentState *states[] = {&joining->ownerState, &joining->personState};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	/* what an id decided itself stays its own, whosever it is */
	joining->ownerState.userKey = joining->known ? joining->owner.userKey : joining->aliasKey;
	joining->personState.userKey = joining->person.userKey;
	ConsentReadStates(states, lengthof(states), purposes->all, snapshot);
	UnregisterSnapshot(snapshot);
}

/* The purposes the other id refused and that are not refused of the person yet, but will be. */
static int32
Refused(const Joining *joining)
{
	int32		refused = joining->ownerState.decided & ~joining->ownerState.granted;

	return refused & ~(joining->intersects ? joining->personState.decided & ~joining->personState.granted :
					   joining->personState.decided);
}

/* The purposes the other id granted and the person has not spoken about. */
static int32
Granted(const Joining *joining)
{
	return joining->ownerState.granted & ~joining->personState.decided;
}

/* What the person will allow. */
static int32
AllowedThen(const Joining *joining, const PurposeCatalogue *purposes)
{
	ConsentState then = {
		.granted = (joining->personState.granted | Granted(joining)) & ~Refused(joining),
		.decided = joining->personState.decided | joining->ownerState.decided
	};

	return ConsentAllowed(&then, purposes);
}

/* True if an anonymous id was another person's until now. */
static bool
IsMoved(const Joining *joining)
{
	return !joining->known && joining->owner.userKey != joining->aliasKey;
}

/* Why the two are not joined; NULL: nothing is in the way. */
static char *
FindObstacle(const Joining *joining, const PurposeCatalogue *purposes)
{
	const char *name = personalize_identity_purpose;
	int32		needed = PurposeBit(purposes, name, strlen(name));
	Person		other = {joining->aliasKey, joining->aliasId};
	char	   *obstacle = PersonObstacle(joining->known ? joining->owner : other);
	int64		missing = 0;

	if (obstacle == NULL)
		obstacle = PersonObstacle(joining->person);
	if (obstacle != NULL)
		return obstacle;
	if (needed != 0 && (AllowedThen(joining, purposes) & needed) == 0)
		return psprintf("purpose %s is not allowed; with the person's permission call personalize.grant_consent(%s, ARRAY[%s]) and identify again",
						name, Quoted(joining->person.userId), quote_literal_cstr(name));
	if (!joining->discards && !IsMoved(joining))
		missing = PersonMissingEvents(joining->owner.userKey);
	if (missing > 0)
		return psprintf("the profile of %s counts " INT64_FORMAT " events whose raw events are gone; with history => 'discard' these are dropped, and the others become the person's",
						Quoted(joining->owner.userId), missing);
	return NULL;
}

/* Write what the other id decided to the person's ledger, and take from its events what is not allowed then. */
static void
JoinConsent(const Joining *joining, const PurposeCatalogue *purposes)
{
	ConsentDecision decision = {
		.userId = joining->person.userId,
		.userKey = joining->person.userKey,
		.source = DatumGetTextPP(joining->source),
		.basis = cstring_to_text("identity")
	};
	int32		lost = ConsentAllowed(&joining->ownerState, purposes) & ~AllowedThen(joining, purposes);
	int32		refused = Refused(joining);

	if (lost != 0 && !IsMoved(joining))
		ConsentTakeAway(joining->owner.userKey, lost);
	decision.granted = true;
	decision.purposes = Granted(joining);
	if (decision.purposes != 0)
		ConsentRecord(&decision, NULL);
	decision.granted = false;
	decision.purposes = refused;
	if (refused != 0)
		(void) ConsentWithdraw(&decision, purposes, joining->function);
}

/* Say that what is remembered of all ids of a person holds no longer. */
static void
NoteChanges(int64 userKey)
{
	bool		stripes[SHARD_COUNT] = {false};

	IdentityAddStripes(userKey, stripes);
	ConsentCacheNoteStripes(stripes);
}

/* An id is nobody's but its own. */
static void
Unlink(int64 aliasKey)
{
	static SPIPlanPtr plan = NULL;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	RunKeys(&plan, "DELETE FROM personalize.identity WHERE alias_key = $1", 1, &aliasKey);
	SpiUtilEnd(&scope);
}

/* An id, with those it has of its own, is the person's. */
static void
Link(const Joining *joining)
{
	static SPIPlanPtr ownPlan = NULL;
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr subjectPlan = NULL;
	Person		other = {joining->aliasKey, joining->aliasId};
	Oid			types[] = {INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID};
	Datum		values[8];
	int64		place = IdentityNewestPlace(joining->person.userKey);
	SpiUtilScope scope;

	if (joining->known)
		other = joining->owner;
	values[0] = Int64GetDatum(other.userKey);
	values[1] = Int64GetDatum(joining->person.userKey);
	values[2] = PointerGetDatum(other.userId);
	values[3] = PointerGetDatum(joining->person.userId);
	values[4] = joining->source;
	values[5] = TimestampTzGetDatum(ClockNow());
	values[6] = Int64GetDatum(place);
	values[7] = Int64GetDatum(place + 1 + (joining->known ? IdentityNewestPlace(other.userKey) : 0));
	SpiUtilBegin(&scope);
	if (joining->known)
		SpiUtilRun(&ownPlan, "UPDATE personalize.identity SET user_key = $2, user_id = $4, place = place + $7"
				   " WHERE user_key = $1",
				   lengthof(types), types, values, NULL, false);
	SpiUtilRun(&plan, "INSERT INTO personalize.identity AS i (alias_key, user_key, since, place, source, alias_id, user_id)"
			   " VALUES ($1, $2, $6, $8, $5, $3, $4) ON CONFLICT (alias_key) DO UPDATE SET"
			   " user_key = EXCLUDED.user_key, user_id = EXCLUDED.user_id, since = EXCLUDED.since, place = EXCLUDED.place,"
			   " source = EXCLUDED.source",
			   lengthof(types), types, values, NULL, false);
	/* who has events is known */
	SpiUtilRun(&subjectPlan, "INSERT INTO personalize.subject (user_key, user_id, granted, decided)"
			   " SELECT $2, $4, m.granted, m.decided FROM (SELECT $1, $3) AS u, personalize_internal._ledger_mask($2) AS m"
			   " ON CONFLICT (user_key) DO NOTHING",
			   4, types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* What somebody had of an id stays, and is no longer known to have come under it. */
static void
ForgetOrigin(int64 userKey, int64 aliasKey)
{
	PersonMove	move = {.from = userKey,.to = userKey,.alias = aliasKey,.back = true};

	PersonMoveHistory(&move);
}

/* Form a row (status, events, detail). */
static Datum
JoiningResult(FunctionCallInfo fcinfo, const char *status, int64 events, const char *detail)
{
	TupleDesc	descriptor;
	Datum		values[] = {CStringGetTextDatum(status), Int64GetDatum(events), (Datum) 0};
	bool		nulls[lengthof(values)] = {[2] = detail == NULL};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (detail != NULL)
		values[2] = CStringGetTextDatum(detail);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* Give the person the other id's history; what raw events tell of no more is dropped, and told of. */
static Datum
MoveHistory(FunctionCallInfo fcinfo, const Joining *joining, const PurposeCatalogue *purposes)
{
	int64		from = joining->owner.userKey;
	PersonMove	move = {.from = from,.to = joining->person.userKey,.alias = from};
	bool		remains;

	PersonMoveHistory(&move);
	remains = PersonHasRemains(from);
	if (remains)
		ConsentTakeAway(from, purposes->all);
	return JoiningResult(fcinfo, "merged", move.events,
						 remains ? "what raw events tell of no more was dropped" : NULL);
}

/* Join two ids whose stripes are locked. */
static Datum
JoinIds(FunctionCallInfo fcinfo, Joining *joining)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	char	   *obstacle;
	Datum		result;

	ReadStates(joining, purposes);
	obstacle = FindObstacle(joining, purposes);
	NoteChanges(joining->owner.userKey);
	NoteChanges(joining->person.userKey);
	ConsentCacheNoteChange(joining->aliasKey);
	if (IsMoved(joining))
	{
		ForgetOrigin(joining->owner.userKey, joining->aliasKey);
		Unlink(joining->aliasKey);
	}
	if (obstacle != NULL)
		return JoiningResult(fcinfo, "kept_apart", 0, obstacle);
	JoinConsent(joining, purposes);
	if (IsMoved(joining))
		result = JoiningResult(fcinfo, "moved", 0, psprintf("what came before stays with %s", Quoted(joining->owner.userId)));
	else
		result = MoveHistory(fcinfo, joining, purposes);
	Link(joining);
	return result;
}

/* The same; nobody else writes events of theirs meanwhile. */
static Datum
JoinAlone(FunctionCallInfo fcinfo, Joining *joining)
{
	Datum		result;

	AloneBegin(joining->owner.userKey, joining->person.userKey);
	PG_TRY();
	{
		result = JoinIds(fcinfo, joining);
	}
	PG_FINALLY();
	{
		AloneEnd();
	}
	PG_END_TRY();
	return result;
}

/* Read (alias_id, user_id, consent, history, source), and join them. */
static Datum
JoinArguments(FunctionCallInfo fcinfo, const char *function, const char *aliasName, bool known)
{
	Joining		joining = {.function = function,.known = known};

	CheckMayWrite(function);
	joining.aliasId = KeyIdArgument(fcinfo, 0, aliasName);
	joining.aliasKey = KeyFromText(joining.aliasId);
	joining.userId = KeyIdArgument(fcinfo, 1, "user_id");
	RefusedIdCheckPerson(joining.aliasId);
	RefusedIdCheckPerson(joining.userId);
	joining.intersects = GetChoice(fcinfo, 2, "consent", "intersect", "person");
	joining.discards = !GetChoice(fcinfo, 3, "history", "merge", "discard");
	ArgumentCheckGiven(fcinfo, 4, "source");
	joining.source = PG_GETARG_DATUM(4);
	ConsentCheckText("source", DatumGetTextPP(joining.source));
	if (!LockIds(&joining))
		return JoiningResult(fcinfo, "unchanged", 0, NULL);
	return JoinAlone(fcinfo, &joining);
}

/* identify(anonymous_id, user_id, consent, history, source) → (status, events, detail). */
Datum
personalize_identify(PG_FUNCTION_ARGS)
{
	return JoinArguments(fcinfo, "identify()", "anonymous_id", false);
}

/* alias(alias_id, user_id, consent, history, source) → (status, events, detail). */
Datum
personalize_alias(PG_FUNCTION_ARGS)
{
	return JoinArguments(fcinfo, "alias()", "alias_id", true);
}

/* Lock a person and one of the other ids, which it must be. */
static Person
LockIdentity(const text *userId, const text *aliasId)
{
	bool		stripes[SHARD_COUNT] = {false};
	int64		aliasKey = KeyFromText(aliasId);

	for (;;)
	{
		Person		person = IdentityPersonNow(userId);
		Person		owner = IdentityPersonNow(aliasId);

		if (owner.userKey == aliasKey || owner.userKey != person.userKey)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("\"%s\" is not another id of user \"%s\"", text_to_cstring(aliasId), text_to_cstring(userId)),
					 owner.userKey == aliasKey ? 0 :
					 errdetail("It is one of user \"%s\".", text_to_cstring(owner.userId)),
					 errhint("SELECT * FROM personalize.identities_of(%s) lists them.", Quoted(userId))));
		if (stripes[ShardOfKey(person.userKey)] && stripes[ShardOfKey(aliasKey)])
			return person;
		stripes[ShardOfKey(person.userKey)] = stripes[ShardOfKey(aliasKey)] = true;
		PurgeLockStripes(stripes, "no ids are split");
	}
}

/* Raise if a person's history cannot be taken apart. */
static void
CheckMaySplit(Person person, int64 aliasKey)
{
	char	   *obstacle = PersonObstacle(person);
	int64		missing = PersonMissingEvents(person.userKey) + PersonMissingEvents(aliasKey);

	if (obstacle != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("ids of user \"%s\" cannot be split", text_to_cstring(person.userId)),
				 errdetail("%s.", obstacle)));
	if (missing > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the profile of user \"%s\" counts " INT64_FORMAT " events whose raw events are gone",
						text_to_cstring(person.userId), missing),
				 errdetail("Under which id they came is not known any more."),
				 errhint("With history => 'leave' the id is its own from now on, and what came before stays with the person.")));
}

/* Give an id its history back; how many events. */
static int64
MoveBack(Person person, int64 aliasKey)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	PersonMove	move = {.from = person.userKey,.to = aliasKey,.alias = aliasKey,.back = true};
	int32		lost;

	CheckMaySplit(person, aliasKey);
	NoteChanges(person.userKey);
	Unlink(aliasKey);
	PersonMoveHistory(&move);
	PushActiveSnapshot(GetLatestSnapshot());
	lost = purposes->all & ~ConsentMaskOf(aliasKey);
	PopActiveSnapshot();
	if (lost != 0 && move.events > 0)
		ConsentTakeAway(aliasKey, lost);
	return move.events;
}

/* split(user_id, anonymous_id, history) → events. */
Datum
personalize_split(PG_FUNCTION_ARGS)
{
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	text	   *aliasId = KeyIdArgument(fcinfo, 1, "anonymous_id");
	int64		aliasKey = KeyFromText(aliasId);
	bool		moves = GetChoice(fcinfo, 2, "history", "split", "leave");
	int64		events = 0;
	Person		person;

	CheckMayWrite("split()");
	person = LockIdentity(userId, aliasId);
	if (!moves)
	{
		NoteChanges(person.userKey);
		Unlink(aliasKey);
		ForgetOrigin(person.userKey, aliasKey);
		PG_RETURN_INT64(0);
	}
	AloneBegin(person.userKey, aliasKey);
	PG_TRY();
	{
		events = MoveBack(person, aliasKey);
	}
	PG_FINALLY();
	{
		AloneEnd();
	}
	PG_END_TRY();
	PG_RETURN_INT64(events);
}

/* Define the settings. */
void
IdentifyInit(void)
{
	DefineCustomStringVariable("personalize.identity_purpose",
							   "Purpose a person must allow for what was done under several ids to be joined.",
							   "If there is no purpose of this name, nothing is asked for.",
							   &personalize_identity_purpose, "cross_device",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.max_identities",
							"Most other ids a person can have.",
							NULL, &personalize_max_identities, 1000, 1, 1000000,
							PGC_SUSET, 0, NULL, NULL, NULL);
}
