/*
 * consent_change.c
 *		Granting and withdrawing consent.
 */
#include "postgres.h"

#include "people/consent_change.h"

#include "base/alone.h"
#include "access/xact.h"
#include "base/alone.h"
#include "base/argument.h"
#include "base/clock.h"
#include "base/dictionary.h"
#include "base/event_time.h"
#include "base/key.h"
#include "base/purge_lock.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "people/consent_cache.h"
#include "people/identity.h"
#include "people/person_removal.h"
#include "people/refused_id.h"
#include "people/tombstone.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_grant_consent);
PG_FUNCTION_INFO_V1(personalize_withdraw_consent);
PG_FUNCTION_INFO_V1(personalize_record_choice);

/*
 * Whether a grant brings a person back who was forgotten, and has no row in subject
 * therefore.  One that took effect before is late news of the former life; it is not
 * taken.
 */
static bool
JudgeComeback(const ConsentDecision *decision, void *comesBack)
{
	Tombstone	tombstone;

	*(bool *) comesBack = TombstoneStandsNow(decision->userKey, &tombstone);
	if (!*(bool *) comesBack)
		return true;
	if (decision->hasEffectiveAt && decision->effectiveAt <= tombstone.forgottenAt)
	{
		ereport(WARNING,
				(errmsg("nothing is granted: user \"%s\" was erased after that", text_to_cstring(decision->userId)),
				 errdetail("The grant took effect on %s, the erasure on %s.",
						   EventTimeFormat(decision->effectiveAt),
						   EventTimeFormat(tombstone.forgottenAt)),
				 errhint("Only a grant of a later time brings the person back.")));
		return false;
	}
	return true;
}

/*
 * Begin a new life of a person who was forgotten: what is older is not hers.  The
 * person's row is locked; who comes second to it finds the person back.
 */
static void
ComeBack(const ConsentDecision *decision)
{
	static SPIPlanPtr plan;
	const Oid	types[] = {INT8OID, TIMESTAMPTZOID};
	TimestampTz since = decision->hasEffectiveAt ? decision->effectiveAt : ClockNow();
	Datum		values[] = {Int64GetDatum(decision->userKey), TimestampTzGetDatum(since)};
	Tombstone	tombstone;
	SpiUtilScope scope;

	if (!TombstoneStandsNow(decision->userKey, &tombstone))
		return;
	SpiUtilBegin(&scope);
	TombstoneLift(decision->userKey, since);
	SpiUtilRun(&plan, "UPDATE personalize.subject SET since = $2 WHERE user_key = $1",
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* Clear the events of a person, and what else has a time of its own. */
static void
ClearUntil(int64 userKey, int32 bits, const ConsentOutcome *outcome)
{
	while (bits != 0)
	{
		TimestampTz until = outcome->since[pg_rightmost_one_pos32(bits)];
		int32		together = 0;

		for (int bit = 0; bit < PURPOSE_MAX; bit++)
			if ((bits & (1 << bit)) && outcome->since[bit] == until)
				together |= 1 << bit;
		bits &= ~together;
		PersonClearUntil(userKey, together, until);
	}
}

/* Take purposes from all that was stored of a person whose stripe is locked exclusively. */
static void
TakeAway(int64 userKey, int32 bits, const ConsentOutcome *outcome)
{
	bool		began = AloneBegin(userKey, userKey);

	PG_TRY();
	{
		PersonUncount(userKey, bits);
		ClearUntil(userKey, bits, outcome);
		PersonPurge(userKey, bits);
	}
	PG_FINALLY();
	{
		if (began)
			AloneEnd();
	}
	PG_END_TRY();
}

/* The arguments that the calls have in common. */
static void
GetDecision(FunctionCallInfo fcinfo, const char *function, ConsentDecision *decision)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	decision->userId = KeyIdArgument(fcinfo, 0, "user_id");
	decision->userKey = KeyFromText(decision->userId);
	ArgumentCheckGiven(fcinfo, 2, "source");
	decision->source = PG_GETARG_TEXT_PP(2);
	decision->noticeVersion = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	decision->evidence = PG_ARGISNULL(4) ? NULL : PG_GETARG_TEXT_PP(4);
}

/* When the person decided, if it is given; raises for what is not in the past. */
static void
GetEffectiveAt(FunctionCallInfo fcinfo, int argument, ConsentDecision *decision)
{
	decision->hasEffectiveAt = !PG_ARGISNULL(argument);
	if (!decision->hasEffectiveAt)
		return;
	decision->effectiveAt = PG_GETARG_TIMESTAMPTZ(argument);
	if (TIMESTAMP_NOT_FINITE(decision->effectiveAt) ||
		decision->effectiveAt > ClockNow())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("effective_at \"%s\" is not in the past",
						EventTimeFormat(decision->effectiveAt))));
}

