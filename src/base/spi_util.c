/*
 * spi_util.c
 *		Running SQL from C as the extension's owner.
 *
 * Callers hold EXECUTE on a function, not rights on the tables behind it, so
 * the statements run as personalize_owner, inside a security-restricted
 * context and with pinned settings: nothing a caller set up in its session can
 * redirect them or change what they read and write.  Row security holds for the
 * owner as for anybody: between SpiUtilBegin and SpiUtilEnd the policies let
 * this backend pass.
 */
#include "postgres.h"

#include "base/spi_util.h"

#include "base/pass.h"
#include "base/relation.h"
#include "base/setting.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/guc.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* Become the owner, pin settings and connect to SPI. */
void
SpiUtilBegin(SpiUtilScope *scope)
{
	GetUserIdAndSecContext(&scope->userId, &scope->securityContext);
	SetUserIdAndSecContext(RelationOwner(),
						   scope->securityContext | SECURITY_LOCAL_USERID_CHANGE);
	scope->gucLevel = NewGUCNestLevel();
	SettingPin("search_path", "pg_catalog, pg_temp");
	/* off makes a statement fail that policies apply to */
	if (!row_security)
		SettingPin("row_security", "on");
	SettingPinAll();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PassEnter();
}

/* Disconnect and become the caller again. */
void
SpiUtilEnd(SpiUtilScope *scope)
{
	PassLeave();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(true, scope->gucLevel);
	SetUserIdAndSecContext(scope->userId, scope->securityContext);
}

/* Prepare a statement, until SpiUtilEnd. */
static SPIPlanPtr
PrepareOnce(const char *sql, int nargs, const Oid *types, int options)
{
	SPIPlanPtr	prepared = SPI_prepare_cursor(sql, nargs, (Oid *) types, options);

	if (prepared == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", sql,
			 SPI_result_code_string(SPI_result));
	return prepared;
}

/* Prepare a statement once per backend. */
static void
Prepare(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, int options)
{
	SPIPlanPtr	prepared;

	if (*plan != NULL)
		return;
	prepared = PrepareOnce(sql, nargs, types, options);
	if (SPI_keepplan(prepared) != 0)
		elog(ERROR, "SPI_keepplan failed");
	*plan = prepared;
}

/* Prepare a statement that has one good plan, whatever it is given. */
void
SpiUtilPrepareGeneric(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types)
{
	Prepare(plan, sql, nargs, types, CURSOR_OPT_GENERIC_PLAN);
}

/* Run a plan. */
static uint64
Execute(SPIPlanPtr plan, const char *sql, const Datum *values, const char *nulls, bool readOnly)
{
	int			result = SPI_execute_plan(plan, (Datum *) values, nulls, readOnly, 0);

	if (result < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(result));
	return SPI_processed;
}

/* Run a statement through a plan that is prepared once per backend. */
uint64
SpiUtilRun(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
		   const Datum *values, const char *nulls, bool readOnly)
{
	Prepare(plan, sql, nargs, types, 0);
	return Execute(*plan, sql, values, nulls, readOnly);
}

/* The same by itself, from beginning to end. */
uint64
SpiUtilRunAsOwner(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
				  const Datum *values, const char *nulls, bool readOnly)
{
	SpiUtilScope scope;
	uint64		processed;

	SpiUtilBegin(&scope);
	processed = SpiUtilRun(plan, sql, nargs, types, values, nulls, readOnly);
	SpiUtilEnd(&scope);
	return processed;
}

/* Run a statement that is planned for the tables as they are now. */
uint64
SpiUtilRunOnce(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls, bool readOnly)
{
	return Execute(PrepareOnce(sql, nargs, types, 0), sql, values, nulls, readOnly);
}

/* Run a command that must not fail silently. */
uint64
SpiUtilCommand(const char *command)
{
	int			result = SPI_execute(command, false, 0);

	if (result < 0)
		elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
	return SPI_processed;
}

/* One datum of a result row. */
Datum
SpiUtilValue(uint64 row, int column, bool *isNull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isNull);
}

/* Give the rows of a result to a function's caller. */
void
SpiUtilReturnRows(ReturnSetInfo *output)
{
	int			columns = SPI_tuptable->tupdesc->natts;
	Datum	   *values = palloc_array(Datum, columns);
	bool	   *nulls = palloc_array(bool, columns);

	for (uint64 row = 0; row < SPI_processed; row++)
	{
		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, values, nulls);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
}
