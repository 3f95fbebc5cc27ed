/*
 * erasure_reapply.c
 *		Erasures that a restored backup does not know of.
 *
 * A backup from before an erasure brings the person back.  Tombstones that were
 * kept outside the database tell whom: they hold pseudonyms, so the people who
 * are present are found by making the pseudonym of each of their keys.  Whoever
 * was forgotten later than this database knows is forgotten again; who is not
 * present gets the tombstone.  A pseudonym leads nowhere under another secret, so
 * an export carries a digest of the secret it was made under.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/grow.h"
#include "base/purge_lock.h"
#include "base/secret.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "erasure/erasure.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "people/person_store.h"
#include "people/tombstone.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_export_tombstones);
PG_FUNCTION_INFO_V1(personalize_reapply_erasures);

/* So many people are read at a time. */
#define FETCH_ROWS 10000

/* A person who was forgotten, as far as this database does not know it. */
typedef struct Forgotten
{
	int64		pseudonym;		/* hash key, first */
	TimestampTz forgottenAt;
	bool		present;
} Forgotten;

/* What is to be done. */
typedef struct Reapplication
{
	MemoryContext context;
	HTAB	   *forgotten;
	ErasurePerson *people;		/* who are present */
	int			count;
	int			capacity;
} Reapplication;

/* A digest by which exports under another secret are told. */
static char *
SecretMark(void)
{
	uint8		digest[SECRET_DIGEST_LENGTH];
	char	   *mark = palloc(2 * SECRET_DIGEST_LENGTH + 1);

	SecretDigest("tombstones", "", 0, digest);
	for (int i = 0; i < SECRET_DIGEST_LENGTH; i++)
		sprintf(mark + 2 * i, "%02x", digest[i]);
	return mark;
}

/* export_tombstones(): all tombstones as one JSON document. */
Datum
personalize_export_tombstones(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(SecretMark())};
	MemoryContext context = CurrentMemoryContext;
	SpiUtilScope scope;
	Datum		document;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT jsonb_build_object('secret', $1, 'exported_at', now(), 'tombstones', coalesce("
			   " jsonb_agg(jsonb_build_object('pseudonym', t.pseudonym, 'forgotten_at', t.forgotten_at)"
			   "  ORDER BY t.pseudonym), '[]')) FROM personalize._tombstone t",
			   1, types, values, NULL, true);
	MemoryContextSwitchTo(context);
	document = datumCopy(SpiUtilValue(0, 1, &isNull), false, -1);
	SpiUtilEnd(&scope);
	return document;
}

/* Complain about a document that export_tombstones() has not made. */
static void
RefuseDocument(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("tombstones are not what export_tombstones() returned"),
			 errdetail_internal("%s", detail),
			 errhint("Give the whole document, unchanged: psql -XAtc \"SELECT personalize.export_tombstones()\".")));
}

/*
 * Refuse a tombstone that none of ours can be.  One of the future would keep a
 * person from ever coming back; a day is for clocks that differ.
 */
static void
CheckTombstones(Datum document)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {JSONBOID};
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT left(t::text, 200) FROM jsonb_array_elements($1 -> 'tombstones') AS t"
			   " WHERE CASE WHEN t ->> 'pseudonym' !~ '^-?[0-9]{1,19}$'"
			   "   OR t ->> 'forgotten_at' !~ '^[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$' THEN true"
			   "  ELSE (t ->> 'pseudonym')::numeric NOT BETWEEN -9223372036854775808 AND 9223372036854775807"
			   "   OR (t ->> 'forgotten_at')::timestamptz > now() + interval '1 day' END LIMIT 1",
			   lengthof(types), types, &document, NULL, true);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tombstone %s is none",
						TextDatumGetCString(SpiUtilValue(0, 1, &isNull))),
				 errdetail("A pseudonym is an integer of 64 bits, forgotten_at a time that is not in the future."),
				 errhint("Give the whole document, unchanged: psql -XAtc \"SELECT personalize.export_tombstones()\".")));
	SpiUtilEnd(&scope);
}

