/*
 * signal_value.c
 *		What an event counts for the signals it feeds.
 *
 * An attribute of an item (category, brand, tags, price) is taken from the
 * catalogue; where that has none, from the event's properties of the same name.
 * Everything is bounded: values longer than SIGNAL_MAX_VALUE_BYTES and more
 * than SIGNAL_MAX_VALUES of them are not counted.
 */
#include "postgres.h"

#include "signals/signal.h"

#include <math.h>

#include "base/key.h"
#include "base/number.h"
#include "base/words.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "events/event_detail.h"
#include "fmgr.h"
#include "signals/signal_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(personalize_price_band);

/* An event being evaluated. */
typedef struct Evaluation
{
	const EventRow *row;
	ItemReader *items;
	const ItemInfo *item;		/* NULL: not in the catalogue */
	bool		itemIsRead;
	SignalCount count;
	void	   *arg;

	/* of the signal at hand */
	const Signal *signal;
	int64		sum;
	int			valueCount;
	uint64		values[SIGNAL_MAX_VALUES];	/* each counts once */
} Evaluation;

/* True if the number is within [-10^limit, 10^limit]; NaN is not. */
static bool
IsWithin(Numeric value, const Numeric limit)
{
	Datum		absolute;

	if (numeric_is_nan(value))
		return false;
	absolute = DirectFunctionCall1(numeric_abs, NumericGetDatum(value));
	return DatumGetBool(DirectFunctionCall2(numeric_le, absolute, NumericGetDatum(limit)));
}

/* factor * value, rounded to a whole number; false if it overflows or is NaN. */
bool
SignalMicro(int64 factor, Numeric value, int64 *result)
{
	Numeric		limit = int64_to_numeric(PG_INT64_MAX);
	Datum		product;

	if (!IsWithin(value, limit))
		return false;
	product = DirectFunctionCall2(numeric_mul,
								  NumericGetDatum(int64_to_numeric(factor)),
								  NumericGetDatum(value));
	product = DirectFunctionCall2(numeric_round, product, Int32GetDatum(0));
	if (!IsWithin(DatumGetNumeric(product), limit))
		return false;
	*result = DatumGetInt64(DirectFunctionCall1(numeric_int8, product));
	return true;
}

/*
 * The band of a price: "0-1" and then in steps of 1, 2 and 5 times a power of
 * ten, "1-2", "2-5", "5-10", "10-20", ... up to "1000000000+".  The lower end
 * belongs to the band, the upper one does not.
 */
bool
SignalPriceBand(Numeric price, char *buffer)
{
	static const int steps[] = {1, 2, 5, 10};
	double		value = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
														   NumericGetDatum(price)));

	if (isnan(value) || value < 0)
		return false;
	if (value < 1)
		strcpy(buffer, "0-1");
	for (int64 power = 1; value >= power; power *= 10)
	{
		if (power == INT64CONST(1000000000))
		{
			strcpy(buffer, "1000000000+");
			break;
		}
		for (int i = 0; i < 3; i++)
		{
			if (value >= power * steps[i] && value < power * steps[i + 1])
				snprintf(buffer, 64, INT64_FORMAT "-" INT64_FORMAT,
						 power * steps[i], power * steps[i + 1]);
		}
	}
	return true;
}

/* price_band(numeric): the value of the signal price_band. */
Datum
personalize_price_band(PG_FUNCTION_ARGS)
{
	char		buffer[64];

	if (!SignalPriceBand(PG_GETARG_NUMERIC(0), buffer))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(buffer));
}

/* Count a value, unless this event has already counted it. */
static void
CountHash(Evaluation *evaluation, uint64 hash, const char *text, int length)
{
	for (int i = 0; i < evaluation->valueCount; i++)
	{
		if (evaluation->values[i] == hash)
			return;
	}
	if (evaluation->valueCount == SIGNAL_MAX_VALUES)
		return;
	evaluation->values[evaluation->valueCount++] = hash;
	evaluation->count(evaluation->arg, FeatureKeyMake(evaluation->signal->id, hash),
					  evaluation->sum, text, length);
}

/* Count a text. */
static void
CountText(Evaluation *evaluation, const char *text, int length)
{
	if (length > 0 && length <= SIGNAL_MAX_VALUE_BYTES)
		CountHash(evaluation, FeatureValueHash(KeyFromBytes(text, length)), text, length);
}

/* Count a word. */
static void
CountWord(void *evaluation, const char *word, int length)
{
	CountText(evaluation, word, length);
}

/* Append a word to a phrase. */
static void
AppendWord(void *arg, const char *word, int length)
{
	StringInfo	phrase = arg;

	if (phrase->len > 0)
		appendStringInfoChar(phrase, ' ');
	appendBinaryStringInfo(phrase, word, length);
}

