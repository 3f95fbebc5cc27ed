/*
 * knn_param.c
 *		The parameters of the neighbour score.
 */
#include "postgres.h"

#include "neighbours/knn_param.h"

#include "access/stratnum.h"
#include "base/keyed.h"

/* Columns of neighbour_parameter. */
typedef enum ParameterColumn
{
	PARAMETER_SINGLETON = 1,
	PARAMETER_SESSION_ITEMS,
	PARAMETER_LONG_ITEMS,
	PARAMETER_POSTINGS,
	PARAMETER_NEIGHBOURS,
	PARAMETER_LONG_WEIGHT,
	PARAMETER_OVERLAP_POWER,
	PARAMETER_RECENT_DECAY,
	PARAMETER_NEXT_WEIGHT,
	PARAMETER_NEXT_PRIOR,
	PARAMETER_REPEAT_WEIGHT,
	PARAMETER_TREND_POWER
} ParameterColumn;

/* The parameters the extension is shipped with. */
void
KnnParamsDefault(KnnParams *params)
{
	params->sessionItems = 8;
	params->longItems = 8;
	params->postings = 128;
	params->neighbours = 128;
	params->longWeight = 0.2;
	params->overlapPower = 2;
	params->recentDecay = 6;
	params->nextWeight = 1;
	params->nextPrior = 8;
	params->repeatWeight = 1.25;
	params->trendPower = 0.2;
}

/* Take the parameters from a row. */
static void
ReadRow(TupleTableSlot *slot, KnnParams *params)
{
	slot_getallattrs(slot);
#define INTEGER(column) DatumGetInt32(slot->tts_values[(column) - 1])
#define NUMBER(column) DatumGetFloat8(slot->tts_values[(column) - 1])
	params->sessionItems = INTEGER(PARAMETER_SESSION_ITEMS);
	params->longItems = INTEGER(PARAMETER_LONG_ITEMS);
	params->postings = INTEGER(PARAMETER_POSTINGS);
	params->neighbours = INTEGER(PARAMETER_NEIGHBOURS);
	params->longWeight = NUMBER(PARAMETER_LONG_WEIGHT);
	params->overlapPower = NUMBER(PARAMETER_OVERLAP_POWER);
	params->recentDecay = NUMBER(PARAMETER_RECENT_DECAY);
	params->nextWeight = NUMBER(PARAMETER_NEXT_WEIGHT);
	params->nextPrior = NUMBER(PARAMETER_NEXT_PRIOR);
	params->repeatWeight = NUMBER(PARAMETER_REPEAT_WEIGHT);
	params->trendPower = NUMBER(PARAMETER_TREND_POWER);
#undef INTEGER
#undef NUMBER
}

/* The parameters this database uses. */
void
KnnParamsCurrent(KnnParams *params, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("neighbour_parameter", "neighbour_parameter_pkey",
								  AccessShareLock);
	TupleTableSlot *slot;

	KeyedSeek(table, snapshot, 0, NULL, InvalidStrategy);
	slot = KeyedNext(table, ForwardScanDirection);
	if (slot)
		ReadRow(slot, params);
	else
		KnnParamsDefault(params);
	KeyedClose(table);
}
