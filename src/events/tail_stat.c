/*
 * tail_stat.c
 *		What the ring of the newest events holds, for the view stat_tail.
 */
#include "postgres.h"

#include "compat.h"
#include "events/tail_cover.h"
#include "fmgr.h"
#include "funcapi.h"

PG_FUNCTION_INFO_V1(personalize_tail_ring);

/* _tail_ring(): one row, or none. */
Datum
personalize_tail_ring(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	TailRingState state;
	Datum		values[5];
	bool		nulls[5] = {false};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (!TailRingLook(&state))
		return (Datum) 0;
	values[0] = Int64GetDatum(state.bytes);
	values[1] = Int64GetDatum(state.capacity);
	values[2] = Int64GetDatum(state.kept);
	values[3] = Int64GetDatum((int64) state.added - state.kept);
	values[4] = Int32GetDatum(TailCoverCountDays());
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	return (Datum) 0;
}
