/*
 * ledger_verify.c
 *		Is the consent ledger what was written?  Verification, anchors and proofs.
 *
 * Chains show what was changed, taken out or moved in their middle.  They cannot
 * show that the newest entries of a person are gone, nor that somebody who knows
 * the secret has written a whole chain anew.  For that an anchor is kept outside:
 * a digest of the hashes of all entries of transactions that a snapshot saw.  The
 * same entries are found again by their txid, whatever came later, and after a
 * restore, too.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/event_time.h"
#include "base/json_build.h"
#include "base/json_member.h"
#include "base/key.h"
#include "base/secret.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/ledger.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_verify_ledger);
PG_FUNCTION_INFO_V1(personalize_ledger_anchor);
PG_FUNCTION_INFO_V1(personalize_consent_proof);
PG_FUNCTION_INFO_V1(personalize_ledger_prune);

/* The form of an anchor. */
#define ANCHOR_VERSION 1

/*
 * An entry of a proof, and the proof: $1 is the person's key, $2 the pseudonym,
 * $3 the id.  64-bit numbers are strings, for readers of JSON whose numbers are
 * floats.
 */
#define PROOF_SQL \
	"SELECT jsonb_build_object(" \
	" 'version', 1, 'user_id', $3, 'user_key', $1::text, 'pseudonym', $2::text," \
	" 'made_at', clock_timestamp()," \
	" 'hash', 'SHA-256; see personalize, docs/consent.md, \"Consent as evidence\"'," \
	" 'purposes', (SELECT jsonb_object_agg(p.name, 1 << p.bit) FROM personalize.purpose p)," \
	" 'entries', coalesce((SELECT jsonb_agg(jsonb_build_object(" \
	"  'decision', CASE WHEN l.granted THEN 'granted' ELSE 'denied or withdrawn' END," \
	"  'about', (SELECT jsonb_agg(p.name ORDER BY p.bit) FROM personalize.purpose p WHERE l.purposes & (1 << p.bit) <> 0)," \
	"  'effective_at', l.effective_at, 'recorded_at', l.recorded_at," \
	"  'effective_us', (extract(epoch FROM l.effective_at) * 1000000)::int8::text," \
	"  'recorded_us', (extract(epoch FROM l.recorded_at) * 1000000)::int8::text," \
	"  'txid', l.txid::text, 'nonce', l.nonce::text, 'purposes', l.purposes, 'granted', l.granted," \
	"  'source', l.source, 'basis', l.basis, 'notice_version', l.notice_version," \
	"  'evidence_digest', encode(l.evidence_digest, 'hex')," \
	"  'previous', (SELECT coalesce(jsonb_agg(encode(v.hash, 'hex') ORDER BY v.place), '[]')" \
	"   FROM unnest(l.previous) WITH ORDINALITY v (hash, place))," \
	"  'hash', encode(l.hash, 'hex')" \
	"  ) ORDER BY l.recorded_at, l.hash)" \
	"  FROM personalize.consent_ledger l WHERE l.user_key = $1 AND NOT l.erased), '[]'))"

/*
 * What of the ledger was superseded before $1: for each of its purposes
 * there is a later withdrawal or, if it is a withdrawal, a later decision.  So
 * neither what holds today nor since when it is granted changes.  Restrictions
 * are superseded by restrictions, and consent by consent.
 */
#define SUPERSEDED_SQL \
	" FROM personalize.consent_ledger l" \
	"  WHERE l.recorded_at < $1 AND l.effective_at < $1 AND (l.erased OR NOT EXISTS (" \
	"   SELECT FROM generate_series(0, 30) AS b (bit)" \
	"   WHERE l.purposes & (1 << b.bit) <> 0 AND NOT EXISTS (" \
	"    SELECT FROM personalize.consent_ledger n" \
	"    WHERE n.user_key = l.user_key AND NOT n.erased AND n.purposes & (1 << b.bit) <> 0" \
	"    AND n.effective_at > l.effective_at AND n.effective_at < $1 AND NOT (n.granted AND l.granted)" \
	"    AND coalesce(starts_with(n.basis, 'restriction'), false) = coalesce(starts_with(l.basis, 'restriction'), false))))"

/* Take it out. */
#define PRUNE_SQL \
	"WITH pruned AS (DELETE" SUPERSEDED_SQL " RETURNING l.hash, l.txid)" \
	" INSERT INTO personalize._ledger_pruned SELECT hash, txid, clock_timestamp() FROM pruned"

/* What the ledger held at some time. */
typedef struct Anchor
{
	text	   *asof;
	int64		entries;
	text	   *digest;
} Anchor;

