/*
 * feature_state_json.c
 *		feature_state as JSON, which is its text form.
 *
 *		{"newest": "2026-01-31T12:00:00Z", "evicted": 0, "features": [
 *			{"signal": 1, "value": 81985529216486, "last": "2026-01-31T12:00:00Z",
 *			 "panes": [["5min", "2026-01-31T12:00:00Z", 3, 4.5]]}]}
 *
 * A pane is its grain, start, count and sum, and, where it keeps some of them,
 * {"min": 1, "max": 2, "first": [time, 1], "last": [time, 2]}; of the feature that holds a
 * signal's different values {"distinct": [1, 2]} or {"registers": "hexadecimal"}.  Times are UTC
 * whatever the session says, so that a dump means the same everywhere.
 */
#include "postgres.h"

#include "signals/feature_state.h"

#include <ctype.h>

#include "base/json_member.h"
#include "common/int.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "signals/feature_state_internal.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static const char *const grainName[FEATURE_GRAIN_COUNT] = {"5min", "hour", "day"};
/* by the bits of what is kept */
static const char *const extremeName[] = {"min", "max", "first", "last"};

/* Complain about text or jsonb that is no feature state. */
static void
ReportMalformed(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input for type feature_state"),
			 errdetail_internal("%s", detail)));
}

/* Check what a pane keeps beside count and sum. */
static void
CheckKept(const FeatureGroup *group, const FeaturePane *pane)
{
	if (FeatureIsDistinct(group->key) != (pane->distinct.bytes != NULL))
		ReportMalformed("Different values are kept by a feature that is one value, or the other way round.");
	if (pane->distinct.bytes != NULL && (pane->count != 1 || pane->sum != FEATURE_SUM_UNIT))
		ReportMalformed("The count and the sum of different values are not 1.");
	if (FeatureExtremesProblem(pane) != NULL)
		ReportMalformed(FeatureExtremesProblem(pane));
}

/* Check what both forms of input must obey; sorts the features. */
void
FeatureStateCheck(FeatureAddition *state)
{
	int			features = 0;

	for (int i = 0; i < state->count; i++)
		features += !FeatureIsDistinct(state->groups[i].key);
	if (features > FEATURE_STATE_MAX_FEATURES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("feature state has more than %d features", FEATURE_STATE_MAX_FEATURES)));
	if (state->evicted < 0)
		ReportMalformed("\"evicted\" is negative.");
	if (!FeatureGroupsSort(state->groups, state->count))
		ReportMalformed("A feature is there twice.");
	for (int i = 0; i < state->count; i++)
	{
		const FeatureGroup *group = &state->groups[i];
		const FeaturePane *newest;

		if (group->count == 0)
			ReportMalformed("A feature has no panes.");
		newest = &group->panes[group->count - 1];
		for (int j = 1; j < group->count; j++)
			if (group->panes[j].start < group->panes[j - 1].end)
				ReportMalformed("Panes overlap or are not newest first.");
		if (group->last < newest->start || group->last >= newest->end)
			ReportMalformed("A feature's last event is not in its newest pane.");
		if (group->last > state->newest)
			ReportMalformed("A feature's last event is after \"newest\".");
		for (int j = 0; j < group->count; j++)
			CheckKept(group, &group->panes[j]);
	}
}

