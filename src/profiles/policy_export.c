/*
 * policy_export.c
 *		Whole tables for one purpose, as rows.
 *
 * COPY of a partitioned table, and packed columns, cannot be had with SQL under
 * row policies; these functions return them, for COPY (SELECT ...) TO.  The
 * statements run as the owner, so each applies the purpose itself.
 */
#include "postgres.h"

#include "people/policy.h"

#include "base/spi_util.h"
#include "base/stored_row.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "profiles/analyst_purpose.h"
#include "signals/feature_state.h"
#include "signals/signal.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(personalize_export_events);
PG_FUNCTION_INFO_V1(personalize_export_profiles);
PG_FUNCTION_INFO_V1(personalize_features_for);

/* Rows are fetched by so many. */
#define FETCH_ROWS 1000

/* Which features may be seen. */
typedef struct Visible
{
	const SignalSet *signals;
	int32		bits;
	int32		mask;
} Visible;

/* Keep features whose signal the purpose covers and the person allows. */
static bool
KeepVisible(uint64 key, void *arg)
{
	const Visible *visible = arg;
	int			id = FeatureKeySignal(key);
	const Signal *signal = id < visible->signals->idLimit ? visible->signals->byId[id] : NULL;

	return signal != NULL && signal->enabled && (signal->purposes & visible->bits) != 0 &&
		(signal->purposes & ~visible->mask) == 0;
}

/* _features_for(features, bits, mask, user_key): what may be seen for purposes; NULL: nothing. */
Datum
personalize_features_for(PG_FUNCTION_ARGS)
{
	Visible		visible = {.signals = SignalSetGet(),.bits = PG_GETARG_INT32(1),.mask = PG_GETARG_INT32(2)};
	FeatureState *features;
	StoredRow	row;

	StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_GETARG_INT64(3)});
	features = FeatureStateExtract(PG_GETARG_FEATURE_STATE_P(0), KeepVisible, &visible);
	StoredRowEnd(&row);
	if (FeatureStateCount(features) == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(features);
}

/* Return what a statement returns; its first parameter is the bits of the purpose. */
static void
ReturnRows(FunctionCallInfo fcinfo, const char *sql, int count, Oid *types, Datum *values, char *nulls)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiUtilScope scope;
	Portal		portal;

	SpiUtilBegin(&scope);
	portal = SPI_cursor_open_with_args(NULL, sql, count, types, values, nulls, true, 0);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(output->setResult, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SpiUtilEnd(&scope);
}

/* export_events(since, until, purpose): raw events that arrived in [since, until). */
Datum
personalize_export_events(PG_FUNCTION_ARGS)
{
	int32		bits = PolicyBits(PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2));
	Oid			types[] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[] = {Int32GetDatum(bits), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	char		nulls[] = {' ', PG_ARGISNULL(0) ? 'n' : ' ', PG_ARGISNULL(1) ? 'n' : ' '};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (bits != 0)
		ReturnRows(fcinfo,
				   "SELECT s.user_id, t.name, i.item_id, e.ts, e.received_at, e.value, e.properties,"
				   " e.slot, e.session_key, e.item_key, e.user_key"
				   " FROM personalize.event e"
				   " JOIN personalize.event_type t ON t.event = e.event"
				   " LEFT JOIN personalize.subject s ON s.user_key = e.user_key"
				   " LEFT JOIN personalize.item i ON i.item_key = e.item_key"
				   " WHERE e.received_at >= coalesce($2, '-infinity')"
				   " AND e.received_at < coalesce($3, 'infinity')"
				   " AND personalize_internal._unrestricted(e.consent, e.user_key) & $1 <> 0",
				   3, types, values, nulls);
	return (Datum) 0;
}

/* export_profiles(purpose): profiles with the features that the purpose covers. */
Datum
personalize_export_profiles(PG_FUNCTION_ARGS)
{
	int32		bits = PolicyBits(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0));
	Oid			types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(bits)};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (bits != 0 && ((bits & PURPOSE_PERSONALIZATION) != 0 || AnalystCheckAnySignal(bits)))
		ReturnRows(fcinfo,
				   "SELECT s.user_id, p.user_key,"
				   " CASE WHEN $1 & 2 <> 0 THEN p.first_seen END,"
				   " CASE WHEN $1 & 2 <> 0 THEN p.last_seen END,"
				   " CASE WHEN $1 & 2 <> 0 THEN p.events END,"
				   " personalize_internal._features_for(p.features, $1, m.mask, p.user_key)"
				   " FROM personalize.profile p"
				   " CROSS JOIN LATERAL (SELECT personalize_internal._unrestricted(p.mask, p.user_key)) AS m (mask)"
				   " LEFT JOIN personalize.subject s ON s.user_key = p.user_key"
				   " WHERE m.mask & $1 <> 0",
				   1, types, values, NULL);
	return (Datum) 0;
}
