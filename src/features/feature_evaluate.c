/*
 * feature_evaluate.c
 *		What features are worth for somebody at a time.
 *
 * A value is a function of a feature state, the steps of sequences, a catalogue row, a
 * request and a time; whether the state is that of now or was put together for a time
 * in the past does not matter here.  So values are summed in the order of their keys,
 * not in that of the bytes of a state.
 *
 * Nothing is missing unless nothing happened: a value is null, or its default, if no
 * event counts in the period, or the newest is longer ago than the view's ttl.
 */
#include "postgres.h"

#include "features/feature_evaluate.h"

#include <math.h>

#include "base/json_build.h"
#include "base/json_member.h"
#include "base/key.h"
#include "catalog/pg_type_d.h"
#include "common/shortest_dec.h"
#include "items/item_stat_fold.h"
#include "profiles/segment.h"
#include "signals/feature_value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* One value of a signal, in a period. */
typedef struct Counted
{
	uint64		key;
	int			panes;
	AggregateTotal total;
} Counted;

/* No value. */
static FeatureValue
Missing(FeatureStatus status)
{
	return (FeatureValue) {.isNull = true,.status = status,.last = DT_NOBEGIN};
}

/* A value that is there. */
static FeatureValue
Present(Datum value)
{
	return (FeatureValue) {.value = value,.status = FEATURE_PRESENT,.last = DT_NOBEGIN};
}

/* The signal of a part. */
const Signal *
FeatureSignal(const FeatureNode *node, const SignalSet *signals)
{
	for (int i = 0; i < signals->count; i++)
		if (strcmp(signals->signals[i].name, node->term.signal) == 0)
			return SignalFind(signals, signals->signals[i].id);
	return NULL;
}

/* The segment of a part. */
const Segment *
FeatureSegment(const FeatureNode *node)
{
	const SegmentSet *set = SegmentSetGet();

	for (int i = 0; i < set->count; i++)
		if (strcmp(set->segments[i].name, node->name) == 0)
			return &set->segments[i];
	return NULL;
}

/* Find what a path of names leads to in a JSON object; false if there is nothing, or null. */
static bool
FindMember(Jsonb *object, const char *path, JsonbValue *value)
{
	JsonbContainer *container = object ? &object->root : NULL;
	char	   *rest = pstrdup(path);
	char	   *name;

	while (container != NULL && (name = strsep(&rest, ".")) != NULL)
	{
		if (!JsonMemberGiven(container, name, value))
			return false;
		container = value->type == jbvBinary ? value->val.binary.data : NULL;
		if (rest == NULL)
			return true;
	}
	return false;
}

/* Complain that a member of the request is of another type. */
pg_noreturn static void
ReportType(const FeatureNode *node)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in the request is not of type %s", node->name, FeatureTypeName(node->type)),
			 errhint("The feature view says so; say request.%s %s in it if it is another.", node->name,
					 node->type == FEATURE_TEXT ? "number" : "text")));
}

/* A number that JSON holds, as a double; false if it has none. */
static bool
ReadNumber(const JsonbValue *json, double *number)
{
	*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(json->val.numeric)));
	return isfinite(*number);
}

/* A member of the request, or of the item's row; one of the row that is of another type is missing. */
static FeatureValue
EvaluateMember(const FeatureNode *node, Jsonb *object)
{
	JsonbValue	json;
	double		number;

	if (!FindMember(object, node->name, &json))
		return Missing(FEATURE_NOTHING);
	if (node->type == FEATURE_FLOAT8 && json.type == jbvNumeric && ReadNumber(&json, &number))
		return Present(Float8GetDatum(number));
	if (node->type == FEATURE_BOOLEAN && json.type == jbvBool)
		return Present(BoolGetDatum(json.val.boolean));
	if (node->type == FEATURE_TEXT && json.type == jbvString)
		return Present(PointerGetDatum(cstring_to_text_with_len(json.val.string.val, json.val.string.len)));
	if (node->type == FEATURE_TEXT && json.type == jbvBinary && node->kind == FEATURE_ITEM)
	{
		Jsonb	   *list = JsonbValueToJsonb(&json);

		return Present(CStringGetTextDatum(JsonbToCString(NULL, &list->root, VARSIZE(list))));
	}
	if (node->kind == FEATURE_REQUEST)
		ReportType(node);
	return Missing(FEATURE_NOTHING);
}

