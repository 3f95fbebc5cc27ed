/*
 * session_neighbours.c
 *		The neighbour score as a SQL function, by the parameters recommend() uses.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/key.h"
#include "base/scratch.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "engines/registry.h"
#include "engines/sources.h"
#include "engines/variant.h"
#include "funcapi.h"
#include "neighbours/knn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_session_neighbours);

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
		keys[*count - 1 - i] = KeyFromText(KeyCheckElement(ids[i], nulls[i], "session_items"));
	return keys;
}

/* session_neighbours(session_items, n, as_of, allow_last) */
Datum
personalize_session_neighbours(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	KnnQuery	query = {0};
	KnnParams	params;
	MemoryContext scratch;
	MemoryContext caller;
	KnnItem    *results;
	Knn		   *knn;
	int			count;

	ArgumentCheckGiven(fcinfo, 0, "session_items");
	ArgumentCheckGiven(fcinfo, 1, "n");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SourcesKnnParams(VariantFind(RegistryFind("recommend", false), NULL), &params);
	query.params = &params;
	scratch = ScratchTake();
	caller = MemoryContextSwitchTo(scratch);
	query.items = KeysFromArray(PG_GETARG_ARRAYTYPE_P(0), &query.itemCount);
	query.maxResults = PG_GETARG_INT32(1);
	query.now = PG_ARGISNULL(2) ? GetCurrentTransactionStartTimestamp() : PG_GETARG_TIMESTAMPTZ(2);
	query.past = query.now < GetCurrentTransactionStartTimestamp();
	query.returns = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3) ? KNN_RETURN_ALL : KNN_RETURN_EARLIER;
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
	MemoryContextSwitchTo(caller);
	ScratchGiveBack(scratch);
	return (Datum) 0;
}
