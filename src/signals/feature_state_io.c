/*
 * feature_state_io.c
 *		feature_state as an SQL type: text, binary, jsonb, operators, aggregate.
 *
 * The text form is JSON, so it is at once what a cast to jsonb gives; the binary
 * form is the payload in its canonical encoding.  Either way the input is decoded,
 * checked by FeatureStateCheck and encoded anew; binary input that does not come
 * out as it went in is refused, so that equal states are equal bytes however they
 * came into the database.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include "base/argument.h"
#include "base/interval.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "signals/feature_state_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_feature_state_in);
PG_FUNCTION_INFO_V1(personalize_feature_state_out);
PG_FUNCTION_INFO_V1(personalize_feature_state_recv);
PG_FUNCTION_INFO_V1(personalize_feature_state_send);
PG_FUNCTION_INFO_V1(personalize_feature_state_to_jsonb);
PG_FUNCTION_INFO_V1(personalize_feature_state_from_jsonb);
PG_FUNCTION_INFO_V1(personalize_feature_state_apply);
PG_FUNCTION_INFO_V1(personalize_feature_state_distinct);
PG_FUNCTION_INFO_V1(personalize_feature_state_merge);
PG_FUNCTION_INFO_V1(personalize_feature_state_subtract);
PG_FUNCTION_INFO_V1(personalize_feature_state_cmp);
PG_FUNCTION_INFO_V1(personalize_feature_state_eq);
PG_FUNCTION_INFO_V1(personalize_feature_state_ne);
PG_FUNCTION_INFO_V1(personalize_feature_state_lt);
PG_FUNCTION_INFO_V1(personalize_feature_state_le);
PG_FUNCTION_INFO_V1(personalize_feature_state_gt);
PG_FUNCTION_INFO_V1(personalize_feature_state_ge);
PG_FUNCTION_INFO_V1(personalize_feature_state_hash);

/* Text in: JSON. */
Datum
personalize_feature_state_in(PG_FUNCTION_ARGS)
{
	Datum		document = DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(0));

	PG_RETURN_POINTER(FeatureStateParse(DatumGetJsonbP(document)));
}

/* Text out: JSON. */
Datum
personalize_feature_state_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(FeatureStateFormat(FeatureStateCanonical(PG_GETARG_FEATURE_STATE_P(0))));
}

/* Binary in: the payload, which must be one that this code would write. */
Datum
personalize_feature_state_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length = message->len - message->cursor;
	FeatureState *received = palloc(VARHDRSZ + length);
	FeatureState *state;
	FeatureAddition decoded;

	SET_VARSIZE(received, VARHDRSZ + length);
	pq_copymsgbytes(message, VARDATA(received), length);
	FeatureStateDecode(received, &decoded);
	FeatureStateCheck(&decoded);
	state = FeatureStateCombine(NULL, &decoded, NULL);
	if (VARSIZE(state) != VARSIZE(received) ||
		memcmp(VARDATA(state), VARDATA(received), length) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("feature state is not in its canonical encoding")));
	PG_RETURN_POINTER(state);
}

/* Binary out: the payload. */
Datum
personalize_feature_state_send(PG_FUNCTION_ARGS)
{
	FeatureState *state = FeatureStateCanonical(PG_GETARG_FEATURE_STATE_P(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, VARDATA_ANY(state), VARSIZE_ANY_EXHDR(state));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* Cast to jsonb. */
Datum
personalize_feature_state_to_jsonb(PG_FUNCTION_ARGS)
{
	char	   *text = FeatureStateFormat(FeatureStateCanonical(PG_GETARG_FEATURE_STATE_P(0)));

	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/* Cast from jsonb. */
Datum
personalize_feature_state_from_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(FeatureStateParse(PG_GETARG_JSONB_P(0)));
}

/* The elements of an array argument without nulls, which must be so many unless -1. */
static Datum *
GetArrayArgument(FunctionCallInfo fcinfo, int argument, Oid type, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
	Datum	   *elements;
	int			found;

	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument %d must be an array of one dimension without nulls", argument + 1)));
	if (type == INTERVALOID)
		deconstruct_array(array, type, sizeof(Interval), false, TYPALIGN_DOUBLE,
						  &elements, NULL, &found);
	else
		deconstruct_array(array, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &elements, NULL, &found);
	if (*count >= 0 && found != *count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument %d must have %d elements, not %d", argument + 1, *count, found)));
	*count = found;
	return elements;
}

/* An age in microseconds. */
static int64
GetAge(Datum interval)
{
	int64		age = IntervalLength(DatumGetIntervalP(interval));

	if (age < 0 || age == PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("age is out of range")));
	return age;
}

/* A state, or NULL, with deltas in it, under one policy for all signals. */
Datum
personalize_feature_state_apply(PG_FUNCTION_ARGS)
{
	FeaturePolicySet policies = {0};
	FeatureDelta *deltas;
	Datum	   *columns[4];
	Datum	   *ages;
	int			count = -1;
	int			ageCount = 3;
	int			fine;

	for (int i = 1; i < 8; i++)
		if (PG_ARGISNULL(i))
			ArgumentReportNull(psprintf("argument %d", i + 1));
	for (int i = 0; i < 4; i++)
		columns[i] = GetArrayArgument(fcinfo, i + 1, i == 1 ? TIMESTAMPTZOID : INT8OID, &count);
	fine = PG_GETARG_INT32(5);
	if (PG_GETARG_INT32(7) < 0 || PG_GETARG_INT32(7) > 31)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("what panes keep, %d, is not between 0 and 31", PG_GETARG_INT32(7))));
	policies.fallback.keeps = (uint8) PG_GETARG_INT32(7);
	if (fine < 0 || fine >= FEATURE_GRAIN_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("grain %d is out of range", fine)));
	ages = GetArrayArgument(fcinfo, 6, INTERVALOID, &ageCount);
	policies.fallback.fine = (FeatureGrain) fine;
	policies.fallback.hourAfter = GetAge(ages[0]);
	policies.fallback.dayAfter = GetAge(ages[1]);
	policies.fallback.expireAfter = GetAge(ages[2]);

	deltas = palloc(mul_size(sizeof(FeatureDelta), count + 1));
	for (int i = 0; i < count; i++)
	{
		deltas[i].key = (uint64) DatumGetInt64(columns[0][i]);
		deltas[i].ts = DatumGetTimestampTz(columns[1][i]);
		deltas[i].count = DatumGetInt64(columns[2][i]);
		deltas[i].sum = DatumGetInt64(columns[3][i]);
		deltas[i].extremes = NULL;
		deltas[i].distinct = NULL;
		if (FeatureIsDistinct(deltas[i].key))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key " INT64_FORMAT " is that of no value", (int64) deltas[i].key)));
		if (deltas[i].count < 1 || TIMESTAMP_NOT_FINITE(deltas[i].ts))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a count is below 1 or a time is infinite")));
	}
	PG_RETURN_POINTER(FeatureStateApply(PG_ARGISNULL(0) ? NULL : PG_GETARG_FEATURE_STATE_P(0),
										deltas, count, &policies));
}