/* Count the words of a text as one value. */
static void
CountPhrase(Evaluation *evaluation, const char *text, int length)
{
	StringInfoData phrase;

	initStringInfo(&phrase);
	WordsEach(text, length, SIGNAL_MAX_VALUE_BYTES, AppendWord, &phrase);
	CountText(evaluation, phrase.data, phrase.len);
}

/* Count a JSON scalar. */
static void
CountScalar(Evaluation *evaluation, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			if (evaluation->signal->path.phrase)
				CountPhrase(evaluation, value->val.string.val, value->val.string.len);
			else if (evaluation->signal->path.words)
				WordsEach(value->val.string.val, value->val.string.len, SIGNAL_MAX_VALUE_BYTES,
						  CountWord, evaluation);
			else
				CountText(evaluation, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			/* its digits would exceed the longest value anyway */
			if (VARSIZE_ANY(value->val.numeric) <= SIGNAL_MAX_VALUE_BYTES)
			{
				/* 4711.0 is 4711 */
				char	   *digits = numeric_normalize(value->val.numeric);

				CountText(evaluation, digits, strlen(digits));
				pfree(digits);
			}
			break;
		case jbvBool:
			CountText(evaluation, value->val.boolean ? "true" : "false",
					  value->val.boolean ? 4 : 5);
			break;
		default:
			break;
	}
}

/* Count a property: a scalar, or each scalar of an array. */
static void
CountProperty(Evaluation *evaluation, const char *name)
{
	JsonbValue	value;

	if (!EventProperty(evaluation->row, name, &value))
		return;
	if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
	{
		JsonbContainer *array = value.val.binary.data;
		uint32		elements = Min(JsonContainerSize(array), SIGNAL_MAX_VALUES);

		for (uint32 i = 0; i < elements; i++)
			CountScalar(evaluation, getIthJsonbValueFromContainer(array, i));
	}
	else
		CountScalar(evaluation, &value);
}

/* The event's item as the catalogue has it; NULL if it does not. */
static const ItemInfo *
GetItem(Evaluation *evaluation)
{
	if (!evaluation->itemIsRead && evaluation->row->hasItem)
		evaluation->item = ItemReaderGet(evaluation->items, evaluation->row->itemKey);
	evaluation->itemIsRead = true;
	return evaluation->item;
}

/*
 * Count the event's item itself.  The catalogue or its log has the id behind a
 * hash; a number is its own id, of which the hash of a large one tells nothing.
 */
static void
CountItem(Evaluation *evaluation)
{
	int64		key = evaluation->row->itemKey;
	char		digits[MAXINT8LEN + 1];

	if (!evaluation->row->hasItem)
		return;
	if (KeyIsNumber(key))
		CountHash(evaluation, FeatureValueHash(key), digits, pg_lltoa(key, digits));
	else
		CountHash(evaluation, FeatureValueHash(key), NULL, 0);
}

/* Count a text attribute, of the catalogue, which has its key, or else the properties. */
static void
CountAttribute(Evaluation *evaluation, const text *attribute, int64 key, const char *property)
{
	int			length;

	if (attribute == NULL)
	{
		CountProperty(evaluation, property);
		return;
	}
	length = VARSIZE_ANY_EXHDR(attribute);
	if (length > 0 && length <= SIGNAL_MAX_VALUE_BYTES)
		CountHash(evaluation, FeatureValueHash(key), VARDATA_ANY(attribute), length);
}

/* Count tags, of the catalogue or else the properties. */
static void
CountTags(Evaluation *evaluation, ArrayType *tags)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (tags == NULL)
	{
		CountProperty(evaluation, "tags");
		return;
	}
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
		{
			text	   *tag = DatumGetTextPP(values[i]);

			CountText(evaluation, VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));
		}
	}
}

/* Count the band of the price, of the catalogue or else the properties. */
static void
CountPriceBand(Evaluation *evaluation, Numeric price)
{
	char		band[64];
	JsonbValue	value;
	Numeric		number;
	const char *problem;

	if (price == NULL && EventProperty(evaluation->row, "price", &value) &&
		NumberFromJson(&value, &number, &problem) == NUMBER_READ)
		price = number;
	if (price != NULL && SignalPriceBand(price, band))
		CountText(evaluation, band, strlen(band));
}

