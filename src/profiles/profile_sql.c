/*
 * profile_sql.c
 *		The readers of profiles: profile(), features(), recent().
 */
#include "postgres.h"

#include <math.h>

#include "base/argument.h"
#include "base/interval.h"
#include "base/json_build.h"
#include "base/key.h"
#include "base/number.h"
#include "base/result_row.h"
#include "base/stored_row.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "common/int.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "people/identity.h"
#include "people/policy.h"
#include "people/purpose.h"
#include "profiles/analyst_purpose.h"
#include "profiles/profile_delta.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(personalize_profile);
PG_FUNCTION_INFO_V1(personalize_features);
PG_FUNCTION_INFO_V1(personalize_recent);
PG_FUNCTION_INFO_V1(personalize_recent_items);
PG_FUNCTION_INFO_V1(personalize_profile_steps);

/* A feature as it is returned. */
typedef struct FeatureRow
{
	const Signal *signal;
	text	   *value;
	int64		count;
	int64		sum;
	double		decayed;
	TimestampTz last;
	FeatureExtremes extremes;
} FeatureRow;
typedef FeatureRow *FeatureRowPointer;

/* The features of a view, over a span, in the order in which they are returned. */
typedef struct FeatureRows
{
	int			count;
	FeatureRowPointer *rows;
} FeatureRows;

/* Order rows by signal, the most weighty first. */
static inline int
CompareRows(const FeatureRow *a, const FeatureRow *b)
{
	if (a->signal->id != b->signal->id)
		return a->signal->id - b->signal->id;
	if (a->decayed != b->decayed)
		return a->decayed > b->decayed ? -1 : 1;
	if (a->value == NULL || b->value == NULL)
		return (a->value == NULL) - (b->value == NULL);
	return varstr_cmp(VARDATA_ANY(a->value), VARSIZE_ANY_EXHDR(a->value),
					  VARDATA_ANY(b->value), VARSIZE_ANY_EXHDR(b->value), C_COLLATION_OID);
}

/* Sort rows, with the comparison inlined. */
#define ST_SORT SortRows
#define ST_ELEMENT_TYPE FeatureRowPointer
#define ST_COMPARE(a, b) CompareRows(*(a), *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Collect what was counted in (since, until]. */
static FeatureRows
CollectRows(const ProfileView *view, TimestampTz since, TimestampTz until)
{
	FeatureRows result = {0};
	FeatureIterator iterator;
	Feature		feature;
	FeatureRow *rows;
	StoredRow	stored;

	if (view->features == NULL)
		return result;
	StoredRowBegin(&stored, STORED_PROFILE, &view->userKey);
	rows = palloc_array(FeatureRow, FeatureStateCount(view->features) + 1);
	result.rows = palloc_array(FeatureRowPointer, FeatureStateCount(view->features) + 1);
	FeatureIteratorBegin(&iterator, view->features);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		FeatureRow *row = &rows[result.count];

		row->signal = ProfileSignal(view, feature.key);
		if (row->signal == NULL)
			continue;
		FeatureSum(&feature, since, until, &row->count, &row->sum);
		if (row->count == 0)
			continue;
		row->value = ProfileValueText(view, row->signal, feature.key);
		row->decayed = FeatureDecayed(&feature, row->signal->halfLife, until);
		row->last = feature.last;
		row->extremes.kept = 0;
		if (row->signal->keeps != 0)
			(void) FeatureExtremesOver(&feature, since, until, &row->extremes);
		result.rows[result.count++] = row;
	}
	StoredRowEnd(&stored);
	SortRows(result.rows, result.count);
	return result;
}

/* The user's key out of the first argument. */
static int64
UserArgument(FunctionCallInfo fcinfo)
{
	return IdentityKeyArgument(fcinfo, 0, "user_id");
}

/* The bit of the purpose in force; 0 if reading is denied silently. */
static int32
PurposeArgument(FunctionCallInfo fcinfo, int argument)
{
	return PolicyPurpose(PG_ARGISNULL(argument) ? NULL : PG_GETARG_TEXT_PP(argument));
}