/* What the person allows after a decision, as an array of names. */
static Datum
AllowedNow(const ConsentOutcome *outcome, const PurposeCatalogue *purposes)
{
	ConsentState state = {
		.granted = outcome->granted & ~outcome->restricted,
		.decided = outcome->decided | outcome->restricted
	};

	return PurposeMaskToArray(ConsentAllowed(&state, purposes), purposes);
}

/* Raise for purposes that are not given. */
static void
CheckPurposesGiven(FunctionCallInfo fcinfo, const char *name, const PurposeCatalogue *purposes)
{
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name),
				 errhint("Purposes are: %s.", PurposeFormatMask(purposes->all, purposes))));
}

/* Grant, with the person's stripe locked; the purposes allowed then. */
static Datum
Grant(const ConsentDecision *decision, const PurposeCatalogue *purposes)
{
	ConsentOutcome outcome;
	bool		comesBack = false;

	ConsentCacheNoteChange(decision->userKey);
	if (!ConsentRecordIf(decision, &outcome, JudgeComeback, &comesBack))
		return PurposeMaskToArray(0, purposes);
	if (comesBack)
		ComeBack(decision);
	return AllowedNow(&outcome, purposes);
}

/* A decision under any id is the person's. */
static void
DecideFor(ConsentDecision *decision, Person person)
{
	decision->userId = person.userId;
	decision->userKey = person.userKey;
}

/* grant_consent(user_id, purposes, source, notice_version, evidence, effective_at) → purposes allowed. */
Datum
personalize_grant_consent(PG_FUNCTION_ARGS)
{
	ConsentDecision decision = {.granted = true};
	PurposeCatalogue *purposes = PurposeCatalogueNow();

	GetDecision(fcinfo, "grant_consent()", &decision);
	RefusedIdCheckPerson(decision.userId);
	CheckPurposesGiven(fcinfo, "purposes", purposes);
	decision.purposes = PurposeGetMask(PG_GETARG_ARRAYTYPE_P(1), purposes);
	GetEffectiveAt(fcinfo, 5, &decision);
	DecideFor(&decision, IdentityLockShared(decision.userId));
	return Grant(&decision, purposes);
}

/* Wait until nothing of the person is in flight, and keep it so. */
static void
LockForWithdrawal(ConsentDecision *decision, const char *function)
{
	PurgeCheckReadCommitted(function);
	DecideFor(decision, IdentityLockExclusive(decision->userId, "consent is not withdrawn"));
}

/*
 * Withdraw.  What is to go is what the person did before the purpose was last
 * granted: everything, unless the withdrawal comes late and a grant is known that
 * took effect after it.  Then what was derived is taken away all the same, and
 * derived anew from the events since that grant.
 */
Datum
ConsentWithdraw(ConsentDecision *decision, const PurposeCatalogue *purposes,
				const char *function)
{
	Tombstone	tombstone;
	ConsentOutcome outcome;
	int32		cleared = 0;
	int32		kept = 0;

	LockForWithdrawal(decision, function);
	/* of who was forgotten nothing is stored, and nothing is left to take away */
	if (TombstoneStandsNow(decision->userKey, &tombstone))
		return PurposeMaskToArray(0, purposes);
	ConsentCacheNoteChange(decision->userKey);
	ConsentRecord(decision, &outcome);
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
	{
		int32		mask = 1 << bit;

		if ((decision->purposes & mask) == 0)
			continue;
		if (outcome.since[bit] == DT_NOEND)
			cleared |= mask;
		else if (outcome.since[bit] != outcome.sinceBefore[bit])
			kept |= mask;
	}
	cleared |= kept;
	TakeAway(decision->userKey, cleared, &outcome);
	PersonRecount(decision->userKey, kept);
	return AllowedNow(&outcome, purposes);
}

