/*
 * policy.c
 *		For which purpose somebody may read.
 *
 * The purpose in force is one purpose, never several: the one the reader's
 * argument names, else the one personalize.purpose names.  Anybody may name
 * any; what counts is whether the current role is a member of the purpose's
 * role when the row is read.  Table purpose_role says which role that is, per
 * database, since roles are of the whole cluster.
 *
 * The answer is remembered per role and request.  Everything it depends on
 * moves a generation on: the settings by their assign hooks, roles and
 * memberships by the system caches' callbacks, the purposes and their roles by
 * relation cache invalidations, which triggers on those tables send.  The
 * tables are read under the newest snapshot, not the transaction's: an answer
 * found under an old one would outlive the invalidation.  So what was taken away
 * elsewhere is gone in the next statement, in the middle of a transaction too.
 */
#include "postgres.h"

#include "people/policy.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/pass.h"
#include "base/relation.h"
#include "catalog/pg_authid.h"
#include "commands/trigger.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "port/pg_bitutils.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"


/* What a denied read is answered with. */
typedef enum OnDenied
{
	ON_DENIED_ERROR,
	ON_DENIED_EMPTY
} OnDenied;

static const struct config_enum_entry onDeniedOptions[] = {
	{"error", ON_DENIED_ERROR, false},
	{"empty", ON_DENIED_EMPTY, false},
	{NULL, 0, false}
};

static char *personalize_purpose = NULL;
static int	personalize_on_denied = ON_DENIED_ERROR;

/* Longest name of a purpose, by a check of table purpose. */
#define PURPOSE_NAME_LENGTH 64

/* An answer that is remembered; denials are not. */
typedef struct Answer
{
	uint64		generation;		/* 0: none */
	Oid			userId;
	int32		bits;
	char		request[PURPOSE_NAME_LENGTH + 1];
} Answer;

static uint64 generation = 1;
static Oid	watchedPurpose = InvalidOid;
static Oid	watchedRole = InvalidOid;

/* The answer to the setting, and the last one to an argument. */
static Answer settingAnswer;
static Answer argumentAnswer;

/* Purposes and the roles that hold them, by bit. */
typedef struct Authorities
{
	PurposeCatalogue *purposes;
	char	   *roles[PURPOSE_MAX];
} Authorities;

/* Grows whenever a purpose in force may have changed. */
uint64
PolicyGeneration(void)
{
	return generation;
}

/* True under personalize.on_denied = empty. */
bool
PolicyIsSilent(void)
{
	return personalize_on_denied == ON_DENIED_EMPTY;
}

/* True if the role is not subject to row security. */
bool
PolicyBypasses(Oid roleId)
{
	return superuser_arg(roleId) || has_bypassrls_privilege(roleId);
}

/* Assign hook of personalize.purpose. */
static void
PurposeAssigned(const char *newValue, void *extra)
{
	generation++;
}

/* Assign hook of personalize.on_denied. */
static void
OnDeniedAssigned(int newValue, void *extra)
{
	generation++;
}

/* System cache callback: a role or a membership changed. */
static void
RolesChanged(Datum argument, int cacheId, uint32 hashValue)
{
	generation++;
}

/* Relation cache callback: the purposes or their roles changed. */
static void
PurposesChanged(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == watchedPurpose || relationId == watchedRole)
		generation++;
}