/* Append a time as ISO 8601 in UTC; years before 1 are astronomical. */
static void
AppendTime(StringInfo out, TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fraction;

	if (timestamp2tm(time, NULL, &tm, &fraction, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	appendStringInfo(out, "\"%s%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year < 0 ? "-" : "",
					 abs(tm.tm_year), tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fraction != 0)
		appendStringInfo(out, ".%06d", (int) fraction);
	appendStringInfoString(out, "Z\"");
}

/* Append a sum in units, without zeros at the end. */
static void
AppendSum(StringInfo out, int64 sum)
{
	uint64		size = sum < 0 ? -(uint64) sum : (uint64) sum;

	appendStringInfo(out, "%s" UINT64_FORMAT, sum < 0 ? "-" : "", size / FEATURE_SUM_UNIT);
	if (size % FEATURE_SUM_UNIT != 0)
	{
		appendStringInfo(out, ".%06d", (int) (size % FEATURE_SUM_UNIT));
		while (out->data[out->len - 1] == '0')
			out->data[--out->len] = '\0';
	}
}

/* Append the numbers that a pane keeps. */
static void
AppendExtremes(StringInfo out, const FeatureExtremes *extremes)
{
	const int64 numbers[] = {extremes->min, extremes->max, extremes->first, extremes->last};
	const char *separator = ", {";

	for (int i = 0; i < lengthof(numbers); i++)
	{
		if ((extremes->kept & (1 << i)) == 0)
			continue;
		appendStringInfo(out, "%s\"%s\": ", separator, extremeName[i]);
		separator = ", ";
		if (1 << i >= FEATURE_KEEPS_FIRST)
		{
			appendStringInfoChar(out, '[');
			AppendTime(out, 1 << i == FEATURE_KEEPS_FIRST ? extremes->firstAt : extremes->lastAt);
			appendStringInfoString(out, ", ");
		}
		AppendSum(out, numbers[i]);
		if (1 << i >= FEATURE_KEEPS_FIRST)
			appendStringInfoChar(out, ']');
	}
	appendStringInfoChar(out, '}');
}

/* Append the different values that a pane holds. */
static void
AppendDistinct(StringInfo out, const FeatureDistinct *distinct)
{
	uint64		values[FEATURE_DISTINCT_EXACT];
	int			count = FeatureDistinctValues(distinct, values);

	appendStringInfoString(out, count > 0 ? ", {\"distinct\": [" : ", {\"registers\": \"");
	for (int i = 0; i < count; i++)
		appendStringInfo(out, "%s" UINT64_FORMAT, i > 0 ? ", " : "", values[i]);
	for (int i = 1; i < distinct->size && count == 0; i++)
		appendStringInfo(out, "%02x", distinct->bytes[i]);
	appendStringInfoString(out, count > 0 ? "]}" : "\"}");
}

/* Append a feature and its panes. */
static void
AppendFeature(StringInfo out, const Feature *feature)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;
	const char *separator = "";

	appendStringInfo(out, "{\"signal\": %d, \"value\": " UINT64_FORMAT ", \"last\": ",
					 FeatureKeySignal(feature->key), FeatureKeyHash(feature->key));
	AppendTime(out, feature->last);
	appendStringInfoString(out, ", \"panes\": [");
	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
	{
		appendStringInfo(out, "%s[\"%s\", ", separator, grainName[pane.grain]);
		AppendTime(out, pane.start);
		appendStringInfo(out, ", " INT64_FORMAT ", ", pane.count);
		AppendSum(out, pane.sum);
		if (pane.distinct.bytes != NULL)
			AppendDistinct(out, &pane.distinct);
		if (pane.extremes.kept != 0)
			AppendExtremes(out, &pane.extremes);
		appendStringInfoChar(out, ']');
		separator = ", ";
	}
	appendStringInfoString(out, "]}");
}

/* The JSON text of a state. */
char *
FeatureStateFormat(const FeatureState *state)
{
	FeatureIterator iterator;
	Feature		feature;
	StringInfoData out;
	const char *separator = "";

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"newest\": ");
	if (FeatureStateNewest(state) == DT_NOBEGIN)
		appendStringInfoString(&out, "null");
	else
		AppendTime(&out, FeatureStateNewest(state));
	appendStringInfo(&out, ", \"evicted\": " INT64_FORMAT ", \"features\": [",
					 FeatureStateEvicted(state));
	FeatureIteratorBeginAll(&iterator, state);
	while (FeatureIteratorNext(&iterator, &feature))
	{
		appendStringInfoString(&out, separator);
		AppendFeature(&out, &feature);
		separator = ", ";
	}
	appendStringInfoString(&out, "]}");
	return out.data;
}

/* Read exactly so many digits; -1 if they are not there. */
static int
ReadDigits(const char **in, int digits)
{
	int			value = 0;

	for (int i = 0; i < digits; i++, (*in)++)
	{
		if (!isdigit((unsigned char) **in))
			return -1;
		value = value * 10 + (**in - '0');
	}
	return value;
}