/* Count all values the event has for the signal at hand. */
static void
CountValues(Evaluation *evaluation)
{
	const SignalPath *path = &evaluation->signal->path;
	const ItemInfo *item;

	switch (path->kind)
	{
		case SIGNAL_KEY_NONE:
			CountHash(evaluation, FEATURE_VALUE_NONE, "", 0);
			break;
		case SIGNAL_KEY_ITEM:
			CountItem(evaluation);
			break;
		case SIGNAL_KEY_CATEGORY:
			item = GetItem(evaluation);
			CountAttribute(evaluation, item ? item->category : NULL, item ? item->categoryKey : 0, "category");
			break;
		case SIGNAL_KEY_BRAND:
			item = GetItem(evaluation);
			CountAttribute(evaluation, item ? item->brand : NULL, item ? item->brandKey : 0, "brand");
			break;
		case SIGNAL_KEY_TAGS:
			item = GetItem(evaluation);
			CountTags(evaluation, item ? item->tags : NULL);
			break;
		case SIGNAL_KEY_PRICE_BAND:
			item = GetItem(evaluation);
			CountPriceBand(evaluation, item ? item->price : NULL);
			break;
		case SIGNAL_KEY_PROPERTY:
			CountProperty(evaluation, path->property);
			break;
	}
}

/* The number the weight is multiplied with; NULL if the event has none. */
static Numeric
GetFactor(const Signal *signal, const EventRow *row)
{
	JsonbValue	value;
	Numeric		number;
	const char *problem;

	if (signal->factor == SIGNAL_FACTOR_VALUE)
		return row->value;
	if (!EventProperty(row, signal->factorProperty, &value))
		return NULL;
	/* also one that is too large, so that the event is set aside */
	if (value.type == jbvNumeric)
		return value.val.numeric;
	return NumberFromJson(&value, &number, &problem) == NUMBER_READ ? number : NULL;
}

/* Why a number that a signal sums cannot be read out of an event; NULL if it can. */
char *
SignalCheckEvent(const EventRow *row)
{
	const SignalSet *set;
	const SignalEvent *event;

	if (row->properties == NULL)
		return NULL;
	set = SignalSetGet();
	event = row->event < set->eventLimit ? &set->events[row->event] : NULL;
	for (int i = 0; event && i < event->useCount; i++)
	{
		const Signal *signal = event->uses[i].signal;
		JsonbValue	value;
		Numeric		number;
		const char *problem;

		if (signal->factor == SIGNAL_FACTOR_PROPERTY &&
			EventProperty(row, signal->factorProperty, &value) &&
			value.type != jbvNumeric && NumberFromJson(&value, &number, &problem) == NUMBER_REFUSED &&
			SignalPassesFilter(signal, row))
			return psprintf("%s \"%s\" %s: signal \"%s\" sums it", signal->factorProperty,
							EventDetailShow(&value), problem, signal->name);
	}
	return NULL;
}

/* True if a signal is about the event. */
static inline bool
IsAbout(const Signal *signal, const EventRow *row)
{
	return (row->consent & signal->purposes) == signal->purposes && SignalPassesFilter(signal, row);
}

/* True if no number that a signal about the event sums is too large. */
static bool
IsCountable(const SignalEvent *event, const EventRow *row)
{
	for (int i = 0; i < event->useCount; i++)
	{
		const SignalUse *use = &event->uses[i];
		Numeric		factor;
		int64		sum;

		if (use->signal->factor == SIGNAL_FACTOR_ONE || !IsAbout(use->signal, row))
			continue;
		factor = GetFactor(use->signal, row);
		if (factor != NULL && !SignalMicro(use->weight, factor, &sum))
			return false;
	}
	return true;
}

/* What the event counts; of a number that is too large, 0. */
void
SignalEvaluateAnyway(const SignalEvent *event, const EventRow *row, ItemReader *items,
					 SignalCount count, void *arg)
{
	Evaluation	evaluation;

	evaluation.row = row;
	evaluation.items = items;
	evaluation.item = NULL;
	evaluation.itemIsRead = false;
	evaluation.count = count;
	evaluation.arg = arg;
	for (int i = 0; i < event->useCount; i++)
	{
		const SignalUse *use = &event->uses[i];

		if (!IsAbout(use->signal, row))
			continue;
		evaluation.signal = use->signal;
		evaluation.valueCount = 0;
		evaluation.sum = use->weight;
		if (use->signal->factor != SIGNAL_FACTOR_ONE)
		{
			Numeric		factor = GetFactor(use->signal, row);

			if (factor == NULL)
				continue;
			if (!SignalMicro(use->weight, factor, &evaluation.sum))
				evaluation.sum = 0;
		}
		CountValues(&evaluation);
	}
}

/* What the event counts, or nothing if one of its numbers is too large. */
bool
SignalEvaluate(const SignalEvent *event, const EventRow *row, ItemReader *items,
			   SignalCount count, void *arg)
{
	if (!IsCountable(event, row))
		return false;
	SignalEvaluateAnyway(event, row, items, count, arg);
	return true;
}