/* Add what table purpose_role says; a purpose without a row has personalize_<purpose>. */
static void
ReadRoles(Authorities *authorities, Snapshot snapshot)
{
	Relation	table = RelationOpenTable("purpose_role", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		if (authorities->purposes->names[bit])
			authorities->roles[bit] = psprintf("personalize_%s", authorities->purposes->names[bit]);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isNull;
		char	   *purpose = TextDatumGetCString(slot_getattr(slot, 1, &isNull));
		Name		role = DatumGetName(slot_getattr(slot, 2, &isNull));

		for (int bit = 0; bit < PURPOSE_MAX; bit++)
			if (authorities->purposes->names[bit] &&
				strcmp(authorities->purposes->names[bit], purpose) == 0)
				authorities->roles[bit] = pstrdup(NameStr(*role));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
}

/* The purposes and their roles as they are now. */
static Authorities *
ReadAuthorities(void)
{
	Authorities *authorities = palloc0(sizeof(Authorities));
	Snapshot	snapshot;

	watchedPurpose = RelationFind("purpose", false);
	watchedRole = RelationFind("purpose_role", false);
	/* the newest snapshot that a parallel query may take as well */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(watchedRole));
	authorities->purposes = PurposeCatalogueRead(snapshot);
	ReadRoles(authorities, snapshot);
	UnregisterSnapshot(snapshot);
	return authorities;
}

/* True if a role holds the purpose of a bit. */
static bool
HoldsPurpose(const Authorities *authorities, int bit, Oid userId)
{
	Oid			role;

	if (authorities->purposes->names[bit] == NULL)
		return false;
	if (PolicyBypasses(userId))
		return true;
	role = get_role_oid(authorities->roles[bit], true);
	return OidIsValid(role) && is_member_of_role_nosuper(userId, role);
}

/* The purposes that a role holds. */
static int32
HeldPurposes(const Authorities *authorities, Oid userId)
{
	int32		held = 0;

	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		if (HoldsPurpose(authorities, bit, userId))
			held |= 1 << bit;
	return held;
}

/* One sentence: what a role holds. */
static char *
DescribeHeld(const Authorities *authorities, Oid userId)
{
	int32		held = HeldPurposes(authorities, userId);
	char	   *name = GetUserNameFromId(userId, true);

	if (held == 0)
		return psprintf("Role \"%s\" holds no purpose.", name);
	return psprintf("Role \"%s\" holds: %s.", name, PurposeFormatMask(held, authorities->purposes));
}

/* No purpose was requested. */
static void
DenyWithoutRequest(const Authorities *authorities, Oid userId)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("no purpose is in force"),
			 errdetail("%s", DescribeHeld(authorities, userId)),
			 HeldPurposes(authorities, userId) == 0
			 ? errhint("Let it hold one, like GRANT personalize_personalization TO %s, and name that: SET personalize.purpose = 'personalization', "
					   "or the argument purpose of a reader.", quote_identifier(GetUserNameFromId(userId, false)))
			 : errhint("Name one: SET LOCAL personalize.purpose = '...' in the transaction, "
					 "ALTER ROLE ... SET personalize.purpose = '...' for good, or the argument purpose of a reader.")));
}

/* The requested purpose does not exist. */
static void
DenyUnknown(const Authorities *authorities, Oid userId, const char *request)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("purpose \"%s\" does not exist", request),
			 errdetail("%s", DescribeHeld(authorities, userId)),
			 errhint("%s", PurposeHint(request, PurposeCatalogueNow()))));
}

/* The role does not hold the requested purpose. */
static void
DenyNotHeld(const Authorities *authorities, Oid userId, int bit)
{
	const char *purpose = authorities->purposes->names[bit];
	const char *role = authorities->roles[bit];
	const char *user = GetUserNameFromId(userId, false);

	if (!OidIsValid(get_role_oid(role, true)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\", which holds purpose \"%s\", does not exist", role, purpose),
				 errdetail("%s", DescribeHeld(authorities, userId)),
				 strlen(role) >= NAMEDATALEN
				 ? errhint("A role's name has at most %d bytes: name another role in personalize.purpose_role.",
						   NAMEDATALEN - 1)
				 : errhint("Run CREATE ROLE %s NOLOGIN and grant it, or name another role in personalize.purpose_role.",
						   quote_identifier(role))));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" does not hold purpose \"%s\"", user, purpose),
			 errdetail("%s", DescribeHeld(authorities, userId)),
			 errhint("Request a purpose that it holds, or run GRANT %s TO %s.",
					 quote_identifier(role), quote_identifier(user))));
}

