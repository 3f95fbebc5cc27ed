/*
 * segment_store.c
 *		What must be done for segments, whose members and changes are of one person each.
 */
#include "postgres.h"

#include "profiles/profile_store.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "people/person_expiry.h"
#include "people/person_removal.h"
#include "profiles/segment.h"
#include "utils/timestamp.h"

/* Everything goes. */
static void
PurgeMembers(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.segment_member WHERE user_key = ANY ($1) RETURNING user_key");
}

static void
PurgeChanges(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.segment_change WHERE user_key = ANY ($1) RETURNING user_key");
}

/* Run a statement about a person's rows of segments that need one of the purposes. */
static void
DeleteOf(SPIPlanPtr *plan, const char *sql, int64 userKey, int32 purposes)
{
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(userKey), Int32GetDatum(purposes)};

	SpiUtilRunAsOwner(plan, sql, lengthof(types), types, values, NULL, false);
}

/* A withdrawal takes along what needed the purposes. */
static void
PurgeMember(int64 userKey, int32 purposes)
{
	static SPIPlanPtr plan;

	DeleteOf(&plan, "DELETE FROM personalize.segment_member"
			 " WHERE user_key = $1 AND purposes & $2 <> 0", userKey, purposes);
}

static void
PurgeChange(int64 userKey, int32 purposes)
{
	static SPIPlanPtr plan;

	DeleteOf(&plan, "DELETE FROM personalize.segment_change"
			 " WHERE user_key = $1 AND purposes & $2 <> 0", userKey, purposes);
}

/* What a correction of events leaves of nothing is looked at again. */
static void
TakeMemberOut(int64 userKey, int32 restricted)
{
	SegmentOutdatePerson(userKey);
}

/* Run a statement about both ids of a move. */
static void
RunMove(SPIPlanPtr *plan, const char *sql, const PersonMove *move)
{
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(move->from), Int64GetDatum(move->to)};

	SpiUtilRunAsOwner(plan, sql, lengthof(types), types, values, NULL, false);
}

/* An id that becomes a person's is in no segment any more; who loses events is looked at again. */
static void
LeaveSegments(const PersonMove *move)
{
	static SPIPlanPtr plan;

	if (move->back)
		SegmentOutdatePerson(move->from);
	else
		RunMove(&plan, "DELETE FROM personalize.segment_member WHERE user_key = $1 AND user_key <> $2", move);
}

/* What was told of an id stays told of the person. */
static void
RekeyChanges(PersonMove *move)
{
	static SPIPlanPtr plan;

	if (!move->back)
		RunMove(&plan, "UPDATE personalize.segment_change SET user_key = $2 WHERE user_key = $1", move);
}

/* Changes of people who have not been seen for as long as they are kept. */
static void
ExpireChanges(PersonExpiry *expiry)
{
	PersonExpiryDelete(expiry, "segment_change", "t.changed_at < $1");
	PersonExpiryReport(expiry, "segment_change", expiry->removed);
}

static const PersonTaker memberTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeMembers};
static const PersonTaker changeTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeChanges};
static const PersonWithdrawal memberWithdrawal = {
	.uncount = PERSON_NONE,.clear = PERSON_NONE,.purge = PurgeMember,.recount = PERSON_NONE
};
static const PersonWithdrawal changeWithdrawal = {
	.uncount = PERSON_NONE,.clear = PERSON_NONE,.purge = PurgeChange,.recount = PERSON_NONE
};
static const PersonRemaking memberRemaking = {.takeOut = TakeMemberOut,.remake = PERSON_NONE};
static const PersonMoving memberMoving = {
	.missing = PERSON_NONE,.leave = LeaveSegments,.rekey = PERSON_NONE,.settle = PERSON_NONE
};
static const PersonMoving changeMoving = {
	.missing = PERSON_NONE,.leave = PERSON_NONE,.rekey = RekeyChanges,.settle = PERSON_NONE
};
static const PersonExpiryStep changeExpiry[] = {{"segment_change", 35, false, ExpireChanges}, {NULL}};

#define MEMBER_PEOPLE \
	"SELECT m.user_key, m.purposes FROM personalize.segment_member AS m"
#define CHANGE_PEOPLE \
	"SELECT c.user_key, c.purposes FROM personalize.segment_change AS c"

static const PersonExport memberCopy = {
	.as = "segments",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('segment', s.name, 'condition', s.condition, 'since', m.since)"
	" ORDER BY s.name), '[]')"
	" FROM personalize.segment_member m JOIN personalize.segment s USING (segment) WHERE m.user_key = $1 AND m.member",
	.meaning = "the segments you were in when the processor last looked, and what makes one a member"
};

static const PersonExport changeCopy = {
	.as = "segment_changes",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('segment', s.name, 'entered', c.entered, 'changed_at', c.changed_at)"
	" ORDER BY c.changed_at, s.name), '[]')"
	" FROM personalize.segment_change c JOIN personalize.segment s USING (segment) WHERE c.user_key = $1",
	.meaning = "when you entered and left segments"
};

static const PersonStore stores[] = {
	{
		.name = "segment_member",
		.form =
		"SELECT jsonb_build_object('user', m.user_key, 'segment', s.name)"
		" FROM personalize.segment_member m JOIN personalize.segment s USING (segment) WHERE m.member",
		.mask = "purposes, user_key",
		.unanalyzed = "user_key",
		.people = MEMBER_PEOPLE,
		.copy = &memberCopy,
		.rank = 64,
		.receipt = "segment_members",
		.forget = &memberTaker,
		.withdraw = &memberWithdrawal,
		.correction = &memberRemaking,
		.moving = &memberMoving,
		.none = PERSON_NO_KEEPS | PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_NAMES |
		PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "segment_change",
		.exempt = "tells when the processor noticed",
		.mask = "purposes, user_key",
		.unanalyzed = "user_key",
		.people = CHANGE_PEOPLE,
		.copy = &changeCopy,
		.rank = 66,
		.receipt = "segment_changes",
		.forget = &changeTaker,
		.withdraw = &changeWithdrawal,
		.expiry = changeExpiry,
		.moving = &changeMoving,
		.none = PERSON_NO_KEEPS | PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	},
	{
		.name = "segment",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("segment")
	}
};

/* Register them. */
void
SegmentStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
