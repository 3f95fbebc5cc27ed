/*
 * state_hash.c
 *		What a table holds, whatever way it came there.
 *
 * Erasure promises that what remains is what would be there if the person had
 * never been.  Bytes cannot show that: pages, transaction ids, the layout of a
 * packed profile and the numbers given in order of arrival tell of the way the
 * data came.  Each table therefore has a canonical form, a set of JSON texts
 * made by one query, and its hash is that of these texts in the order of their
 * bytes.  In the form
 *
 *	- what is packed is unpacked, the panes of a profile folded as an event at
 *	  as_of would fold them, a posting's entries stand by time and session;
 *	- there are no transaction ids, and no numbers given in order of arrival
 *	  (kinds of event go by their name, rejected events without their place in
 *	  the call);
 *	- there are no readings of the server's clock and no random numbers: of the
 *	  arrival there is only the day, of decisions of a person only their order,
 *	  and not the hashes that chain them, which verify_ledger() checks;
 *	- an item that is only known by its id is the same in the catalogue and in
 *	  the log on its way there.
 *
 * Tables that hold nothing but such things, statistics about the work, or what
 * is left of the erased on purpose, are exempt.  Each table registers its form, or
 * why it has none (people/person_store.h).
 */
#include "postgres.h"

#include "base/spi_util.h"
#include "catalog/pg_type_d.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "people/person_store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_state_tables);
PG_FUNCTION_INFO_V1(personalize_canonical_rows);
PG_FUNCTION_INFO_V1(personalize_state_hash);

/* So many rows are fetched at a time. */
#define FETCH_ROWS 1000

/* The tables with or without a form, for a hint. */
static char *
ListTables(bool exempt)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < count; i++)
		if ((stores[i].exempt != NULL) == exempt)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", stores[i].name);
	return list.data;
}

/* The table an argument names. */
static const PersonStore *
GetTable(FunctionCallInfo fcinfo)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	char	   *name;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table_name must not be null"),
				 errhint("Tables with a state are %s.", ListTables(false))));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < count; i++)
	{
		const PersonStore *table = &stores[i];

		if (strcmp(table->name, name) != 0)
			continue;
		if (table->exempt != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("table \"%s\" is exempt from state_hash()", name),
					 errdetail("It holds %s.", table->exempt),
					 errhint("Tables with a state are %s.", ListTables(false))));
		return table;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table \"%s\" has no state that could be hashed", name),
			 errhint("Tables with a state are %s; exempt are %s.", ListTables(false), ListTables(true))));
}

/* What each row of a form is given to. */
typedef void (*RowSink) (void *arg, text *row);

/* Run a table's query and hand out its rows in the order of their bytes. */
static void
ReadForm(FunctionCallInfo fcinfo, RowSink sink, void *arg)
{
	const PersonStore *table = GetTable(fcinfo);
	Datum		asOf = TimestampTzGetDatum(PG_ARGISNULL(1) ? GetCurrentStatementStartTimestamp() :
										   PG_GETARG_TIMESTAMPTZ(1));
	Oid			type = TIMESTAMPTZOID;
	SpiUtilScope scope;
	Portal		portal;

	SpiUtilBegin(&scope);
	portal = SPI_cursor_open_with_args(NULL,
									   psprintf("SELECT f.form::text FROM (%s) AS f (form)"
												" WHERE $1 IS NOT NULL ORDER BY f.form::text COLLATE \"C\"",
												table->form),
									   1, &type, &asOf, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		isNull;

			sink(arg, DatumGetTextPP(SpiUtilValue(row, 1, &isNull)));
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	SpiUtilEnd(&scope);
}

/* RowSink: a row of the result. */
static void
PutRow(void *arg, text *row)
{
	ReturnSetInfo *output = arg;
	Datum		value = PointerGetDatum(row);
	bool		isNull = false;

	tuplestore_putvalues(output->setResult, output->setDesc, &value, &isNull);
}

/* _canonical_rows(table_name, as_of) */
Datum
personalize_canonical_rows(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ReadForm(fcinfo, PutRow, fcinfo->resultinfo);
	return (Datum) 0;
}

/* Add bytes to a digest. */
static void
Update(pg_cryptohash_ctx *digest, const void *data, size_t length)
{
	if (pg_cryptohash_update(digest, data, length) < 0)
		elog(ERROR, "SHA-256 failed");
}

/* RowSink: a row and its end, which no JSON text contains. */
static void
HashRow(void *arg, text *row)
{
	Update(arg, VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row));
	Update(arg, "\n", 1);
}

/* state_hash(table_name, as_of) */
Datum
personalize_state_hash(PG_FUNCTION_ARGS)
{
	bytea	   *result = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *digest = pg_cryptohash_create(PG_SHA256);

	if (digest == NULL || pg_cryptohash_init(digest) < 0)
		elog(ERROR, "SHA-256 failed");
	ReadForm(fcinfo, HashRow, digest);
	SET_VARSIZE(result, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (pg_cryptohash_final(digest, (uint8 *) VARDATA(result), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "SHA-256 failed");
	pg_cryptohash_free(digest);
	PG_RETURN_BYTEA_P(result);
}

/* _state_tables() */
Datum
personalize_state_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count;
	const PersonStore *stores = PersonStores(&count);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		const PersonStore *table = &stores[i];
		Datum		values[2] = {CStringGetTextDatum(table->name)};
		bool		nulls[2] = {false, table->exempt == NULL};

		if (table->exempt != NULL)
			values[1] = CStringGetTextDatum(table->exempt);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}