/* Read so many digits after a separator; -1 if they are not there. */
static int
ReadPart(const char **in, char separator, int digits)
{
	if (**in != separator)
		return -1;
	(*in)++;
	return ReadDigits(in, digits);
}

/* A time as AppendTime writes it. */
static TimestampTz
ParseTime(const JsonbValue *value)
{
	struct pg_tm tm = {0};
	char	   *string;
	const char *in;
	int			yearDigits = 0;
	int			fraction = 0;
	TimestampTz time;

	if (value == NULL || value->type != jbvString || value->val.string.len > 40)
		ReportMalformed("A time is not a string.");
	string = pnstrdup(value->val.string.val, value->val.string.len);
	in = *string == '-' ? string + 1 : string;
	while (isdigit((unsigned char) in[yearDigits]))
		yearDigits++;
	if (yearDigits >= 4 && yearDigits <= 6)
	{
		tm.tm_year = ReadDigits(&in, yearDigits) * (*string == '-' ? -1 : 1);
		tm.tm_mon = ReadPart(&in, '-', 2);
		tm.tm_mday = ReadPart(&in, '-', 2);
		tm.tm_hour = ReadPart(&in, 'T', 2);
		tm.tm_min = ReadPart(&in, ':', 2);
		tm.tm_sec = ReadPart(&in, ':', 2);
		if (*in == '.')
			fraction = ReadPart(&in, '.', 6);
	}
	if (strcmp(in, "Z") != 0 || tm.tm_mon < 1 || tm.tm_mon > MONTHS_PER_YEAR ||
		tm.tm_mday < 1 || tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1] ||
		tm.tm_hour < 0 || tm.tm_hour >= HOURS_PER_DAY ||
		tm.tm_min < 0 || tm.tm_min >= MINS_PER_HOUR ||
		tm.tm_sec < 0 || tm.tm_sec >= SECS_PER_MINUTE || fraction < 0 ||
		tm2timestamp(&tm, fraction, NULL, &time) != 0)
		ReportMalformed(psprintf("\"%s\" is not a time like 2026-01-31T12:00:00.000000Z.", string));
	pfree(string);
	return time;
}

/* A JSON number times 10^decimals, which must be an int64 in minimum..maximum. */
static int64
ParseNumber(const JsonbValue *value, int decimals, int64 minimum, int64 maximum)
{
	char	   *string;
	const char *in;
	bool		negative;
	int			fraction = -1;	/* digits after the point, once it was read */
	int64		number = 0;

	if (value == NULL || value->type != jbvNumeric)
		ReportMalformed("A number is missing.");
	string = DatumGetCString(DirectFunctionCall1(numeric_out,
												 NumericGetDatum(value->val.numeric)));
	negative = *string == '-';
	for (in = string + negative; *in != '\0' || fraction < decimals; )
	{
		int			digit = 0;

		if (*in == '.' || (*in == '\0' && fraction < 0))
		{
			fraction = 0;
			in += *in == '.';
			continue;
		}
		if (*in != '\0')
			digit = *in++ - '0';
		if (fraction >= decimals)
		{
			/* numeric keeps zeros at the end */
			if (digit != 0)
				ReportMalformed("A number has too many decimals.");
			continue;
		}
		if (digit < 0 || digit > 9 ||
			pg_mul_s64_overflow(number, 10, &number) ||
			pg_sub_s64_overflow(number, digit, &number))
			ReportMalformed("A number is out of range.");
		if (fraction >= 0)
			fraction++;
	}

	/* gathered below zero, where there is room for one more */
	if ((!negative && number == PG_INT64_MIN) ||
		(negative ? number : -number) < minimum || (negative ? number : -number) > maximum)
		ReportMalformed("A number is out of range.");
	pfree(string);
	return negative ? number : -number;
}

/* The value of a key of an object; complains if it is not there. */
static JsonbValue *
GetMember(JsonbContainer *object, const char *key)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	if (!JsonMember(object, key, value))
		ReportMalformed(psprintf("\"%s\" is missing.", key));
	return value;
}