/* Check a document's shape and secret. */
static void
CheckDocument(Datum document)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {JSONBOID, TEXTOID};
	Datum		values[] = {document, CStringGetTextDatum(SecretMark())};
	SpiUtilScope scope;
	bool		shape;
	bool		secret;
	bool		isNull;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT jsonb_typeof($1 -> 'secret') = 'string' AND jsonb_typeof($1 -> 'tombstones') = 'array'"
			   " AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof($1 -> 'tombstones')"
			   "  WHEN 'array' THEN $1 -> 'tombstones' ELSE '[]' END) AS t"
			   "  WHERE (jsonb_typeof(t -> 'pseudonym') = 'number' AND jsonb_typeof(t -> 'forgotten_at') = 'string') IS NOT TRUE),"
			   " $1 ->> 'secret' = $2",
			   lengthof(types), types, values, NULL, true);
	shape = DatumGetBool(SpiUtilValue(0, 1, &isNull)) && !isNull;
	secret = DatumGetBool(SpiUtilValue(0, 2, &isNull)) && !isNull;
	SpiUtilEnd(&scope);
	if (!shape)
		RefuseDocument("It must be an object with \"secret\" and a list \"tombstones\" of \"pseudonym\" and \"forgotten_at\".");
	if (!secret)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tombstones were exported from a database with another secret"),
				 errdetail("Their pseudonyms mean nothing here."),
				 errhint("Use an export of the database that the backup is of; CREATE EXTENSION makes a new secret, a restore keeps the old one.")));
	CheckTombstones(document);
}

/* Remember whom this database does not know to be forgotten, or to be so late. */
static void
ReadForgotten(Reapplication *work, bool given, Datum document)
{
	static SPIPlanPtr givenPlan = NULL;
	static SPIPlanPtr ownPlan = NULL;
	const Oid	types[] = {JSONBOID};
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (given)
		SpiUtilRun(&givenPlan,
				   "SELECT d.pseudonym, max(d.forgotten_at) FROM jsonb_to_recordset($1 -> 'tombstones')"
				   "  AS d (pseudonym bigint, forgotten_at timestamptz)"
				   " WHERE NOT EXISTS (SELECT FROM personalize._tombstone t"
				   "  WHERE t.pseudonym = d.pseudonym AND t.forgotten_at >= d.forgotten_at) GROUP BY 1",
				   1, types, &document, NULL, false);
	else
		SpiUtilRun(&ownPlan,
				   "SELECT pseudonym, forgotten_at FROM personalize._tombstone WHERE returned_at IS NULL",
				   0, NULL, NULL, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64		pseudonym = DatumGetInt64(SpiUtilValue(row, 1, &isNull));
		Forgotten  *entry = hash_search(work->forgotten, &pseudonym, HASH_ENTER, NULL);

		entry->forgottenAt = DatumGetTimestampTz(SpiUtilValue(row, 2, &isNull));
		entry->present = false;
	}
	SpiUtilEnd(&scope);
}

/* Take a person along who is present and should not be. */
static void
AddPerson(Reapplication *work, Forgotten *entry, int64 userKey, Datum userId, bool noId)
{
	MemoryContext oldContext = MemoryContextSwitchTo(work->context);
	ErasurePerson *person;

	GrowArray(work->people, work->count + 1, work->capacity, 64);
	person = &work->people[work->count++];
	memset(person, 0, sizeof(ErasurePerson));
	person->userKey = userKey;
	person->userId = noId ? NULL : DatumGetTextPCopy(userId);
	entry->present = true;
	MemoryContextSwitchTo(oldContext);
}