/* The span of time the arguments ask for: (since, until]. */
void
ProfileSpanArguments(FunctionCallInfo fcinfo, int period, TimestampTz *since, TimestampTz *until)
{
	int64		length;

	*until = PG_ARGISNULL(period + 1) ? GetCurrentStatementStartTimestamp() : PG_GETARG_TIMESTAMPTZ(period + 1);
	*since = DT_NOBEGIN;
	if (PG_ARGISNULL(period))
		return;
	length = IntervalLength(PG_GETARG_INTERVAL_P(period));
	if (length <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period \"%s\" must be longer than nothing",
						DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(period)))),
				 errhint("Leave it NULL for all that is kept.")));
	if (!TIMESTAMP_NOT_FINITE(*until) && !pg_sub_s64_overflow(*until, length, since) &&
		!IS_VALID_TIMESTAMP(*since))
		*since = DT_NOBEGIN;
}

/* Set a column, or leave it null. */
static void
SetColumn(Datum *values, bool *nulls, int column, bool isNull, Datum value)
{
	nulls[column] = isNull;
	values[column] = isNull ? (Datum) 0 : value;
}

/* features(user_id, period, as_of, purpose): what was counted over a span of time. */
Datum
personalize_features(PG_FUNCTION_ARGS)
{
	TimestampTz since;
	TimestampTz until;
	int64		userKey;
	int32		purpose;
	ProfileView *view;
	FeatureRows rows;
	ResultRows	result;
	const Signal *signal = NULL;
	Datum		name = 0;

	ProfileSpanArguments(fcinfo, 1, &since, &until);
	userKey = UserArgument(fcinfo);
	purpose = PurposeArgument(fcinfo, 3);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (purpose == 0 || !AnalystCheckAnySignal(purpose))
		return (Datum) 0;
	view = ProfileLoad(userKey, purpose);
	rows = CollectRows(view, since, until);
	ResultRowsBegin(&result, (ReturnSetInfo *) fcinfo->resultinfo);
	for (int i = 0; i < rows.count; i++)
	{
		FeatureRow *row = rows.rows[i];
		TimestampTz complete = row->signal->completeSince;
		Datum		values[12];
		bool		nulls[12];

		if (row->signal != signal)
			name = CStringGetTextDatum(row->signal->name);
		signal = row->signal;
		SetColumn(values, nulls, 0, false, name);
		SetColumn(values, nulls, 1, row->value == NULL, PointerGetDatum(row->value));
		SetColumn(values, nulls, 2, false, Int64GetDatum(row->count));
		SetColumn(values, nulls, 3, false, NumberOfMillionths(row->sum));
		SetColumn(values, nulls, 4, false, Float8GetDatum(row->decayed));
		SetColumn(values, nulls, 5, false, TimestampTzGetDatum(row->last));
		SetColumn(values, nulls, 6, complete == DT_NOBEGIN, TimestampTzGetDatum(complete));
		SetColumn(values, nulls, 7, false, BoolGetDatum(view->stale));
		FeatureExtremesDatums(&row->extremes, &values[8], &nulls[8]);
		ResultRowsPut(&result, values, nulls);
	}
	return (Datum) 0;
}

/* The id of an item; NULL if nobody knows it. */
static text *
IdOfItem(const ProfileView *view, int64 itemKey)
{
	static const Signal itemSignal = {.path = {.kind = SIGNAL_KEY_ITEM}};

	if (KeyIsNumber(itemKey))
		return cstring_to_text(psprintf(INT64_FORMAT, itemKey));
	return ProfileValueText(view, &itemSignal, FeatureValueHash(itemKey));
}