/* How many different values the state has of a signal; null if it does not keep them. */
Datum
personalize_feature_state_distinct(PG_FUNCTION_ARGS)
{
	FeatureState *state = PG_GETARG_FEATURE_STATE_P(0);
	TimestampTz since = PG_GETARG_TIMESTAMPTZ(2);
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(3);
	Datum		values[2];
	bool		nulls[2] = {false};
	TupleDesc	desc;
	Feature		feature;
	bool		estimated;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!FeatureStateFind(state, FeatureKeyMake(PG_GETARG_INT32(1), FEATURE_VALUE_DISTINCT), &feature))
		PG_RETURN_NULL();
	values[0] = Int64GetDatum(FeatureDistinctOver(&feature, since, until, &estimated));
	values[1] = Float8GetDatum(FEATURE_DISTINCT_ERROR);
	nulls[1] = !estimated;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Both in one; also the transition and the combine function of the aggregate. */
Datum
personalize_feature_state_merge(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(FeatureStateMerge(PG_GETARG_FEATURE_STATE_P(0),
										PG_GETARG_FEATURE_STATE_P(1), NULL));
}

/* The left one without the right one. */
Datum
personalize_feature_state_subtract(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(FeatureStateSubtract(PG_GETARG_FEATURE_STATE_P(0),
										   PG_GETARG_FEATURE_STATE_P(1)));
}

/* Compare two arguments by their canonical bytes. */
static int
CompareArguments(FunctionCallInfo fcinfo)
{
	FeatureState *left = FeatureStateCanonical(PG_GETARG_FEATURE_STATE_P(0));
	FeatureState *right = FeatureStateCanonical(PG_GETARG_FEATURE_STATE_P(1));
	int			leftLength = VARSIZE_ANY_EXHDR(left);
	int			rightLength = VARSIZE_ANY_EXHDR(right);
	int			result = memcmp(VARDATA_ANY(left), VARDATA_ANY(right),
								Min(leftLength, rightLength));

	PG_FREE_IF_COPY(left, 0);
	PG_FREE_IF_COPY(right, 1);
	if (result == 0)
		result = leftLength < rightLength ? -1 : leftLength > rightLength;
	return result;
}

/* Order for btree. */
Datum
personalize_feature_state_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(CompareArguments(fcinfo));
}

/* = */
Datum
personalize_feature_state_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CompareArguments(fcinfo) == 0);
}

/* <> */
Datum
personalize_feature_state_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CompareArguments(fcinfo) != 0);
}

/* < */
Datum
personalize_feature_state_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CompareArguments(fcinfo) < 0);
}

/* <= */
Datum
personalize_feature_state_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CompareArguments(fcinfo) <= 0);
}

/* > */
Datum
personalize_feature_state_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CompareArguments(fcinfo) > 0);
}

/* >= */
Datum
personalize_feature_state_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(CompareArguments(fcinfo) >= 0);
}

/* Hash for hash indexes, joins and aggregates. */
Datum
personalize_feature_state_hash(PG_FUNCTION_ARGS)
{
	FeatureState *state = FeatureStateCanonical(PG_GETARG_FEATURE_STATE_P(0));
	Datum		hash = hash_any((unsigned char *) VARDATA_ANY(state), VARSIZE_ANY_EXHDR(state));

	PG_FREE_IF_COPY(state, 0);
	PG_RETURN_DATUM(hash);
}
