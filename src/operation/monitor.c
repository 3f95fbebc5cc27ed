/*
 * monitor.c
 *		What those are told who watch the server and may know no person, and
 *		that there are no workers without preload.
 *
 * The functions behind health() and stat_* run as the owner of the tables, so
 * who asks is the role of the session (SET ROLE heeded), not the current one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "workers/worker_slot.h"

PG_FUNCTION_INFO_V1(personalize_for_admins);
PG_FUNCTION_INFO_V1(personalize_tell_preload);

/* The transaction that is to tell, none if it is invalid. */
static TransactionId telling = InvalidTransactionId;

/* _for_admins(what): the text, or for whom it is. */
Datum
personalize_for_admins(PG_FUNCTION_ARGS)
{
	Oid			admin = get_role_oid("personalize_admin", true);

	if (superuser_arg(GetOuterUserId()) ||
		(OidIsValid(admin) && has_privs_of_role(GetOuterUserId(), admin)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(cstring_to_text("(members of personalize_admin may read it)"));
}

/* Say that there are no workers, and what makes some. */
static void
TellPreload(XactEvent event, void *arg)
{
	const char *others = GetConfigOption("shared_preload_libraries", true, false);

	if (!TransactionIdIsValid(telling))
		return;
	if (event == XACT_EVENT_PRE_COMMIT && telling == GetTopTransactionIdIfAny())
		ereport(NOTICE,
				(errmsg("the library is not preloaded: there are no background workers"),
				 errdetail("Without them events are counted by SELECT * FROM personalize.rollup_now(), which must be called regularly."),
				 errhint("Put this line into postgresql.conf and restart the server: shared_preload_libraries = '%s%spersonalize'",
						 others ? others : "", others && others[0] ? ", " : "")));
	telling = InvalidTransactionId;
}

/*
 * _tell_preload(): an installing script's own notices are not shown, so it is
 * said when the transaction commits.
 */
Datum
personalize_tell_preload(PG_FUNCTION_ARGS)
{
	static bool registered = false;

	if (!WorkerSlotAvailable() && !IsBinaryUpgrade)
	{
		if (!registered)
			RegisterXactCallback(TellPreload, NULL);
		registered = true;
		telling = GetTopTransactionId();
	}
	PG_RETURN_VOID();
}