/* The bit of a request of a role that is subject to row security; 0: denied. */
static int32
Decide(const char *request, Oid userId)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize policy",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext oldContext = MemoryContextSwitchTo(context);
	Authorities *authorities = ReadAuthorities();
	int32		mask = PurposeBit(authorities->purposes, request, strlen(request));
	int			bit = mask == 0 ? -1 : pg_rightmost_one_pos32((uint32) mask);
	bool		held = bit >= 0 && HoldsPurpose(authorities, bit, userId);

	if (!held && personalize_on_denied == ON_DENIED_ERROR)
	{
		if (request[0] == '\0')
			DenyWithoutRequest(authorities, userId);
		if (bit < 0)
			DenyUnknown(authorities, userId, request);
		DenyNotHeld(authorities, userId, bit);
	}
	MemoryContextSwitchTo(oldContext);
	MemoryContextDelete(context);
	return held ? mask : 0;
}

/* The bits of a request, remembered. */
static int32
Resolve(const char *request, Answer *answer)
{
	Oid			userId = GetUserId();
	uint64		asked = generation;
	int32		bits;

	if (answer->generation == generation && answer->userId == userId &&
		strcmp(answer->request, request) == 0)
		return answer->bits;
	if (request[0] == '\0' && PolicyBypasses(userId))
		bits = POLICY_EVERYTHING;
	else
		bits = Decide(request, userId);
	/* what is looked up may have moved the generation on: then ask again next time */
	if (bits != 0 && strlen(request) <= PURPOSE_NAME_LENGTH)
	{
		answer->generation = asked;
		answer->userId = userId;
		answer->bits = bits;
		strcpy(answer->request, request);
	}
	return bits;
}

/* The bits of the purpose in force. */
int32
PolicyBits(text *argument)
{
	char		request[PURPOSE_NAME_LENGTH + 1];
	Size		length;

	if (argument == NULL && PassIsUp())
		return POLICY_EVERYTHING;
	/* a transaction that holds its locks already would hear of no change */
	AcceptInvalidationMessages();
	if (argument == NULL)
		return Resolve(personalize_purpose ? personalize_purpose : "", &settingAnswer);
	length = VARSIZE_ANY_EXHDR(argument);
	if (length == 0 || length > PURPOSE_NAME_LENGTH || PassIsUp())
	{
		char	   *name = text_to_cstring(argument);
		int32		bits;

		/* an empty argument names no purpose, it does not leave the choice open */
		bits = Decide(name, PassIsUp() ? BOOTSTRAP_SUPERUSERID : GetUserId());
		pfree(name);
		return bits;
	}
	memcpy(request, VARDATA_ANY(argument), length);
	request[length] = '\0';
	return Resolve(request, &argumentAnswer);
}

/* The bit of the purpose in force; who may read everything reads profiles. */
int32
PolicyPurpose(text *argument)
{
	int32		bits = PolicyBits(argument);

	return bits == POLICY_EVERYTHING ? PURPOSE_PERSONALIZATION : bits;
}

/* Define the settings and watch what answers depend on. */
void
PolicyInit(void)
{
	DefineCustomStringVariable("personalize.purpose",
							   "The purpose for which this session reads people's data.",
							   "A request: the current role must be a member of the purpose's role.",
							   &personalize_purpose, "", PGC_USERSET, 0,
							   NULL, PurposeAssigned, NULL);
	DefineCustomEnumVariable("personalize.on_denied",
							 "What a read for no purpose, or one that the role does not hold, is answered with.",
							 NULL, &personalize_on_denied, ON_DENIED_ERROR, onDeniedOptions,
							 PGC_SUSET, 0, NULL, OnDeniedAssigned, NULL);
	CacheRegisterSyscacheCallback(AUTHOID, RolesChanged, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, RolesChanged, (Datum) 0);
	RelationWatch(PurposesChanged);
}
