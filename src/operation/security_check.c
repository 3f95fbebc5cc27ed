/*
 * security_check.c
 *		What security_check() needs to know and SQL may not see.
 *
 * Whether a role has a password stands in pg_authid, which only superusers
 * read.  The answer is a boolean and goes to the owner and to administrators.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(personalize_role_has_password);

/* _role_has_password(role) */
Datum
personalize_role_has_password(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(PG_GETARG_OID(0)));
	bool		isNull;

	if (!HeapTupleIsValid(tuple))
		PG_RETURN_NULL();
	(void) SysCacheGetAttr(AUTHOID, tuple, Anum_pg_authid_rolpassword, &isNull);
	ReleaseSysCache(tuple);
	PG_RETURN_BOOL(!isNull);
}
