/*
 * feature_spine.c
 *		Reading a spine: whose features are asked for, and as of when.
 *
 * A spine is a table or the text of a query of the caller, with columns user_id and
 * event_timestamp, and perhaps item_id and request; others do not matter.  It runs as the caller,
 * in a transaction that is read only for as long, and as a subquery of ours, so that
 * it is one SELECT and nothing else.
 */
#include "postgres.h"

#include "features/feature_history.h"

#include "base/key.h"
#include "base/setting.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "people/identity.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

/* Rows fetched at once. */
#define FETCH_ROWS 1000

/* Of a person in the set of people. */
#define BYTES_PER_PERSON 48

/* Columns of the sort. */
typedef enum SpineColumn
{
	SPINE_USER_KEY,
	SPINE_AS_OF,
	SPINE_PLACE,
	SPINE_USER_ID,
	SPINE_ITEM_ID,
	SPINE_REQUEST
} SpineColumn;
#define SPINE_COLUMNS 6

/* Say what is being read when it fails. */
static void
AddContext(void *arg)
{
	errcontext("reading the spine, which has columns user_id and event_timestamp");
}

/* True if the source begins like a query. */
static bool
IsQuery(const char *source)
{
	static const char *const words[] = {"select", "with", "values", "table"};

	while (isspace((unsigned char) *source))
		source++;
	if (*source == '(' || strncmp(source, "--", 2) == 0 || strncmp(source, "/*", 2) == 0)
		return true;
	for (int i = 0; i < lengthof(words); i++)
	{
		size_t		length = strlen(words[i]);

		if (pg_strncasecmp(source, words[i], length) == 0 && !isalnum((unsigned char) source[length]) && source[length] != '_' &&
			source[length] != '\0')
			return true;
	}
	return false;
}

/* Complain of a source that is neither a query nor a name. */
pg_noreturn static void
ReportSource(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the spine is not one SELECT"),
			 errhint("Give the name of a table, or a query like SELECT user_id, event_timestamp FROM label.")));
}

/* The query of all of a table, of which regclass may know a number alone. */
static char *
QueryOfTable(const char *source)
{
	Oid			relation = DatumGetObjectId(DirectFunctionCall1(regclassin, CStringGetDatum(source)));
	char	   *name = OidIsValid(relation) ? get_rel_name(relation) : NULL;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the spine \"%s\" is no table", source),
				 errhint("Give the name of a table, or a query like SELECT user_id, event_timestamp FROM label.")));
	return psprintf("SELECT * FROM %s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name));
}

/* The query of a source, without a semicolon at its end. */
static char *
QueryOf(const char *source)
{
	List	   *statements;
	RawStmt    *statement;

	if (!IsQuery(source))
	{
		if (source[strspn(source, " \t\r\n")] == '\0' || (strpbrk(source, " \t\r\n;") != NULL && strchr(source, '"') == NULL))
			ReportSource();
		return QueryOfTable(source);
	}
	statements = raw_parser(source, RAW_PARSE_DEFAULT);
	if (list_length(statements) != 1 || !IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt))
		ReportSource();
	statement = linitial_node(RawStmt, statements);
	if (statement->stmt_len > 0)
		return pnstrdup(source + statement->stmt_location, statement->stmt_len);
	return pstrdup(source + statement->stmt_location);
}

/* Complain of a row. */
pg_noreturn static void
ReportRow(int64 place, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("row " INT64_FORMAT " of the spine has %s", place, problem)));
}

/* Remember a person, unless there are too many. */
static void
AddPerson(Spine *spine, int64 userKey)
{
	if (!spine->allKnown)
		return;
	(void) KeySetAdd(&spine->people, userKey);
	if ((int64) spine->people.count * BYTES_PER_PERSON <= work_mem * INT64CONST(1024))
		return;
	keyset_destroy(spine->people.table);
	spine->people = (KeySet) {0};
	spine->allKnown = false;
}