/* The key of a term's value; false if its reference leads to nothing. */
static bool
FindValueKey(const GrammarTerm *term, const FeatureContext *context, uint64 *key)
{
	FeatureNode member = {.type = FEATURE_TEXT};
	bool		ofItem;
	FeatureValue value;
	text	   *string;

	*key = term->value;
	if (term->reference == NULL)
		return true;
	ofItem = strncmp(term->reference, "item.", 5) == 0;
	member.kind = ofItem ? FEATURE_ITEM : FEATURE_REQUEST;
	member.name = strchr(term->reference, '.') + 1;
	value = EvaluateMember(&member, ofItem ? context->item : context->request);
	if (value.isNull)
		return false;
	string = DatumGetTextPP(value.value);
	*key = FeatureValueHash(KeyFromBytes(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)));
	return true;
}

/* How many panes of a feature lie in a period. */
static int
CountPanes(const Feature *feature, TimestampTz since, TimestampTz until)
{
	FeaturePaneIterator iterator;
	FeaturePane pane;
	int			count = 0;

	FeaturePaneIteratorBegin(&iterator, feature);
	while (FeaturePaneIteratorNext(&iterator, &pane))
		count += pane.end > since && pane.start <= until;
	return count;
}

/* Count a feature in the period; false if nothing is in it. */
static bool
CountFeature(const Feature *feature, const FeatureNode *node, const Signal *signal, const FeatureContext *context,
			 Counted *counted)
{
	TimestampTz now = context->now;
	TimestampTz since = node->term.period > 0 ? now - node->term.period : DT_NOBEGIN;

	counted->key = feature->key;
	counted->panes = context->explains ? CountPanes(feature, since, now) : 0;
	AggregateTotalInit(&counted->total);
	return AggregateTotalAdd(&counted->total, feature, node->term.measure, signal->halfLife, since, now);
}

