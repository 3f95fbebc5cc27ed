/*
 * facet.c
 *		How many of the items found have each category, brand, tag or attribute.
 */
#include "postgres.h"

#include "engines/facet.h"

#include "base/json_build.h"
#include "base/key.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* What a facet is about. */
typedef enum FacetKind
{
	FACET_CATEGORY,
	FACET_BRAND,
	FACET_TAGS,
	FACET_PRICE,
	FACET_ATTRIBUTE
} FacetKind;

static const char *const kindNames[] = {"category", "brand", "tags", "price"};

/* A value and how many items have it. */
typedef struct FacetValue
{
	uint64		hash;			/* of the text; hash key */
	text	   *value;
	int64		count;
	int64		counted;		/* number of the item that was counted last */
} FacetValue;

typedef struct Facet
{
	FacetKind	kind;
	text	   *name;
	HTAB	   *values;
	Numeric		least;			/* of prices; NULL: none */
	Numeric		most;
} Facet;

struct FacetCounter
{
	EngineContext *context;
	MemoryContext memory;
	MemoryContext scratch;
	bool		readsAttributes;
	int64		items;			/* so many have been counted */
	int			count;
	Facet		facets[FACET_MAX];
};

/* What a name stands for. */
static FacetKind
KindOf(const text *name)
{
	for (int kind = 0; kind < lengthof(kindNames); kind++)
		if (VARSIZE_ANY_EXHDR(name) == strlen(kindNames[kind]) &&
			memcmp(VARDATA_ANY(name), kindNames[kind], VARSIZE_ANY_EXHDR(name)) == 0)
			return kind;
	return FACET_ATTRIBUTE;
}

/* Refuse a list of names that is none. */
static void
CheckNames(ArrayType *names)
{
	int			count = ArrayGetNItems(ARR_NDIM(names), ARR_DIMS(names));

	if (array_contains_nulls(names))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("facets must not contain nulls")));
	if (count > FACET_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%d facets are more than %d", count, FACET_MAX)));
}

/* Count for these names. */
FacetCounter *
FacetBegin(EngineContext *context, ArrayType *names)
{
	FacetCounter *counter = palloc0(sizeof(FacetCounter));
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(FacetValue),.hcxt = CurrentMemoryContext};
	Datum	   *values;
	bool	   *nulls;
	int			count;

	CheckNames(names);
	counter->context = context;
	counter->memory = CurrentMemoryContext;
	counter->scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize facets", ALLOCSET_DEFAULT_SIZES);
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		Facet	   *facet = &counter->facets[counter->count++];

		facet->name = DatumGetTextPP(values[i]);
		facet->kind = KindOf(facet->name);
		facet->values = hash_create("personalize facet", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		counter->readsAttributes |= facet->kind == FACET_ATTRIBUTE;
	}
	return counter;
}

/* Count a value, of an item that has it twice once. */
static void
CountValue(FacetCounter *counter, Facet *facet, const char *data, int length)
{
	uint64		hash = KeyHash(data, length);
	bool		found;
	FacetValue *value = hash_search(facet->values, &hash, HASH_ENTER, &found);

	if (!found)
	{
		MemoryContext caller = MemoryContextSwitchTo(counter->memory);

		value->value = cstring_to_text_with_len(data, length);
		value->count = value->counted = 0;
		MemoryContextSwitchTo(caller);
	}
	value->count += value->counted != counter->items;
	value->counted = counter->items;
}

