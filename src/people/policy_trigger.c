/*
 * policy_trigger.c
 *		Keeping triggers and foreign keys of others off the extension's tables.
 *
 * A trigger runs as whoever changes the row: with our own statements as
 * personalize_owner, to whom the tables belong.  So the privilege TRIGGER would be
 * worth all others.  A foreign key is checked without row security, and whoever
 * may refer to a table of people learns who is known.  Both privileges come along
 * with GRANT ALL, which is why an event trigger refuses their use to everybody
 * who has not the owner's rights anyway.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/pass.h"
#include "base/relation.h"
#include "commands/event_trigger.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(personalize_refuse_triggers);

/* A text column of a row that SPI found. */
static char *
TextColumn(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/* True if this transaction made the row: xmin is the third column. */
static bool
IsNew(uint64 row)
{
	bool		isNull;
	Datum		xmin = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3, &isNull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/* Event trigger _refuse_triggers(): nobody but the owner puts triggers on our tables. */
Datum
personalize_refuse_triggers(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_refuse_triggers must be called by an event trigger")));
	if (superuser() || PassIsUp())
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), t.tgisinternal, t.xmin"
					" FROM pg_catalog.pg_trigger AS t"
					" JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid"
					" JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
					" WHERE n.nspname OPERATOR(pg_catalog.=) 'personalize'"
					" AND (NOT t.tgisinternal OR c.relrowsecurity)"
					" AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "pg_trigger cannot be read");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isForeignKey = *TextColumn(row, 2) == 't';

		if (!IsNew(row))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 isForeignKey ?
				 errmsg("foreign keys must not refer to table \"%s\"", TextColumn(row, 1)) :
				 errmsg("triggers must not be put on \"%s\"", TextColumn(row, 1)),
				 isForeignKey ?
				 errdetail("Whoever can refer to it learns who is known.") :
				 errdetail("They would run with the rights of \"%s\".", PERSONALIZE_OWNER),
				 isForeignKey ? errhint("Refer to a table of your own.") :
				 errhint("A superuser can; security_check() names such triggers.")));
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_NULL();
}
