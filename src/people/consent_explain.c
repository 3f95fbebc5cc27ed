/*
 * consent_explain.c
 *		What a person allows, by whose word, and why it is not more.
 */
#include "postgres.h"


#include "base/event_time.h"
#include "base/key.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/identity.h"
#include "people/tombstone.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_consent_of);
PG_FUNCTION_INFO_V1(personalize_why_suppressed);

/* How a person stands to one purpose, and the ledger entry that says so. */
static void
ReadStanding(int64 userKey)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(userKey)};

	SpiUtilRun(&plan,
			   "SELECT p.name, coalesce(l.granted, d.answer = 'allowed', false),"
			   " coalesce(l.source, 'default'), l.effective_at, l.notice_version,"
			   " l.granted IS NOT NULL, r.restricted,"
			   " coalesce(l.basis = 'choice', false)"
			   " FROM personalize.purpose p"
			   " LEFT JOIN personalize.purpose_default d ON d.purpose = p.name"
			   " CROSS JOIN LATERAL (SELECT coalesce((SELECT s.restricted FROM personalize.subject s"
			   "  WHERE s.user_key = $1), 0) >> p.bit & 1 = 1 AS restricted) r"
			   " LEFT JOIN LATERAL ("
			   "  SELECT c.granted, c.source, c.effective_at, c.notice_version, c.basis"
			   "  FROM personalize.consent_ledger c"
			   "  WHERE c.user_key = $1 AND c.purposes & (1 << p.bit) <> 0"
			   "  AND coalesce(starts_with(c.basis, 'restriction'), false) = r.restricted"
			   "  ORDER BY c.effective_at DESC, c.granted LIMIT 1) l ON true"
			   " ORDER BY p.bit",
			   lengthof(types), types, values, NULL, true);
}

/* consent_of(user_id) → (purpose, allowed, decided_by, decided_at, notice_version). */
Datum
personalize_consent_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		userKey = IdentityKeyArgument(fcinfo, 0, "user_id");
	Tombstone	tombstone;
	bool		erased;
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	erased = TombstoneStands(userKey, GetActiveSnapshot(), &tombstone);
	SpiUtilBegin(&scope);
	ReadStanding(userKey);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		values[5];
		bool		nulls[5];

		for (int i = 0; i < 5; i++)
			values[i] = SpiUtilValue(row, i + 1, &nulls[i]);
		if (erased)
		{
			values[1] = BoolGetDatum(false);
			values[2] = CStringGetTextDatum("erasure");
			values[3] = TimestampTzGetDatum(tombstone.forgottenAt);
			nulls[3] = false;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SpiUtilEnd(&scope);
	return (Datum) 0;
}

/* True if it is not consent that speaks, but a restriction. */
static bool
IsRestricted(uint64 row)
{
	bool		isNull;

	return DatumGetBool(SpiUtilValue(row, 7, &isNull));
}

/* The call that grants a purpose to a user, or lifts its restriction. */
static char *
FormatGrant(text *userId, const char *purpose, bool restricted)
{
	if (restricted)
		return psprintf("SELECT personalize.lift_restriction(%s, ARRAY[%s]);",
						quote_literal_cstr(text_to_cstring(userId)), quote_literal_cstr(purpose));
	return psprintf("SELECT personalize.grant_consent(%s, ARRAY[%s], 'the source of your permission');",
					quote_literal_cstr(text_to_cstring(userId)), quote_literal_cstr(purpose));
}

/* Why a purpose is denied, or what allows it. */
static char *
FormatReason(uint64 row, bool allowed, bool decided)
{
	bool		isNull;
	char	   *source = TextDatumGetCString(SpiUtilValue(row, 3, &isNull));
	TimestampTz decidedAt;

	if (!decided)
		return pstrdup(allowed ?
					   "the person has not spoken, and purpose_default allows it" :
					   "the person has not spoken, and the default is denied");
	decidedAt = DatumGetTimestampTz(SpiUtilValue(row, 4, &isNull));
	return psprintf("%s on %s by \"%s\"",
					allowed ? "granted" : IsRestricted(row) ? "restricted" :
					DatumGetBool(SpiUtilValue(row, 8, &isNull)) ? "declined" : "withdrawn",
					EventTimeFormat(decidedAt), source);
}

/* why_suppressed(user_id) → (purpose, allowed, reason, fix). */
Datum
personalize_why_suppressed(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	int64		userKey = IdentityKeyOf(KeyFromText(userId));
	Tombstone	tombstone;
	bool		erased;
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	erased = TombstoneStands(userKey, GetActiveSnapshot(), &tombstone);
	SpiUtilBegin(&scope);
	ReadStanding(userKey);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		values[4];
		bool		nulls[4];
		bool		isNull;
		bool		decided = DatumGetBool(SpiUtilValue(row, 6, &isNull));

		memset(nulls, false, sizeof(nulls));
		values[0] = SpiUtilValue(row, 1, &isNull);
		values[1] = erased ? BoolGetDatum(false) : SpiUtilValue(row, 2, &isNull);
		values[2] = CStringGetTextDatum(erased ?
										psprintf("the person was erased on %s; a grant brings the person back, without what was before",
												 EventTimeFormat(tombstone.forgottenAt)) :
										FormatReason(row, DatumGetBool(values[1]), decided));
		nulls[3] = DatumGetBool(values[1]);
		if (!nulls[3])
			values[3] = CStringGetTextDatum(FormatGrant(userId, TextDatumGetCString(values[0]),
														IsRestricted(row)));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SpiUtilEnd(&scope);
	return (Datum) 0;
}
