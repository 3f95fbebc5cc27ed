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
 * is left of the erased on purpose, are exempt by name.
 */
#include "postgres.h"

#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type_d.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "profiles/profile_delta.h"
#include "signals/feature_state.h"
#include "signals/feature_state_internal.h"
#include "signals/signal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_state_tables);
PG_FUNCTION_INFO_V1(personalize_recent_items);
PG_FUNCTION_INFO_V1(personalize_state_folded);
PG_FUNCTION_INFO_V1(personalize_canonical_rows);
PG_FUNCTION_INFO_V1(personalize_state_hash);

/* So many rows are fetched at a time. */
#define FETCH_ROWS 1000

/* A table: the query of its form ($1: as_of), or why it has none. */
typedef struct StateTable
{
	const char *name;
	const char *query;
	const char *exempt;
} StateTable;

/* A form that is the rows as they are. */
#define PLAIN(table) \
	"SELECT pg_catalog.to_jsonb(t) FROM personalize." table " t"

/* The name of a kind of event, whose number is given in order of arrival. */
#define EVENT_NAME(number) \
	"(SELECT n.name FROM personalize.event_type n WHERE n.event = " number ")"

static const StateTable stateTables[] = {
	{"event",
		"SELECT jsonb_build_object('day', (e.received_at AT TIME ZONE 'UTC')::date, 'ts', e.ts,"
		" 'user', e.user_key, 'consent', e.consent, 'event', n.name,"
		" 'ordinal', e.ordinal, 'item', e.item_key, 'session', e.session_key,"
		" 'request', e.request_key, 'message', e.message_key, 'slot', e.slot,"
		" 'value', e.value, 'properties', e.properties)"
		" FROM personalize.event e LEFT JOIN personalize.event_type n USING (event)"},
	{"rejected_event",
		"SELECT jsonb_build_object('user', r.user_key, 'consent', r.consent, 'source', r.source,"
		" 'reason', r.reason, 'payload', CASE WHEN r.source IN ('profile', 'item_stat', 'neighbour')"
		" THEN r.payload - 'txid' - 'received_at' ELSE r.payload END) FROM personalize.rejected_event r"},
	{"message_seen",
		"SELECT to_jsonb(m.message) FROM personalize.message_seen m"},
	{"_dictionary_log",
		"SELECT DISTINCT jsonb_build_object('user', l.key, 'id', l.id)"
		" FROM personalize._dictionary_log l WHERE l.kind = 'u'"},
	{"subject",
		/* since is set for those who came back after an erasure */
		"SELECT to_jsonb(s) - 'since' FROM personalize.subject s"},
	{"consent_ledger",
		"SELECT jsonb_build_object('user', l.user_key, 'place', row_number() OVER ("
		"  PARTITION BY l.user_key ORDER BY l.effective_at, l.recorded_at, l.purposes, l.granted),"
		" 'purposes', l.purposes, 'granted', l.granted, 'source', l.source, 'basis', l.basis,"
		" 'notice', l.notice_version, 'evidence', l.evidence_digest)"
		" FROM personalize.consent_ledger l WHERE NOT l.erased"},
	{"profile",
		"SELECT jsonb_build_object('user', p.user_key, 'first', p.first_seen, 'last', p.last_seen,"
		" 'events', p.events, 'mask', p.mask,"
		" 'recent', (SELECT jsonb_agg(jsonb_build_array(i.item_key, i.ts, n.name, i.consent) ORDER BY i.place)"
		"  FROM personalize._recent_items(p.recent, p.user_key) WITH ORDINALITY AS i (item_key, ts, event, consent, place)"
		"  LEFT JOIN personalize.event_type n USING (event)),"
		/* folding leaves the features in one order */
		" 'features', personalize._state_folded(p.features, $1, p.user_key)::jsonb)"
		" FROM personalize.profile p"},
	{"preference",
		"SELECT to_jsonb(p) - 'set_at' FROM personalize.preference p"},
	{"feature_value", PLAIN("feature_value")},
	{"item",
		"SELECT to_jsonb(i) - 'item_key' - 'created_at' - 'updated_at' - 'vanished_at'"
		" || jsonb_build_object('vanished', i.vanished_at IS NOT NULL) FROM personalize.item i"
		" UNION "
		"SELECT jsonb_build_object('item_id', l.id, 'available', true, 'hidden', false, 'vanished', false,"
		" 'category', NULL, 'brand', NULL, 'price', NULL, 'currency', NULL, 'tags', NULL,"
		" 'attributes', NULL, 'source', NULL) FROM personalize._dictionary_log l"
		" WHERE l.kind = 'i' AND NOT EXISTS (SELECT FROM personalize.item i WHERE i.item_key = l.key)"},
	{"item_stat",
		"SELECT jsonb_build_object('pane', s.pane_start, 'item', s.item_key,"
		" 'currency', s.currency_code, 'event', n.name, 'slot', s.slot_bucket,"
		" 'count', s.count, 'amount', s.amount)"
		" FROM personalize.item_stat s LEFT JOIN personalize.event_type n USING (event)"},
	{"_basket", PLAIN("_basket")},
	{"_popular",
		/* a digit less than is stored, because sums of fractions depend on their order */
		"SELECT jsonb_build_object('category', p.category, 'items',"
		" (SELECT jsonb_agg(jsonb_build_array(l.score, l.item) ORDER BY l.score DESC, l.item) FROM ("
		"   SELECT round(u.score::numeric, 5) AS score, u.item"
		"   FROM unnest(p.scores, p.items) AS u (score, item)) l))"
		" FROM personalize._popular p"},
	{"session",
		"SELECT jsonb_build_object('user', s.user_key, 'given', s.given, 'session', s.session_key,"
		" 'ended', s.ended, 'second_at', s.second_at, 'events', s.events, 'consent', s.consent, 'items',"
		" (SELECT jsonb_agg(jsonb_build_array(i.item_key, i.ts, i.ordinal) ORDER BY i.place)"
		"  FROM personalize._session_items(s.items, s.user_key, s.given, s.session_key) WITH ORDINALITY AS i (item_key, ts, txid, ordinal, place)))"
		" FROM personalize.session s"},
	{"posting",
		/* the newest chunk of an item counts its sessions; the newest 256 are exact */
		"SELECT jsonb_build_object('item', p.item_key, 'sessions', max(p.sessions), 'entries',"
		" jsonb_agg(p.entry ORDER BY p.ts DESC, p.session DESC) FILTER (WHERE p.place <= 256)) FROM ("
		"  SELECT c.item_key, e.ts, e.session, jsonb_build_array(e.ts, e.session, e.place,"
		"    e.items_before, e.items_after) AS entry,"
		"   row_number() OVER (PARTITION BY c.item_key ORDER BY e.ts DESC, e.session DESC) AS place,"
		"   first_value((SELECT sum(get_byte(c.data, 4 + b)::bigint << (8 * b)) FROM generate_series(0, 7) AS b))"
		"    OVER (PARTITION BY c.item_key ORDER BY c.chunk DESC) AS sessions"
		"  FROM personalize.posting c, LATERAL personalize._posting_entries(c.data, c.item_key, c.chunk) AS e) p"
		" GROUP BY p.item_key"},
	{"_session_total",
		"SELECT to_jsonb(coalesce(sum(t.sessions), 0)) FROM personalize._session_total t"},
	{"purpose", PLAIN("purpose")},
	{"purpose_default", PLAIN("purpose_default")},
	{"purpose_role", PLAIN("purpose_role")},
	{"consent_mapping", PLAIN("consent_mapping")},
	{"refused_id", PLAIN("refused_id")},
	{"event_type",
		"SELECT to_jsonb(t) - 'event' FROM personalize.event_type t"},
	{"event_alias",
		"SELECT jsonb_build_object('alias', a.alias, 'event', " EVENT_NAME("a.event") ","
		" 'builtin', a.builtin) FROM personalize.event_alias a"},
	{"signal",
		"SELECT to_jsonb(s) || jsonb_build_object('events', (SELECT jsonb_agg(" EVENT_NAME("e.event") " ORDER BY e.place)"
		" FROM unnest(s.events) WITH ORDINALITY AS e (event, place))) FROM personalize.signal s"},
	{"signal_state",
		"SELECT to_jsonb(s) - 'complete_since' FROM personalize.signal_state s"},
	{"neighbour_parameter", PLAIN("neighbour_parameter")},
	{"retention_policy", PLAIN("retention_policy")},
	{"item_sync",
		"SELECT to_jsonb(s) - 'last_run_at' - 'changed_until' FROM personalize.item_sync s"},
	{"processor",
		/* the rest is what stat_processor shows */
		"SELECT to_jsonb(p.name) FROM personalize.processor p WHERE NOT p.enabled"},
	{"_erasure_candidate",
		"SELECT to_jsonb(c) - 'noted_at' FROM personalize._erasure_candidate c"},

	{"_secret", NULL, "the key of the pseudonyms, which is random"},
	{"_ledger_pruned", NULL, "random numbers: hashes of entries that retention took out of consent_ledger"},
	{"_tombstone", NULL, "the tombstones of the erased"},
	{"erasure", NULL, "receipts of erasures"},
	{"_shipped", NULL, "what security_check() compares the catalogue with"},
	{"_event_day", NULL, "days that have a partition, which may be empty"},
	{"_gone", NULL, "up to when retention has removed events and sessions"},
	{"_incarnation", NULL, "transaction ids: the lives of this database"},
	{"processor_position", NULL, "transaction ids: how far each processor has read"},
	{"_item_stat_fold", NULL, "up to when item_stat has been folded"},
	{"_retention_state", NULL, "statistics: what retention did last"},
	{"_maintenance", NULL, "jobs, which are pg_cron's"},
	{"_popular_state", NULL, "statistics: when _popular was made and how long it took"},
};