/* The same, which must be an array. */
static JsonbContainer *
GetArray(JsonbContainer *object, const char *key)
{
	JsonbValue *value = GetMember(object, key);

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		ReportMalformed(psprintf("\"%s\" is not an array.", key));
	return value->val.binary.data;
}

/* Check that a value is an object with so many keys. */
static JsonbContainer *
CheckObject(const JsonbValue *value, int keys)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) != keys)
		ReportMalformed("An object does not have the expected keys.");
	return value->val.binary.data;
}

/* A number with its time: [time, number]. */
static int64
ParseTimed(const JsonbValue *value, TimestampTz *time)
{
	JsonbContainer *array;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) != 2)
		ReportMalformed("A first or last number is not an array of a time and a number.");
	array = value->val.binary.data;
	*time = ParseTime(getIthJsonbValueFromContainer(array, 0));
	return ParseNumber(getIthJsonbValueFromContainer(array, 1), 6, PG_INT64_MIN, PG_INT64_MAX);
}

/* The bytes of an array of values. */
static bytea *
ParseValues(const JsonbValue *value)
{
	JsonbContainer *array;
	bytea	   *bytes;
	int			count;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		ReportMalformed("\"distinct\" is not an array.");
	array = value->val.binary.data;
	count = JsonContainerSize(array);
	if (count < 1 || count > FEATURE_DISTINCT_EXACT)
		ReportMalformed(psprintf("\"distinct\" does not have 1 to %d values.", FEATURE_DISTINCT_EXACT));
	bytes = palloc(VARHDRSZ + FEATURE_DISTINCT_MAX_SIZE);
	for (int i = 0; i < count; i++)
		FeatureDistinctSetValue((uint8 *) VARDATA(bytes), i,
								ParseNumber(getIthJsonbValueFromContainer(array, i), 0, 0, FEATURE_HASH_MASK));
	SET_VARSIZE(bytes, VARHDRSZ + FeatureDistinctSetCount((uint8 *) VARDATA(bytes), count));
	return bytes;
}

/* The bytes of registers in hexadecimal. */
static bytea *
ParseRegisters(const JsonbValue *value)
{
	bytea	   *bytes = palloc(VARHDRSZ + FEATURE_DISTINCT_MAX_SIZE);
	int			size = FeatureDistinctSetCount((uint8 *) VARDATA(bytes), 0);

	if (value->type != jbvString || value->val.string.len != 2 * (size - 1))
		ReportMalformed(psprintf("\"registers\" is not a string of %d hexadecimal digits.", 2 * (size - 1)));
	(void) hex_decode(value->val.string.val, value->val.string.len, VARDATA(bytes) + 1);
	SET_VARSIZE(bytes, VARHDRSZ + size);
	return bytes;
}

/* The different values that a pane holds; false if the object is something else. */
static bool
ParseDistinct(JsonbContainer *object, FeaturePane *pane)
{
	JsonbValue	member;
	bytea	   *bytes;
	const uint8 *next;

	if (JsonContainerSize(object) != 1)
		return false;
	if (JsonMember(object, "distinct", &member))
		bytes = ParseValues(&member);
	else if (JsonMember(object, "registers", &member))
		bytes = ParseRegisters(&member);
	else
		return false;
	next = (const uint8 *) VARDATA(bytes);
	if (!FeatureDistinctRead(&next, next + VARSIZE_ANY_EXHDR(bytes), &pane->distinct))
		ReportMalformed("Different values are not ascending, or registers are none.");
	return true;
}

/* The numbers that a pane keeps. */
static void
ParseExtremes(const JsonbValue *value, FeaturePane *pane)
{
	FeatureExtremes *extremes = &pane->extremes;
	int64	   *numbers[] = {&extremes->min, &extremes->max, &extremes->first, &extremes->last};
	JsonbContainer *object;
	JsonbValue	member;
	int			found = 0;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		ReportMalformed("What a pane keeps of its numbers is not an object.");
	object = value->val.binary.data;
	if (ParseDistinct(object, pane))
		return;
	FeatureExtremesOfOne(extremes, 0, pane->sum, pane->start);
	for (int i = 0; i < lengthof(numbers); i++)
	{
		if (!JsonMember(object, extremeName[i], &member))
			continue;
		found++;
		extremes->kept |= 1 << i;
		*numbers[i] = 1 << i < FEATURE_KEEPS_FIRST ? ParseNumber(&member, 6, PG_INT64_MIN, PG_INT64_MAX) :
			ParseTimed(&member, 1 << i == FEATURE_KEEPS_FIRST ? &extremes->firstAt : &extremes->lastAt);
	}
	if (found == 0 || found != JsonContainerSize(object))
		ReportMalformed("What a pane keeps is something else than \"min\", \"max\", \"first\" and \"last\", \"distinct\" or \"registers\".");
}

