/*
 * signal_fold.c
 *		A profile's features as the signals want them kept at some time.
 */
#include "postgres.h"

#include "base/stored_row.h"
#include "compat.h"
#include "fmgr.h"
#include "signals/feature_state.h"
#include "signals/feature_state_internal.h"
#include "signals/signal.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_state_folded);

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
