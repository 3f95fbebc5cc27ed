/*
 * spi_util.h
 *		Running SQL from C as the extension's owner.
 */
#ifndef PERSONALIZE_SPI_UTIL_H
#define PERSONALIZE_SPI_UTIL_H

#include "postgres.h"

#include "executor/spi.h"

/* Who ran before, to be given back. */
typedef struct SpiUtilScope
{
	Oid			userId;
	int			securityContext;
	int			gucLevel;
} SpiUtilScope;

/*
 * Connect to SPI as the extension's owner with search_path pinned to
 * pg_catalog; SpiUtilEnd gives everything back.  An error in between is
 * undone by the (sub)transaction's abort.  In between row security lets us pass,
 * so no code of a user's may run there.
 */
extern void SpiUtilBegin(SpiUtilScope *scope);
extern void SpiUtilEnd(SpiUtilScope *scope);

/*
 * Run a statement through a plan kept in *plan for the life of the backend.
 * nulls is as in SPI_execute_plan (NULL: no nulls).  Returns SPI_processed;
 * rows are in SPI_tuptable.  The snapshot is the active one if readOnly.  Such a
 * plan is never parallel, as one of SPI_execute may be: parallel workers do not
 * have our pass through row security.
 */
extern uint64 SpiUtilRun(SPIPlanPtr *plan, const char *sql, int nargs,
						 const Oid *types, const Datum *values,
						 const char *nulls, bool readOnly);

/* The same between SpiUtilBegin and SpiUtilEnd of its own: for a statement whose rows are not read. */
extern uint64 SpiUtilRunAsOwner(SPIPlanPtr *plan, const char *sql, int nargs,
								const Oid *types, const Datum *values,
								const char *nulls, bool readOnly);

/*
 * SpiUtilRun through a plan that is made for this call: for rare statements about tables that
 * may have grown much since the last one.
 */
extern uint64 SpiUtilRunOnce(const char *sql, int nargs, const Oid *types, const Datum *values,
							 const char *nulls, bool readOnly);

/*
 * Before SpiUtilRun, for a statement that has one good plan whatever its values are: it is
 * not planned anew for each of them.
 */
extern void SpiUtilPrepareGeneric(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types);

/* Run a command that must not fail silently; returns SPI_processed. */
extern uint64 SpiUtilCommand(const char *command);

/* One datum of a result row. */
extern Datum SpiUtilValue(uint64 row, int column, bool *isNull);

/* Give all rows of a result to the caller of a function that returns a set. */
extern void SpiUtilReturnRows(ReturnSetInfo *output);

#endif