/* A person's key and pseudonym as parameters; NULL: everybody. */
static void
PersonParameters(FunctionCallInfo fcinfo, Datum *values, char *nulls)
{
	int64		userKey = 0;

	nulls[0] = nulls[1] = 'n';
	if (PG_ARGISNULL(0))
		return;
	userKey = KeyFromText(KeyIdArgument(fcinfo, 0, "user_id"));
	values[0] = Int64GetDatum(userKey);
	values[1] = Int64GetDatum(SecretPseudonym(userKey));
	nulls[0] = nulls[1] = ' ';
}

/* Look for what contradicts the hashes. */
static void
FindContradictions(const Datum *values, const char *nulls)
{
	static SPIPlanPtr plan;
	const Oid	types[] = {INT8OID, INT8OID};

	SpiUtilRun(&plan,
			   "WITH entry AS MATERIALIZED ("
			   "  SELECT l.user_key, l.recorded_at, l.hash, l.previous, l.erased,"
			   "   CASE WHEN l.erased THEN l.user_key ELSE personalize_internal._pseudonym(l.user_key) END AS pseudonym,"
			   "   l.hash IS DISTINCT FROM personalize_internal._ledger_hash(l) AS changed"
			   "  FROM personalize.consent_ledger l"
			   "  WHERE $1 IS NULL OR (l.user_key = $1 AND NOT l.erased) OR (l.user_key = $2 AND l.erased)),"
			   " link AS (SELECT e.*, p.hash AS follows FROM entry e, unnest(e.previous) p (hash))"
			   " SELECT user_key, recorded_at, hash, 'changed',"
			   "  'the entry, or whose it is, is not what was written'"
			   "  FROM entry WHERE changed"
			   " UNION ALL SELECT k.user_key, k.recorded_at, k.hash, 'removed',"
			   "  'follows ' || coalesce(encode(k.follows, 'hex'), 'null') || ', which this person does not have'"
			   "  FROM link k LEFT JOIN entry e ON e.pseudonym = k.pseudonym AND e.hash = k.follows"
			   "  LEFT JOIN personalize._ledger_pruned r ON r.hash = k.follows"
			   "  WHERE e.hash IS NULL AND r.hash IS NULL"
			   " UNION ALL SELECT user_key, min(recorded_at), hash, 'doubled', count(*) || ' entries have this hash'"
			   "  FROM entry GROUP BY user_key, hash HAVING count(*) > 1"
			   " UNION ALL SELECT k.user_key, k.recorded_at, k.hash, 'erased in part',"
			   "  'follows an entry of an erased person and is not erased'"
			   "  FROM link k JOIN entry e ON e.pseudonym = k.pseudonym AND e.hash = k.follows"
			   "  WHERE e.erased AND NOT k.erased"
			   " ORDER BY 1, 2, 4, 3, 5",
			   lengthof(types), types, values, nulls, true);
}

/*
 * Count and digest the entries that a snapshot saw, pruned ones included: the
 * SHA-256 of the SHA-256 of the sorted hashes that begin with the same byte, by
 * that byte.
 */
static void
DigestEntries(text *asof, int64 *entries, text **digest)
{
	static SPIPlanPtr plan;
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {PointerGetDatum(asof)};
	bool		isNull;

	SpiUtilRun(&plan,
			   "SELECT coalesce(sum(g.entries), 0)::int8,"
			   "  encode(sha256(coalesce(string_agg(g.digest, '' ORDER BY g.byte), '')), 'hex')"
			   " FROM (SELECT substr(e.hash, 1, 1) AS byte, count(*) AS entries,"
			   "   sha256(string_agg(e.hash, '' ORDER BY e.hash)) AS digest"
			   "  FROM (SELECT hash, txid FROM personalize.consent_ledger"
			   "   UNION ALL SELECT hash, txid FROM personalize._ledger_pruned) e"
			   "  WHERE personalize_internal._txid_seen(e.txid, $1) GROUP BY 1) g",
			   lengthof(types), types, values, NULL, true);
	*entries = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	*digest = DatumGetTextPP(SpiUtilValue(0, 2, &isNull));
}

/* Refuse what is no anchor. */
static void
RaiseAnchor(Jsonb *anchor, const char *lacks)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not an anchor of the consent ledger: %s",
					JsonbToCString(NULL, &anchor->root, VARSIZE(anchor)), lacks),
			 errhint("Pass what ledger_anchor() returned.")));
}

/* A field of an anchor. */
static JsonbValue *
AnchorField(Jsonb *anchor, const char *name, enum jbvType type)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	if (!JsonMember(&anchor->root, name, value) || value->type != type)
		RaiseAnchor(anchor, psprintf("\"%s\" is missing or no %s", name,
									 type == jbvString ? "string" : "number"));
	return value;
}