/* A pane: [grain, start, count, sum] and perhaps what it keeps. */
static void
ParsePane(const JsonbValue *value, FeaturePane *pane)
{
	JsonbContainer *array;
	JsonbValue *grain;
	TimestampTz start;
	int			found = -1;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		(JsonContainerSize(value->val.binary.data) != 4 && JsonContainerSize(value->val.binary.data) != 5))
		ReportMalformed("A pane is not an array of grain, start, count and sum.");
	array = value->val.binary.data;
	grain = getIthJsonbValueFromContainer(array, 0);
	for (int i = 0; i < FEATURE_GRAIN_COUNT; i++)
		if (grain->type == jbvString && grain->val.string.len == strlen(grainName[i]) &&
			memcmp(grain->val.string.val, grainName[i], grain->val.string.len) == 0)
			found = i;
	if (found < 0)
		ReportMalformed("The grain of a pane is none of \"5min\", \"hour\" and \"day\".");
	start = ParseTime(getIthJsonbValueFromContainer(array, 1));
	FeaturePaneSet(pane, start, (FeatureGrain) found);
	if (pane->start != start)
		ReportMalformed("A pane does not start at a multiple of its width.");
	pane->count = ParseNumber(getIthJsonbValueFromContainer(array, 2), 0, 1, PG_INT64_MAX);
	pane->sum = ParseNumber(getIthJsonbValueFromContainer(array, 3), 6, PG_INT64_MIN, PG_INT64_MAX);
	pane->extremes.kept = 0;
	pane->distinct.bytes = NULL;
	if (JsonContainerSize(array) == 5)
		ParseExtremes(getIthJsonbValueFromContainer(array, 4), pane);
}

/* A feature: {"signal", "value", "last", "panes"}. */
static void
ParseFeature(const JsonbValue *value, FeatureGroup *group)
{
	JsonbContainer *object = CheckObject(value, 4);
	JsonbContainer *array = GetArray(object, "panes");
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbValue	element;
	JsonbIteratorToken token;
	int			place = JsonContainerSize(array);

	group->key = FeatureKeyMake(ParseNumber(GetMember(object, "signal"), 0, 0, PG_UINT16_MAX),
								ParseNumber(GetMember(object, "value"), 0, 0, FEATURE_HASH_MASK));
	group->last = ParseTime(GetMember(object, "last"));
	group->count = place;
	group->panes = palloc_extended(mul_size(sizeof(FeaturePane), place + 1), MCXT_ALLOC_HUGE);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			ParsePane(&element, &group->panes[--place]);
}

/* The state a JSON document describes. */
FeatureState *
FeatureStateParse(Jsonb *document)
{
	FeatureAddition state = {0};
	JsonbValue	root;
	JsonbValue	element;
	JsonbValue *newest;
	JsonbContainer *object;
	JsonbContainer *array;
	JsonbIterator *iterator;
	JsonbIteratorToken token;

	root.type = jbvBinary;
	root.val.binary.data = &document->root;
	object = CheckObject(&root, 3);
	newest = GetMember(object, "newest");
	state.newest = newest->type == jbvNull ? DT_NOBEGIN : ParseTime(newest);
	state.evicted = ParseNumber(GetMember(object, "evicted"), 0, 0, PG_INT64_MAX);
	array = GetArray(object, "features");
	state.groups = palloc(sizeof(FeatureGroup) * (JsonContainerSize(array) + 1));
	iterator = JsonbIteratorInit(array);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			ParseFeature(&element, &state.groups[state.count++]);
	FeatureStateCheck(&state);
	return FeatureStateCombine(NULL, &state, NULL);
}