/* Take purposes away from what was stored while the default allowed them. */
void
ConsentTakeAway(int64 userKey, int32 bits)
{
	ConsentOutcome never;

	memset(&never, 0, sizeof(never));
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		never.since[bit] = DT_NOEND;
	TakeAway(userKey, bits, &never);
}

/* withdraw_consent(user_id, purposes, source, notice_version, evidence, effective_at) → purposes allowed. */
Datum
personalize_withdraw_consent(PG_FUNCTION_ARGS)
{
	ConsentDecision decision = {.granted = false};
	PurposeCatalogue *purposes = PurposeCatalogueNow();

	GetDecision(fcinfo, "withdraw_consent()", &decision);
	decision.purposes = PG_ARGISNULL(1) ? purposes->all :
		PurposeGetMask(PG_GETARG_ARRAYTYPE_P(1), purposes);
	GetEffectiveAt(fcinfo, 5, &decision);
	return ConsentWithdraw(&decision, purposes, "withdraw_consent()");
}

/*
 * record_choice(user_id, accepted, source, notice_version, evidence, effective_at) →
 * purposes allowed.  A choice is about all purposes: what is not accepted is
 * declined, which is a withdrawal of what was granted before.
 */
Datum
personalize_record_choice(PG_FUNCTION_ARGS)
{
	ConsentDecision accepted = {.granted = true};
	ConsentDecision declined;
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	ArrayType  *names;
	Datum		allowed = (Datum) 0;

	GetDecision(fcinfo, "record_choice()", &accepted);
	RefusedIdCheckPerson(accepted.userId);
	CheckPurposesGiven(fcinfo, "accepted", purposes);
	names = PG_GETARG_ARRAYTYPE_P(1);
	if (ArrayGetNItems(ARR_NDIM(names), ARR_DIMS(names)) > 0)
		accepted.purposes = PurposeGetMask(names, purposes);
	GetEffectiveAt(fcinfo, 5, &accepted);
	declined = accepted;
	declined.granted = false;
	declined.basis = cstring_to_text("choice");
	declined.purposes = purposes->all & ~accepted.purposes;

	if (declined.purposes != 0)
		LockForWithdrawal(&accepted, "record_choice()");
	else
		DecideFor(&accepted, IdentityLockShared(accepted.userId));
	if (accepted.purposes != 0)
		allowed = Grant(&accepted, purposes);
	if (declined.purposes != 0)
		allowed = ConsentWithdraw(&declined, purposes, "record_choice()");
	return allowed;
}

static DictionaryFile subjectFile = {
	.kind = DICTIONARY_USER,
	.filed = "SELECT s.user_key AS key, s.user_id AS id FROM personalize.subject s",
	.note =
	"INSERT INTO personalize.rejected_event (txid, source, reason, user_key)"
	" SELECT 0, 'dictionary', pg_catalog.format('user \"%s\" has the same key as user \"%s\"', c.id, c.other), c.key"
	" FROM colliding c",
	.file =
	"INSERT INTO personalize.subject AS s"
	" SELECT n.key, n.id, m.granted, m.decided"
	" FROM seen n, LATERAL personalize_internal._ledger_mask(n.key) m ORDER BY n.key"
	" ON CONFLICT (user_key) DO UPDATE SET"
	"  granted = s.granted | (EXCLUDED.granted & ~s.decided),"
	"  decided = s.decided | EXCLUDED.decided"
	" WHERE EXCLUDED.decided & ~s.decided <> 0"
};

/*
 * Fold the logged users whose shard is set into subject.  Two ids with one key
 * are one person to everything here; health() tells.
 */
void
ConsentFoldSubjects(const bool *shards)
{
	char	   *id;
	char	   *other;

	(void) DictionaryFold(&subjectFile, shards, &id, &other);
}
