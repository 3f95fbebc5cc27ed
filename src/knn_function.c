/*
 * knn_function.c
 *		The parameters of the neighbour score, and the score as a SQL function.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "funcapi.h"
#include "key.h"
#include "keyed.h"
#include "knn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_session_neighbours);

/* Columns of neighbour_parameter. */
typedef enum ParameterColumn
{
	PARAMETER_SINGLETON = 1,
	PARAMETER_SESSION_ITEMS,
	PARAMETER_LONG_ITEMS,
	PARAMETER_POSTINGS,
	PARAMETER_NEIGHBOURS,
	PARAMETER_LONG_WEIGHT,
	PARAMETER_ITEM_DECAY,
	PARAMETER_IDF_POWER,
	PARAMETER_OVERLAP_POWER,
	PARAMETER_AGE_DECAY,
	PARAMETER_RECENT_DECAY,
	PARAMETER_FORWARD_DECAY,
	PARAMETER_BACKWARD_DECAY,
	PARAMETER_BACKWARD_WEIGHT
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
	params->itemDecay = 4;
	params->idfPower = 2;
	params->overlapPower = 2;
	params->ageDecay = 90;
	params->recentDecay = 4;
	params->forwardDecay = 1.4;
	params->backwardDecay = 1.4;
	params->backwardWeight = 0.8;
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
	params->itemDecay = NUMBER(PARAMETER_ITEM_DECAY);
	params->idfPower = NUMBER(PARAMETER_IDF_POWER);
	params->overlapPower = NUMBER(PARAMETER_OVERLAP_POWER);
	params->ageDecay = NUMBER(PARAMETER_AGE_DECAY);
	params->recentDecay = NUMBER(PARAMETER_RECENT_DECAY);
	params->forwardDecay = NUMBER(PARAMETER_FORWARD_DECAY);
	params->backwardDecay = NUMBER(PARAMETER_BACKWARD_DECAY);
	params->backwardWeight = NUMBER(PARAMETER_BACKWARD_WEIGHT);
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

/* Keys of an array of ids, the last of them first. */
static int64 *
KeysFromArray(ArrayType *array, int *count)
{
	Datum	   *ids;
	bool	   *nulls;
	int64	   *keys;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &ids, &nulls, count);
	keys = palloc_array(int64, Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("an item of the session is null")));
		keys[*count - 1 - i] = KeyFromText(DatumGetTextPP(ids[i]));
	}
	return keys;
}

/* session_neighbours(session_items, n, as_of, allow_last) */
Datum
personalize_session_neighbours(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	KnnQuery	query = {0};
	KnnItem    *results;
	Knn		   *knn;
	int			count;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"session_items\" and \"n\" must not be null")));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	query.items = KeysFromArray(PG_GETARG_ARRAYTYPE_P(0), &query.itemCount);
	query.maxResults = PG_GETARG_INT32(1);
	query.now = PG_ARGISNULL(2) ? GetCurrentTransactionStartTimestamp() : PG_GETARG_TIMESTAMPTZ(2);
	query.past = query.now < GetCurrentTransactionStartTimestamp();
	query.allowLast = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	knn = KnnOpen(GetActiveSnapshot());
	count = KnnScore(knn, &query, &results);
	KnnClose(knn);
	for (int i = 0; i < count; i++)
	{
		Datum		values[3] = {
			Int64GetDatum(results[i].itemKey),
			Float8GetDatum(results[i].score),
			Int64GetDatum(results[i].because)
		};
		bool		nulls[3] = {false};

		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}