/* Add a row that was fetched. */
static void
AddRow(Spine *spine, HeapTuple tuple, TupleDesc desc)
{
	bool		noId;
	bool		noTime;
	Datum		userId = SPI_getbinval(tuple, desc, 1, &noId);
	Datum		time = SPI_getbinval(tuple, desc, 2, &noTime);
	Datum		values[SPINE_COLUMNS];
	bool		nulls[SPINE_COLUMNS] = {false};
	int64		key;

	spine->count++;
	if (noId)
		ReportRow(spine->count, "no user_id");
	if (noTime || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(time)))
		ReportRow(spine->count, noTime ? "no event_timestamp" : "an infinite event_timestamp");
	if (spine->ofPeople && KeySurelyId(userId, false) == NULL)
		(void) KeyCheckId(userId, false, psprintf("user_id of row " INT64_FORMAT " of the spine", spine->count));
	key = KeyFromText(DatumGetTextPP(userId));
	values[SPINE_USER_KEY] = Int64GetDatum(spine->ofPeople ? IdentityKeyOf(key) : key);
	values[SPINE_AS_OF] = time;
	values[SPINE_PLACE] = Int64GetDatum(spine->count);
	values[SPINE_USER_ID] = userId;
	values[SPINE_ITEM_ID] = SPI_getbinval(tuple, desc, 3, &nulls[SPINE_ITEM_ID]);
	values[SPINE_REQUEST] = SPI_getbinval(tuple, desc, 4, &nulls[SPINE_REQUEST]);
	if (!nulls[SPINE_REQUEST] && !JB_ROOT_IS_OBJECT(DatumGetJsonbP(values[SPINE_REQUEST])))
		ReportRow(spine->count, "a request that is no JSON object");
	KeySortPut(&spine->sort, values, nulls);
	AddPerson(spine, DatumGetInt64(values[SPINE_USER_KEY]));
	spine->last = Max(spine->last, DatumGetTimestampTz(time));
}

/* A column of a query as a type, or null where it has none of the name. */
static char *
OptionalColumn(TupleDesc desc, const char *name, const char *type)
{
	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return psprintf("spine.%s::pg_catalog.%s", name, type);
	return psprintf("NULL::pg_catalog.%s", type);
}

/* What is fetched of a source's query; SPI is connected. */
static char *
FetchQuery(const char *query)
{
	SPIPlanPtr	plan = SPI_prepare(psprintf("SELECT * FROM (\n%s\n) AS spine", query), 0, NULL);
	TupleDesc	desc;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	desc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
	return psprintf("SELECT spine.user_id::pg_catalog.text, spine.event_timestamp::pg_catalog.timestamptz, %s, %s FROM (\n%s\n) AS spine",
					OptionalColumn(desc, "item_id", "text"), OptionalColumn(desc, "request", "jsonb"), query);
}

/* Run the query as the caller and add its rows; what is ours stays in the caller's context. */
static void
FetchRows(Spine *spine, const char *query)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext row = AllocSetContextCreate(caller, "personalize spine row", ALLOCSET_DEFAULT_SIZES);
	Portal		portal;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	portal = SPI_cursor_open_with_args(NULL, FetchQuery(query), 0, NULL, NULL, NULL, true, CURSOR_OPT_PARALLEL_OK);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			MemoryContext spi = MemoryContextSwitchTo(row);

			AddRow(spine, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			MemoryContextSwitchTo(spi);
			MemoryContextReset(row);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	MemoryContextDelete(row);
}

/* Read a spine. */
void
SpineRead(Spine *spine, const char *source, bool ofPeople)
{
	static const Oid types[SPINE_COLUMNS] = {INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, JSONBOID};
	ErrorContextCallback context = {.callback = AddContext,.previous = error_context_stack};
	char	   *query;
	bool		before;

	memset(spine, 0, sizeof(Spine));
	spine->ofPeople = ofPeople;
	spine->allKnown = true;
	spine->last = DT_NOBEGIN;
	KeySetInit(&spine->people, 64);
	KeySortBegin(&spine->sort, types, SPINE_COLUMNS, 3, work_mem);
	error_context_stack = &context;
	query = QueryOf(source);
	before = SettingBeginReadOnly();
	FetchRows(spine, query);
	SettingEndReadOnly(before);
	error_context_stack = context.previous;
	KeySortPerform(&spine->sort);
}

/* The next row. */
bool
SpineNext(Spine *spine, SpineRow *row)
{
	const Datum *values = KeySortNext(&spine->sort);

	if (values == NULL)
		return false;
	row->userKey = DatumGetInt64(values[SPINE_USER_KEY]);
	row->asOf = DatumGetInt64(values[SPINE_AS_OF]);
	row->place = DatumGetInt64(values[SPINE_PLACE]);
	row->userId = (text *) DatumGetPointer(values[SPINE_USER_ID]);
	row->itemId = spine->sort.out->tts_isnull[SPINE_ITEM_ID] ? NULL : (text *) DatumGetPointer(values[SPINE_ITEM_ID]);
	row->request = spine->sort.out->tts_isnull[SPINE_REQUEST] ? NULL : DatumGetJsonbP(values[SPINE_REQUEST]);
	return true;
}

/* End it. */
void
SpineEnd(Spine *spine)
{
	KeySortEnd(&spine->sort);
}