/* Count a text; NULL: the item has none. */
static void
CountText(FacetCounter *counter, Facet *facet, const text *value)
{
	if (value != NULL)
		CountValue(counter, facet, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Count the tags of an item. */
static void
CountTags(FacetCounter *counter, Facet *facet, ArrayType *tags)
{
	Datum	   *values;
	bool	   *nulls;
	int			count = 0;

	if (tags != NULL)
		deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			CountText(counter, facet, DatumGetTextPP(values[i]));
}

/* Take a price into the range, one that JSON has. */
static void
CountPrice(FacetCounter *counter, Facet *facet, Numeric price)
{
	MemoryContext caller;
	Datum		value = NumericGetDatum(price);

	if (price == NULL || numeric_is_nan(price) || numeric_is_inf(price))
		return;
	caller = MemoryContextSwitchTo(counter->memory);
	if (facet->least == NULL || DatumGetBool(DirectFunctionCall2(numeric_lt, value, NumericGetDatum(facet->least))))
		facet->least = DatumGetNumericCopy(value);
	if (facet->most == NULL || DatumGetBool(DirectFunctionCall2(numeric_gt, value, NumericGetDatum(facet->most))))
		facet->most = DatumGetNumericCopy(value);
	MemoryContextSwitchTo(caller);
}

/* Count a scalar of an attribute, as text. */
static void
CountScalar(FacetCounter *counter, Facet *facet, const JsonbValue *value)
{
	if (value->type == jbvString)
		CountValue(counter, facet, value->val.string.val, value->val.string.len);
	else if (value->type == jbvBool)
		CountText(counter, facet, cstring_to_text(value->val.boolean ? "true" : "false"));
	else if (value->type == jbvNumeric)
		CountText(counter, facet, cstring_to_text(numeric_normalize(value->val.numeric)));
}

/* Count an attribute: a scalar, or each of a list. */
static void
CountAttribute(FacetCounter *counter, Facet *facet, const JsonbValue *attributes)
{
	JsonbValue	buffer;
	JsonbValue *value;
	JsonbIterator *iterator;
	JsonbIteratorToken token;

	if (attributes == NULL || attributes->type != jbvBinary)
		return;
	value = getKeyJsonValueFromContainer(attributes->val.binary.data, VARDATA_ANY(facet->name),
										 VARSIZE_ANY_EXHDR(facet->name), &buffer);
	if (value == NULL)
		return;
	if (value->type != jbvBinary)
	{
		CountScalar(counter, facet, value);
		return;
	}
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &buffer, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			CountScalar(counter, facet, &buffer);
}

/* Count an item. */
void
FacetAdd(FacetCounter *counter, int64 itemKey)
{
	EngineContext *context = counter->context;
	const ItemInfo *item = ItemReaderGet(context->items, itemKey);
	MemoryContext caller;
	JsonbValue	buffer;
	JsonbValue *attributes = NULL;

	if (item == NULL)
		return;
	counter->items++;
	caller = MemoryContextSwitchTo(counter->scratch);
	if (counter->readsAttributes)
		attributes = getKeyJsonValueFromContainer(&ItemReaderJson(context->items, itemKey, NULL)->root,
												  "attributes", strlen("attributes"), &buffer);
	for (int i = 0; i < counter->count; i++)
	{
		Facet	   *facet = &counter->facets[i];

		if (facet->kind == FACET_CATEGORY)
			CountText(counter, facet, item->category);
		else if (facet->kind == FACET_BRAND)
			CountText(counter, facet, item->brand);
		else if (facet->kind == FACET_TAGS)
			CountTags(counter, facet, item->tags);
		else if (facet->kind == FACET_PRICE)
			CountPrice(counter, facet, item->price);
		else
			CountAttribute(counter, facet, attributes);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(counter->scratch);
}

/* The most frequent first, then by bytes. */
static int
CompareValues(const void *left, const void *right)
{
	const FacetValue *a = *(FacetValue *const *) left;
	const FacetValue *b = *(FacetValue *const *) right;
	int			lengthA = VARSIZE_ANY_EXHDR(a->value);
	int			lengthB = VARSIZE_ANY_EXHDR(b->value);
	int			order;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	order = memcmp(VARDATA_ANY(a->value), VARDATA_ANY(b->value), Min(lengthA, lengthB));
	return order != 0 ? order : lengthA - lengthB;
}

/* Append the values of a facet. */
static void
PushValues(JsonbParseState **state, const Facet *facet)
{
	int			count = hash_get_num_entries(facet->values);
	FacetValue **values = palloc_array(FacetValue *, Max(count, 1));
	HASH_SEQ_STATUS walk;
	FacetValue *value;
	int			i = 0;

	hash_seq_init(&walk, facet->values);
	while ((value = hash_seq_search(&walk)) != NULL)
		values[i++] = value;
	qsort(values, count, sizeof(FacetValue *), CompareValues);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < Min(count, FACET_MAX_VALUES); i++)
	{
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		JsonPushText(state, "value", values[i]->value);
		JsonPushNumber(state, "count", values[i]->count);
		pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* An object of what was counted. */
Jsonb *
FacetFinish(FacetCounter *counter)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < counter->count; i++)
	{
		const Facet *facet = &counter->facets[i];

		JsonPushKey(&state, text_to_cstring(facet->name));
		if (facet->kind != FACET_PRICE)
		{
			PushValues(&state, facet);
			continue;
		}
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		if (facet->least != NULL)
			JsonPushNumeric(&state, "min", facet->least);
		if (facet->most != NULL)
			JsonPushNumeric(&state, "max", facet->most);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