/* recent(user_id, n, purpose): the last items, newest first. */
Datum
personalize_recent(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	int			limit = PG_ARGISNULL(1) ? PROFILE_MAX_RECENT : PG_GETARG_INT32(1);
	int64		userKey = UserArgument(fcinfo);
	int32		purpose = PurposeArgument(fcinfo, 2);
	ProfileView *view;

	if (limit < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n must not be negative, but is %d", limit)));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (purpose == 0)
		return (Datum) 0;
	view = ProfileLoad(userKey, purpose);
	for (int i = 0; i < Min(view->recentCount, limit); i++)
	{
		const ProfileItem *item = &view->recent[i];
		text	   *id = IdOfItem(view, item->itemKey);
		const SignalEvent *event = SignalSetEvent(&view->signals, item->event);
		Datum		values[6];
		bool		nulls[6];

		SetColumn(values, nulls, 0, false, Int32GetDatum(i + 1));
		SetColumn(values, nulls, 1, id == NULL, PointerGetDatum(id));
		SetColumn(values, nulls, 2, false, Int64GetDatum(item->itemKey));
		SetColumn(values, nulls, 3, event == NULL, event ? CStringGetTextDatum(event->name) : (Datum) 0);
		SetColumn(values, nulls, 4, false, TimestampTzGetDatum(item->ts));
		SetColumn(values, nulls, 5, false, BoolGetDatum(view->stale));
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The features as JSON: {signal: [{"value", "count", "sum", "decayed"}, ...], ...}. */
static Jsonb *
FeaturesToJson(const FeatureRows *rows)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < rows->count; i++)
	{
		const FeatureRow *row = rows->rows[i];
		double		rounded = rint(row->decayed * 1e6) / 1e6;

		if (i == 0 || rows->rows[i - 1]->signal != row->signal)
		{
			JsonPushKey(&state, row->signal->name);
			pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		}
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		JsonPushText(&state, "value", row->value);
		JsonPushNumber(&state, "count", row->count);
		JsonPushNumeric(&state, "sum", DatumGetNumeric(NumberOfMillionths(row->sum)));
		JsonPushNumeric(&state, "decayed",
						DatumGetNumeric(DirectFunctionCall1(float8_numeric, Float8GetDatum(rounded))));
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		if (i == rows->count - 1 || rows->rows[i + 1]->signal != row->signal)
			pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

/* The features a view shows at a time. */
Jsonb *
ProfileFeaturesJson(const ProfileView *view, TimestampTz now)
{
	FeatureRows rows = CollectRows(view, DT_NOBEGIN, now);

	return FeaturesToJson(&rows);
}

/* The names of purposes as text[]. */
static Datum
PurposesToArray(int32 mask)
{
	PurposeCatalogue *purposes = PurposeCatalogueRead(GetActiveSnapshot());
	Datum		names[PURPOSE_MAX];
	int			count = 0;

	for (int bit = 0; bit < PURPOSE_MAX; bit++)
	{
		if ((mask & ((int32) 1 << bit)) != 0 && purposes->names[bit] != NULL)
			names[count++] = CStringGetTextDatum(purposes->names[bit]);
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* profile(user_id, purpose): everything about one person in one row. */
Datum
personalize_profile(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		userKey = UserArgument(fcinfo);
	int32		purpose = PurposeArgument(fcinfo, 1);
	bool		mayCount = (purpose & PURPOSE_PERSONALIZATION) != 0;
	ProfileView *view;
	FeatureRows rows;
	Datum		values[8];
	bool		nulls[8];

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (purpose == 0 || (!mayCount && !AnalystCheckAnySignal(purpose)))
		return (Datum) 0;
	view = ProfileLoad(userKey, purpose);
	/* somebody of whom nothing is stored yet may have events waiting */
	if (!view->exists && !view->stale)
		return (Datum) 0;
	rows = CollectRows(view, DT_NOBEGIN, GetCurrentStatementStartTimestamp());
	SetColumn(values, nulls, 0, false, Int64GetDatum(view->userKey));
	SetColumn(values, nulls, 1, !mayCount, Int64GetDatum(view->events));
	SetColumn(values, nulls, 2, !mayCount || view->firstSeen == DT_NOEND,
			  TimestampTzGetDatum(view->firstSeen));
	SetColumn(values, nulls, 3, !mayCount || view->lastSeen == DT_NOBEGIN,
			  TimestampTzGetDatum(view->lastSeen));
	SetColumn(values, nulls, 4, false, PurposesToArray(view->mask));
	SetColumn(values, nulls, 5, false, JsonbPGetDatum(FeaturesToJson(&rows)));
	SetColumn(values, nulls, 6, view->features == NULL, view->features == NULL ? (Datum) 0 :
			  Int64GetDatum(FeatureStateEvicted(view->features)));
	SetColumn(values, nulls, 7, false, BoolGetDatum(view->stale));
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
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

/* _profile_steps(steps, user_key) */
Datum
personalize_profile_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	ProfileSteps steps;
	StoredRow	row;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	StoredRowBegin(&row, STORED_PROFILE, (int64[]) {PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1)});
	ProfileStepsUnpack(PG_GETARG_BYTEA_PP(0), &steps);
	StoredRowEnd(&row);
	for (int i = 0; i < steps.count; i++)
	{
		const ProfileStep *step = &steps.steps[i];
		Datum		values[3 + PROFILE_STEP_KEYS] = {
			TimestampTzGetDatum(step->ts), Int16GetDatum(step->event), Int32GetDatum(step->mask)
		};
		bool		nulls[lengthof(values)] = {false};

		for (int key = 0; key < PROFILE_STEP_KEYS; key++)
		{
			values[3 + key] = Int64GetDatum(step->keys[key]);
			nulls[3 + key] = (step->has & (1 << key)) == 0;
		}
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}