/* The tables with or without a form, for a hint. */
static char *
ListTables(bool exempt)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(stateTables); i++)
		if ((stateTables[i].exempt != NULL) == exempt)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", stateTables[i].name);
	return list.data;
}

/* The table an argument names. */
static const StateTable *
GetTable(FunctionCallInfo fcinfo)
{
	char	   *name;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table_name must not be null"),
				 errhint("Tables with a state are %s.", ListTables(false))));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < lengthof(stateTables); i++)
	{
		const StateTable *table = &stateTables[i];

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
	const StateTable *table = GetTable(fcinfo);
	Datum		asOf = TimestampTzGetDatum(PG_ARGISNULL(1) ? GetCurrentStatementStartTimestamp() :
										   PG_GETARG_TIMESTAMPTZ(1));
	Oid			type = TIMESTAMPTZOID;
	SpiUtilScope scope;
	Portal		portal;

	SpiUtilBegin(&scope);
	portal = SPI_cursor_open_with_args(NULL,
									   psprintf("SELECT f.form::text FROM (%s) AS f (form)"
												" WHERE $1 IS NOT NULL ORDER BY f.form::text COLLATE \"C\"",
												table->query),
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

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(stateTables); i++)
	{
		const StateTable *table = &stateTables[i];
		Datum		values[2] = {CStringGetTextDatum(table->name)};
		bool		nulls[2] = {false, table->exempt == NULL};

		if (table->exempt != NULL)
			values[1] = CStringGetTextDatum(table->exempt);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _recent_items(recent, user_key) */
Datum
personalize_recent_items(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	ProfileRecent recent;
	StoredRow	row;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	if (!PG_ARGISNULL(1))
		StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_GETARG_INT64(1)});
	ProfileRecentUnpack(PG_GETARG_BYTEA_PP(0), &recent);
	StoredRowEnd(&row);
	for (int i = 0; i < recent.count; i++)
	{
		const ProfileItem *item = &recent.items[i];
		Datum		values[] = {
			Int64GetDatum(item->itemKey), TimestampTzGetDatum(item->ts),
			Int16GetDatum(item->event), Int32GetDatum(item->mask)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _state_folded(state, as_of, user_key) */
Datum
personalize_state_folded(PG_FUNCTION_ARGS)
{
	const SignalSet *signals = SignalSetGet();
	TimestampTz asOf;
	FeatureAddition all;
	FeatureState *folded;
	StoredRow	row;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(2))
		StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_GETARG_INT64(2)});
	asOf = PG_GETARG_TIMESTAMPTZ(1);
	FeatureStateDecode(PG_GETARG_FEATURE_STATE_P(0), &all);
	if (!TIMESTAMP_NOT_FINITE(asOf))
		all.newest = Max(all.newest, asOf);
	folded = FeatureStateCombine(NULL, &all, &signals->policies);
	StoredRowEnd(&row);
	PG_RETURN_POINTER(folded);
}