/* Who is named in rejected events of nobody; a number in a member of another meaning names nobody. */
#define NAMED \
	"SELECT personalize.user_key(v.name), v.name FROM personalize.rejected_event AS r," \
	" LATERAL personalize_internal._payload_names(r.payload) AS v" \
	" WHERE r.user_key IS NULL AND r.payload IS NOT NULL AND (v.certain OR v.name !~ '^-?[0-9.]+$')"

/* A query of everybody who is present, with the id where it is known. */
static char *
PresentQuery(void)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	StringInfoData sql;
	const char *separator = "";

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT p.user_key, coalesce(s.user_id, p.name) FROM (SELECT q.user_key, max(q.name) FROM (");
	for (int i = 0; i < count; i++)
	{
		if (stores[i].people == NULL)
			continue;
		appendStringInfo(&sql, "%sSELECT t.user_key, NULL FROM (%s) AS t", separator, stores[i].people);
		separator = " UNION ";
	}
	appendStringInfoString(&sql, " UNION " NAMED ") AS q (user_key, name) GROUP BY 1) AS p (user_key, name) LEFT JOIN personalize.subject AS s USING (user_key)");
	return sql.data;
}

/* Find who is present and should not be. */
static void
FindPeople(Reapplication *work)
{
	SpiUtilScope scope;
	Portal		portal;
	uint64		fetched;

	SpiUtilBegin(&scope);
	portal = SPI_cursor_open(NULL, SPI_prepare(PresentQuery(), 0, NULL), NULL, NULL, true);
	do
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		isNull;
			bool		noId;
			int64		userKey = DatumGetInt64(SpiUtilValue(row, 1, &isNull));
			Datum		userId = SpiUtilValue(row, 2, &noId);
			int64		pseudonym = SecretPseudonym(userKey);
			Forgotten  *entry = hash_search(work->forgotten, &pseudonym, HASH_FIND, NULL);

			if (entry != NULL)
				AddPerson(work, entry, userKey, userId, noId);
		}
		fetched = SPI_processed;
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	} while (fetched > 0);
	SPI_cursor_close(portal);
	SpiUtilEnd(&scope);
}

/* Set the tombstones of those who are not present. */
static void
SetTombstones(Reapplication *work)
{
	int64		cutoff = TxidOfNow(XidFromFullTransactionId(ReadNextFullTransactionId()));
	HASH_SEQ_STATUS status;
	Forgotten  *entry;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	hash_seq_init(&status, work->forgotten);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (!entry->present)
			TombstoneSet(entry->pseudonym, entry->forgottenAt, cutoff);
	SpiUtilEnd(&scope);
}

/* One row for each person forgotten again. */
static void
ReturnReceipts(FunctionCallInfo fcinfo, const Reapplication *work, int count)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		const ErasurePerson *person = &work->people[i];
		const Forgotten *entry = hash_search(work->forgotten, &person->pseudonym, HASH_FIND, NULL);
		Datum		values[] = {UUIDPGetDatum(&person->receipt), TimestampTzGetDatum(entry->forgottenAt)};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* reapply_erasures(tombstones): forget again who was forgotten and is present. */
Datum
personalize_reapply_erasures(PG_FUNCTION_ARGS)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(Forgotten),.hcxt = CurrentMemoryContext};
	Reapplication work = {.context = CurrentMemoryContext};
	bool		given = !PG_ARGISNULL(0);
	Datum		document = given ? PG_GETARG_DATUM(0) : (Datum) 0;

	PreventCommandIfReadOnly("reapply_erasures()");
	PreventCommandIfParallelMode("reapply_erasures()");
	PurgeCheckReadCommitted("reapply_erasures()");
	if (given)
		CheckDocument(document);
	work.forgotten = hash_create("personalize tombstones", 256, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ReadForgotten(&work, given, document);
	if (hash_get_num_entries(work.forgotten) > 0)
		FindPeople(&work);
	if (given)
		SetTombstones(&work);
	ReturnReceipts(fcinfo, &work, work.count > 0 ? ErasureForget(work.people, work.count) : 0);
	return (Datum) 0;
}