/* The place of the first feature whose key is not below one. */
static int
FindPlace(const FeatureContext *context, uint64 key)
{
	int			from = 0;
	int			to = context->featureCount;

	while (from < to)
	{
		int			middle = (from + to) / 2;

		if (context->features[middle].key < key)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Where the different values are held, these say how many they are, and the others what was counted. */
static void
LeaveToDistinct(Counted *counted, int count)
{
	for (int i = 0; i < count; i++)
		if (FeatureIsDistinct(counted[i].key))
			counted[i].panes = counted[i].total.count = 0;
		else
			counted[i].total.values = 0;
}

/* The values of a signal that a part asks for, by key. */
static Counted *
CountValues(const FeatureNode *node, const Signal *signal, const FeatureContext *context, int *count)
{
	Counted    *counted;
	uint64		key;
	bool		holdsDistinct;
	int			from;
	int			to;

	*count = 0;
	if (context->featureCount == 0 || !FindValueKey(&node->term, context, &key))
		return NULL;
	from = FindPlace(context, FeatureKeyMake(signal->id, node->term.hasValue ? key : 0));
	to = from;
	while (to < context->featureCount && FeatureKeySignal(context->features[to].key) == signal->id &&
		   (!node->term.hasValue || FeatureKeyHash(context->features[to].key) == key))
		to++;
	holdsDistinct = to > from && FeatureIsDistinct(context->features[to - 1].key);
	if (holdsDistinct && node->term.measure != AGGREGATE_DISTINCT)
		to--;
	counted = palloc_array(Counted, Max(to - from, 1));
	for (int i = from; i < to; i++)
		*count += CountFeature(&context->features[i], node, signal, context, &counted[*count]);
	if (holdsDistinct && node->term.measure == AGGREGATE_DISTINCT)
		LeaveToDistinct(counted, *count);
	return counted;
}

/* Order values: those of most events first, then of most weight, then the newest. */
static int
CompareFrequencies(const void *left, const void *right)
{
	const Counted *a = left;
	const Counted *b = right;

	if (a->total.count != b->total.count)
		return a->total.count > b->total.count ? -1 : 1;
	if (a->total.sum != b->total.sum)
		return a->total.sum > b->total.sum ? -1 : 1;
	if (a->total.last != b->total.last)
		return a->total.last > b->total.last ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

/* Order values: the newest first, of the same time that of most events. */
static int
CompareTimes(const void *left, const void *right)
{
	TimestampTz a = ((const Counted *) left)->total.last;
	TimestampTz b = ((const Counted *) right)->total.last;

	return a != b ? (a > b ? -1 : 1) : CompareFrequencies(left, right);
}

/* The value that is the first in an order. */
static FeatureValue
FirstValue(const Counted *counted, int count, int (*compare) (const void *left, const void *right), const Signal *signal,
		   Snapshot snapshot)
{
	const Counted *best = &counted[0];
	text	   *string;

	for (int i = 1; i < count; i++)
		if (compare(&counted[i], best) < 0)
			best = &counted[i];
	string = FeatureValueText(signal, FeatureKeyHash(best->key), snapshot);
	return string ? Present(PointerGetDatum(string)) : Missing(FEATURE_NOTHING);
}

/* The values whose texts are known, those of most events first; at most FEATURE_MAX_LIST. */
static FeatureValue
ListValues(const Counted *counted, int count, const Signal *signal, Snapshot snapshot)
{
	Counted    *ordered = palloc_array(Counted, count);
	Datum		texts[FEATURE_MAX_LIST];
	int			known = 0;

	memcpy(ordered, counted, sizeof(Counted) * count);
	qsort(ordered, count, sizeof(Counted), CompareFrequencies);
	for (int i = 0; i < count && known < FEATURE_MAX_LIST; i++)
	{
		text	   *string = FeatureValueText(signal, FeatureKeyHash(ordered[i].key), snapshot);

		if (string != NULL)
			texts[known++] = PointerGetDatum(string);
	}
	pfree(ordered);
	return Present(PointerGetDatum(construct_array(texts, known, TEXTOID, -1, false, TYPALIGN_INT)));
}

/* What a signal's part is worth, of all its values together. */
static FeatureValue
Measure(const FeatureNode *node, const Signal *signal, const Counted *counted, int count, const FeatureContext *context)
{
	Aggregate	measure = node->term.measure;
	FeatureValue value;
	AggregateTotal all;
	int64		panes = 0;

	AggregateTotalInit(&all);
	for (int i = 0; i < count; i++)
	{
		panes += counted[i].panes;
		AggregateTotalMerge(&all, &counted[i].total);
	}
	if (measure == AGGREGATE_MOST_FREQUENT)
		value = FirstValue(counted, count, CompareFrequencies, signal, context->snapshot);
	else if (measure == AGGREGATE_MOST_RECENT)
		value = FirstValue(counted, count, CompareTimes, signal, context->snapshot);
	else if (measure == AGGREGATE_VALUES)
		value = ListValues(counted, count, signal, context->snapshot);
	else if (measure == AGGREGATE_COUNT)
		value = Present(Int64GetDatum(all.count));
	else if (measure == AGGREGATE_DISTINCT)
		value = Present(Int64GetDatum(all.values));
	else
	{
		double		number = AggregateNumber(measure, &all, context->now);

		value = isnan(number) ? Missing(FEATURE_NOTHING) : Present(Float8GetDatum(number));
	}
	value.panes = panes;
	value.events = all.count;
	value.last = all.last;
	value.error = all.estimated ? FEATURE_DISTINCT_ERROR : 0;
	return value;
}

/*
 * Whether something that needs purposes may be shown: FEATURE_PRESENT if so.  Who is
 * restricted looks like somebody of whom nothing is known, for that is not for readers
 * to know.
 */
static FeatureStatus
CheckPurposes(int32 purposes, const FeatureContext *context)
{
	if ((purposes & context->purposes) == 0)
		return FEATURE_DENIED;
	return (purposes & context->restricted) == 0 ? FEATURE_PRESENT : FEATURE_NOTHING;
}

/* What a signal's part is worth. */
static FeatureValue
EvaluateSignal(const FeatureView *view, const FeatureNode *node, const FeatureContext *context)
{
	const Signal *signal = FeatureSignal(node, context->signals);
	FeatureStatus status = signal && SignalHas(signal, node->term.measure) ?
		CheckPurposes(signal->purposes, context) : FEATURE_UNKNOWN;
	Counted    *counted;
	FeatureValue value;
	int			count;

	if (status != FEATURE_PRESENT)
		return Missing(status);
	counted = CountValues(node, signal, context, &count);
	value = count == 0 ? Missing(FEATURE_NOTHING) : Measure(node, signal, counted, count, context);
	value.shortBy = node->term.period > 0 ? SignalPaneWidth(context->signals, signal, node->term.period) : 0;
	if (value.isNull)
		return value;
	if (view->ttl > 0 && value.last <= context->now - view->ttl)
	{
		value.isNull = true;
		value.status = FEATURE_EXPIRED;
	}
	return value;
}

/* Whether the person is in a segment; nobody knows of somebody of whom nothing is known. */
static FeatureValue
EvaluateSegment(const FeatureNode *node, const FeatureContext *context)
{
	static const ProfileSteps noSteps;
	const Segment *segment = FeatureSegment(node);
	SegmentPerson person = {
		context->state, context->steps ? context->steps : &noSteps, context->signals, context->now
	};
	FeatureStatus status = segment ? CheckPurposes(segment->purposes, context) : FEATURE_UNKNOWN;

	if (status != FEATURE_PRESENT)
		return Missing(status);
	if (context->featureCount == 0 && person.steps->count == 0)
		return Missing(FEATURE_NOTHING);
	return Present(BoolGetDatum(SegmentMatch(segment, &person).member));
}

/* What is counted of something that is no person, in a period. */
typedef struct EventTotal
{
	int64		count;
	int128		sum;			/* of weights in 10^-6, times the amount in 10^-6 of it */
	double		decayed;
	int32		currency;		/* of the amount; 0: none */
	bool		mixed;			/* of more than one */
	TimestampTz last;			/* the newest pane */
} EventTotal;

/* Add a counter with a weight; it decays from the middle of its pane on. */
static void
AddCounter(EventTotal *total, const FeatureCounter *counter, int64 weight, bool ofValue, int64 halfLife, const FeatureContext *context)
{
	int64		width = counter->key.start < context->counters->daysBefore ? USECS_PER_DAY : USECS_PER_HOUR;
	double		age = (double) (context->now - counter->key.start - width / 2);

	total->count += counter->count;
	total->sum += (int128) weight * (ofValue ? counter->amount : counter->count * FEATURE_SUM_UNIT);
	if (counter->key.currency != 0 && ofValue)
	{
		total->mixed |= total->currency != 0 && total->currency != counter->key.currency;
		total->currency = counter->key.currency;
	}
	if (halfLife > 0)
		total->decayed += (double) counter->count * weight / FEATURE_SUM_UNIT * exp2(-Max(age, 0) / (double) halfLife);
	total->last = counter->key.start;
}

/* What events, or answers to a query, come to; a sum of several currencies is none. */
static FeatureValue
EvaluateEvents(const FeatureView *view, const FeatureNode *node, const FeatureContext *context)
{
	FeatureCounting counting = FeatureCountingOf(node, view->entity, context->signals);
	Aggregate	measure = node->term.measure;
	TimestampTz since = node->term.period > 0 && measure != AGGREGATE_DECAYED ? context->now - node->term.period : DT_NOBEGIN;
	EventTotal	total = {.last = DT_NOBEGIN};
	FeatureValue value = Missing(counting.count == 0 ? FEATURE_UNKNOWN : FEATURE_NOTHING);
	int64		halfLife = measure != AGGREGATE_DECAYED ? 0 : node->term.period > 0 ? node->term.period : counting.halfLife;
	double		sum;

	if (counting.count == 0 || context->counters == NULL)
		return value;
	/* panes later than the one that holds since */
	if (since != DT_NOBEGIN)
		since -= (since % USECS_PER_HOUR + USECS_PER_HOUR) % USECS_PER_HOUR;
	for (int i = 0; i < context->counters->count; i++)
	{
		const FeatureCounter *counter = &context->counters->counters[i];

		for (int use = 0; use < counting.count && counter->key.start > since; use++)
		{
			if (counter->key.what != counting.uses[use].event)
				continue;
			AddCounter(&total, counter, counting.uses[use].weight, counting.ofValue, halfLife, context);
			value.panes++;
		}
	}
	value.events = total.count;
	value.last = total.last;
	if (since != DT_NOBEGIN && context->explains)
		value.shortBy = view->entity == FEATURE_ENTITY_QUERY || since < ItemStatFoldedBefore() ? USECS_PER_DAY : USECS_PER_HOUR;
	if (total.count == 0 || (total.mixed && measure != AGGREGATE_COUNT && measure != AGGREGATE_DECAYED))
		return value;
	sum = total.sum % FEATURE_SUM_UNIT == 0 ? (double) (total.sum / FEATURE_SUM_UNIT) / FEATURE_SUM_UNIT :
		(double) total.sum / FEATURE_SUM_UNIT / FEATURE_SUM_UNIT;
	value.isNull = false;
	value.status = FEATURE_PRESENT;
	value.value = measure == AGGREGATE_COUNT ? Int64GetDatum(total.count) :
		Float8GetDatum(measure == AGGREGATE_SUM ? sum : measure == AGGREGATE_MEAN ? sum / total.count : total.decayed);
	return value;
}

/* A number, whatever its type. */
static double
NumberOf(const FeatureNode *node, const FeatureValue *value)
{
	return node->type == FEATURE_BIGINT ? (double) DatumGetInt64(value->value) : DatumGetFloat8(value->value);
}

/* A number of a part of a rate: nothing is 0; false if the part must not be shown, or is gone. */
static bool
ReadCases(const FeatureNode *node, FeatureValue *value, double *cases)
{
	*cases = value->isNull ? 0 : NumberOf(node, value);
	return !value->isNull || (value->status != FEATURE_DENIED && value->status != FEATURE_UNKNOWN);
}

/* What the parts of arithmetic and rates make; what is no number is missing, as a quotient by 0. */
static FeatureValue
EvaluateParts(const FeatureView *view, const FeatureNode *node, const FeatureContext *context)
{
	FeatureValue left = FeatureEvaluate(view, node->left, context);
	FeatureValue right = FeatureEvaluate(view, node->right, context);
	bool		isRate = node->kind == FEATURE_RATE;
	double		a;
	double		b;
	bool		hasLeft = ReadCases(node->left, &left, &a) && (isRate || !left.isNull);
	bool		hasRight = ReadCases(node->right, &right, &b) && (isRate || !right.isNull);
	FeatureValue value = hasLeft ? right : left;

	value.panes = left.panes + right.panes;
	value.events = left.events + right.events;
	value.last = Max(left.last, right.last);
	value.error = Max(left.error, right.error);
	value.shortBy = Max(left.shortBy, right.shortBy);
	value.isNull = true;
	if (!hasLeft || !hasRight)
		return value;
	if (isRate)
		a = AggregateRate(a, b, node->number, node->weight);
	else
		a = node->operator == '+' ? a + b : node->operator == '-' ? a - b : node->operator == '*' ? a * b :
			b == 0 ? get_float8_nan() : a / b;
	value.isNull = !isfinite(a);
	value.status = value.isNull ? FEATURE_NOTHING : FEATURE_PRESENT;
	value.value = Float8GetDatum(a);
	return value;
}

/* Order by key. */
static inline int
CompareFeatures(const Feature *a, const Feature *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

/* Sort features, with the comparison inlined. */
#define ST_SORT SortFeatures
#define ST_ELEMENT_TYPE Feature
#define ST_COMPARE(a, b) CompareFeatures(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Let a context have a state. */
void
FeatureContextSetState(FeatureContext *context, const FeatureState *state)
{
	FeatureIterator iterator;

	if (context->features != NULL)
		pfree(context->features);
	context->state = state;
	context->features = NULL;
	context->featureCount = 0;
	if (state == NULL || FeatureStateCount(state) == 0)
		return;
	context->features = palloc_array(Feature, FeatureStateCount(state));
	FeatureIteratorBeginAll(&iterator, state);
	while (FeatureIteratorNext(&iterator, &context->features[context->featureCount]))
		if (++context->featureCount == FeatureStateCount(state))
			break;
	SortFeatures(context->features, context->featureCount);
}

/* What a part is worth, without its default. */
static FeatureValue
EvaluatePlain(const FeatureView *view, const FeatureNode *node, const FeatureContext *context)
{
	switch (node->kind)
	{
		case FEATURE_SIGNAL:
			return EvaluateSignal(view, node, context);
		case FEATURE_SEGMENT:
			return EvaluateSegment(node, context);
		case FEATURE_REQUEST:
			return EvaluateMember(node, context->request);
		case FEATURE_ITEM:
			return EvaluateMember(node, context->item);
		case FEATURE_ITEM_EVENTS:
			return EvaluateEvents(view, node, context);
		case FEATURE_NUMBER:
			return Present(Float8GetDatum(node->number));
		case FEATURE_ARITHMETIC:
		case FEATURE_RATE:
			break;
	}
	return EvaluateParts(view, node, context);
}

/* What a part is worth. */
FeatureValue
FeatureEvaluate(const FeatureView *view, const FeatureNode *node, const FeatureContext *context)
{
	FeatureValue value = EvaluatePlain(view, node, context);

	if (value.isNull && node->hasDefault)
	{
		value.isNull = false;
		value.value = node->defaultValue;
	}
	return value;
}

/* All features of a view by their place. */
void
FeatureEvaluateAll(const FeatureView *view, const FeatureContext *context, Datum *values, bool *nulls)
{
	for (int i = 0; i < view->count; i++)
	{
		FeatureValue value = FeatureEvaluate(view, view->features[i].node, context);

		values[i] = value.value;
		nulls[i] = value.isNull;
	}
}

/* A list of texts as a JSON array. */
static JsonbValue
ListJson(ArrayType *list)
{
	JsonbParseState *state = NULL;
	JsonbValue	json = {.type = jbvBinary};
	Datum	   *texts;
	Jsonb	   *array;
	int			count;

	deconstruct_array(list, TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, &count);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		text	   *string = DatumGetTextPP(texts[i]);
		JsonbValue	element = {.type = jbvString};

		element.val.string.val = VARDATA_ANY(string);
		element.val.string.len = VARSIZE_ANY_EXHDR(string);
		pushJsonbValue(&state, WJB_ELEM, &element);
	}
	array = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	json.val.binary.data = &array->root;
	json.val.binary.len = VARSIZE(array) - VARHDRSZ;
	return json;
}

/* A value as JSON. */
JsonbValue
FeatureValueJson(FeatureType type, const FeatureValue *value)
{
	JsonbValue	json = {.type = jbvNull};
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (value->isNull)
		return json;
	switch (type)
	{
		case FEATURE_BIGINT:
			json.type = jbvNumeric;
			json.val.numeric = int64_to_numeric(DatumGetInt64(value->value));
			break;
		case FEATURE_FLOAT8:
			/* by its shortest digits, so that a double comes back as it was */
			double_to_shortest_decimal_buf(DatumGetFloat8(value->value), digits);
			json.type = jbvNumeric;
			json.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
																   CStringGetDatum(digits),
																   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
			break;
		case FEATURE_TEXT:
			json.type = jbvString;
			json.val.string.val = VARDATA_ANY(DatumGetTextPP(value->value));
			json.val.string.len = VARSIZE_ANY_EXHDR(DatumGetTextPP(value->value));
			break;
		case FEATURE_BOOLEAN:
			json.type = jbvBool;
			json.val.boolean = DatumGetBool(value->value);
			break;
		case FEATURE_TEXTS:
			return ListJson(DatumGetArrayTypeP(value->value));
	}
	return json;
}

/* All features of a view as a JSON object. */
Jsonb *
FeatureEvaluateJson(const FeatureView *view, const FeatureContext *context)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < view->count; i++)
	{
		const FeatureNode *node = view->features[i].node;
		FeatureValue value = FeatureEvaluate(view, node, context);
		JsonbValue	json = FeatureValueJson(node->type, &value);

		JsonPushValue(&state, view->features[i].name, &json);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