/* Read an anchor. */
static Anchor
ReadAnchor(Jsonb *json)
{
	JsonbValue *version = AnchorField(json, "version", jbvNumeric);
	JsonbValue *asof = AnchorField(json, "asof", jbvString);
	JsonbValue *entries = AnchorField(json, "entries", jbvNumeric);
	JsonbValue *digest = AnchorField(json, "digest", jbvString);
	Anchor		anchor;
	char	   *number;

	number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(version->val.numeric)));
	if (strcmp(number, CppAsString2(ANCHOR_VERSION)) != 0)
		RaiseAnchor(json, psprintf("version %s is unknown", number));
	anchor.asof = cstring_to_text_with_len(asof->val.string.val, asof->val.string.len);
	(void) TxidSnapshotParse(text_to_cstring(anchor.asof));
	anchor.digest = cstring_to_text_with_len(digest->val.string.val, digest->val.string.len);
	anchor.entries = DatumGetInt64(DirectFunctionCall1(numeric_int8,
													   NumericGetDatum(entries->val.numeric)));
	return anchor;
}

/* Put a row if the ledger is no longer what it was. */
static void
CompareAnchor(ReturnSetInfo *result, const Anchor *anchor)
{
	Datum		values[5] = {0};
	bool		nulls[5] = {true, true, true, false, false};
	int64		entries;
	text	   *digest;

	DigestEntries(anchor->asof, &entries, &digest);
	if (entries == anchor->entries &&
		strcmp(text_to_cstring(digest), text_to_cstring(anchor->digest)) == 0)
		return;
	values[3] = CStringGetTextDatum("anchor");
	if (entries == anchor->entries)
		values[4] = CStringGetTextDatum("entries were replaced by others since the anchor was taken");
	else
		values[4] = CStringGetTextDatum(psprintf("held %lld entries when the anchor was taken, of which there are %lld now",
												 (long long) anchor->entries, (long long) entries));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* verify_ledger(user_id, anchor) → (user_key, recorded_at, hash, problem, detail). */
Datum
personalize_verify_ledger(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		parameters[2] = {0};
	char		parameterNulls[2];
	Anchor		anchor;
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	PersonParameters(fcinfo, parameters, parameterNulls);
	if (!PG_ARGISNULL(1))
		anchor = ReadAnchor(PG_GETARG_JSONB_P(1));
	SpiUtilBegin(&scope);
	FindContradictions(parameters, parameterNulls);
	SpiUtilReturnRows(result);
	if (!PG_ARGISNULL(1))
		CompareAnchor(result, &anchor);
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

/* ledger_anchor() → jsonb. */
Datum
personalize_ledger_anchor(PG_FUNCTION_ARGS)
{
	text	   *asof = cstring_to_text(TxidSnapshotFormat(TxidSnapshotTake()));
	JsonbParseState *state = NULL;
	Jsonb	   *anchor;
	int64		entries;
	text	   *digest;
	SpiUtilScope scope;
	MemoryContext caller = CurrentMemoryContext;

	SpiUtilBegin(&scope);
	DigestEntries(asof, &entries, &digest);
	MemoryContextSwitchTo(caller);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	JsonPushNumber(&state, "version", ANCHOR_VERSION);
	JsonPushString(&state, "taken_at", EventTimeFormat(GetCurrentTimestamp()));
	JsonPushText(&state, "asof", asof);
	JsonPushNumber(&state, "entries", entries);
	JsonPushText(&state, "digest", digest);
	anchor = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	SpiUtilEnd(&scope);
	return JsonbPGetDatum(anchor);
}

/* consent_proof(user_id) → jsonb. */
Datum
personalize_consent_proof(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	const Oid	types[] = {INT8OID, INT8OID, TEXTOID};
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	Datum		proof;
	SpiUtilScope scope;
	bool		isNull;

	PersonParameters(fcinfo, values, nulls);
	values[2] = PointerGetDatum(userId);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, PROOF_SQL, lengthof(types), types, values, nulls, true);
	proof = SPI_datumTransfer(SpiUtilValue(0, 1, &isNull), false, -1);
	SpiUtilEnd(&scope);
	PG_RETURN_DATUM(proof);
}

/* Take out of the ledger what was superseded before a time, or count it. */
int64
LedgerPrune(TimestampTz before, bool dryRun)
{
	static SPIPlanPtr prunePlan;
	static SPIPlanPtr countPlan;
	const Oid	types[] = {TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(before)};
	int64		pruned;
	bool		isNull;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	if (dryRun)
	{
		SpiUtilRun(&countPlan, "SELECT count(*)" SUPERSEDED_SQL, lengthof(types), types, values, NULL, true);
		pruned = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	}
	else
		pruned = (int64) SpiUtilRun(&prunePlan, PRUNE_SQL, lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
	return pruned;
}

/* _ledger_prune(superseded_before) → entries removed. */
Datum
personalize_ledger_prune(PG_FUNCTION_ARGS)
{
	ArgumentCheckGiven(fcinfo, 0, "superseded_before");
	PG_RETURN_INT64(LedgerPrune(PG_GETARG_TIMESTAMPTZ(0), false));
}
