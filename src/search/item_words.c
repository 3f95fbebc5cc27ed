/*
 * item_words.c
 *		The words of an item, packed as the index has them.
 */
#include "postgres.h"

#include "search/item_words.h"

#include "base/grow.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "search/analysis.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(personalize_item_words);
PG_FUNCTION_INFO_V1(personalize_search_length);

/* Of a text, and of all texts of a weight, only so much is read. */
#define MAX_TEXT_BYTES (64 * 1024)
#define MAX_WEIGHT_BYTES (256 * 1024)

/* A word where it occurs. */
typedef struct Occurrence
{
	const char *word;
	const char *form;
	int			weight;
} Occurrence;

/* The words of an item while they are gathered. */
typedef struct Gathering
{
	const Language *language;
	Jsonb	   *weights;
	int			weight;			/* of the attribute being read */
	StringInfoData texts[WEIGHT_COUNT]; /* put together: words are found in one go */
	int			count;
	int			capacity;
	Occurrence *words;
	int			lengths[WEIGHT_COUNT];
} Gathering;

/* The weight of an attribute, 0 for A; -1: it is not searched. */
static int
WeightOf(const Gathering *gathering, const char *name, int length)
{
	JsonbValue	buffer;
	JsonbValue *found = getKeyJsonValueFromContainer(&gathering->weights->root, name, length, &buffer);

	if (found == NULL)
		found = getKeyJsonValueFromContainer(&gathering->weights->root, "*", 1, &buffer);
	if (found == NULL || found->type != jbvString || found->val.string.len != 1 ||
		found->val.string.val[0] < 'A' || found->val.string.val[0] >= 'A' + WEIGHT_COUNT)
		return -1;
	return found->val.string.val[0] - 'A';
}

/* Note a word. */
static void
GatherWord(void *argument, const AnalysedWord *word)
{
	Gathering  *gathering = argument;

	GrowArray(gathering->words, gathering->count + 1, gathering->capacity, 64);
	gathering->words[gathering->count].word = pnstrdup(word->word, word->wordLength);
	gathering->words[gathering->count].form = pnstrdup(word->form, word->formLength);
	gathering->words[gathering->count++].weight = gathering->weight;
	gathering->lengths[gathering->weight]++;
}

/* Put a text with those of its weight. */
static void
GatherText(Gathering *gathering, const char *data, int length)
{
	if (gathering->weight < 0)
		return;
	appendBinaryStringInfo(&gathering->texts[gathering->weight], data,
						   pg_mbcliplen(data, length, Min(length, MAX_TEXT_BYTES)));
	appendStringInfoChar(&gathering->texts[gathering->weight], '\n');
}

/* Gather the words of the texts. */
static void
GatherWords(Gathering *gathering)
{
	for (int w = 0; w < WEIGHT_COUNT; w++)
	{
		gathering->weight = w;
		if (gathering->texts[w].len > 0)
			AnalysisEach(gathering->language, gathering->texts[w].data, gathering->texts[w].len,
						 MAX_WEIGHT_BYTES, GatherWord, gathering);
	}
}

/* Gather the words of a column. */
static void
GatherColumn(Gathering *gathering, FunctionCallInfo fcinfo, int argument, const char *name)
{
	text	   *value;

	gathering->weight = WeightOf(gathering, name, strlen(name));
	if (PG_ARGISNULL(argument) || gathering->weight < 0)
		return;
	value = PG_GETARG_TEXT_PP(argument);
	GatherText(gathering, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Gather the words of tags. */
static void
GatherTags(Gathering *gathering, FunctionCallInfo fcinfo, int argument)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	gathering->weight = WeightOf(gathering, "tags", 4);
	if (PG_ARGISNULL(argument) || gathering->weight < 0)
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *tag = nulls[i] ? NULL : DatumGetTextPP(values[i]);

		if (tag != NULL)
			GatherText(gathering, VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));
	}
}

/* Gather the words of attributes: texts and numbers, also in lists and objects of them. */
static void
GatherAttributes(Gathering *gathering, Jsonb *attributes)
{
	JsonbIterator *iterator = JsonbIteratorInit(&attributes->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			depth = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY)
			depth++;
		else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY)
			depth--;
		else if (token == WJB_KEY && depth == 1)
			gathering->weight = WeightOf(gathering, value.val.string.val, value.val.string.len);
		else if (token != WJB_KEY && value.type == jbvString)
			GatherText(gathering, value.val.string.val, value.val.string.len);
		else if (token != WJB_KEY && value.type == jbvNumeric)
		{
			char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));

			GatherText(gathering, digits, strlen(digits));
		}
	}
}

/* Order occurrences by word and form. */
static int
CompareOccurrences(const void *left, const void *right)
{
	const Occurrence *a = left;
	const Occurrence *b = right;
	int			order = strcmp(a->word, b->word);

	return order != 0 ? order : strcmp(a->form, b->form);
}

/* Return a row for the occurrences of one word, which are in order of their forms. */
static void
ReturnWord(ReturnSetInfo *output, const Occurrence *words, int count, int32 lengths)
{
	Datum	   *forms = palloc_array(Datum, count);
	int			formCount = 0;
	uint32		frequencies = 0;
	Datum		values[4];
	bool		nulls[4] = {false};

	for (int i = 0; i < count; i++)
	{
		int			shift = 8 * words[i].weight;

		if ((frequencies >> shift & 0xff) < 0xff)
			frequencies += (uint32) 1 << shift;
		if (i == 0 || strcmp(words[i].form, words[i - 1].form) != 0)
			forms[formCount++] = CStringGetTextDatum(words[i].form);
	}
	values[0] = CStringGetTextDatum(words[0].word);
	values[1] = PointerGetDatum(construct_array(forms, formCount, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = Int32GetDatum((int32) frequencies);
	values[3] = Int32GetDatum(lengths);
	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* Return what has been gathered. */
static void
ReturnWords(FunctionCallInfo fcinfo, Gathering *gathering)
{
	uint32		lengths = 0;
	int			next;

	for (int i = 0; i < WEIGHT_COUNT; i++)
		lengths |= (uint32) LengthEncode(gathering->lengths[i]) << (8 * i);
	if (gathering->count > 1)
		qsort(gathering->words, gathering->count, sizeof(Occurrence), CompareOccurrences);
	for (int i = 0; i < gathering->count; i = next)
	{
		next = i + 1;
		while (next < gathering->count && strcmp(gathering->words[next].word, gathering->words[i].word) == 0)
			next++;
		ReturnWord((ReturnSetInfo *) fcinfo->resultinfo, gathering->words + i, next - i, (int32) lengths);
	}
}

/* _item_words(category, brand, tags, attributes, weights, language) */
Datum
personalize_item_words(PG_FUNCTION_ARGS)
{
	Gathering	gathering = {0};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(4) || PG_ARGISNULL(5) || !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(4)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights must be an object and language a name")));
	gathering.weights = PG_GETARG_JSONB_P(4);
	gathering.language = LanguageFind(text_to_cstring(PG_GETARG_TEXT_PP(5)));
	for (int w = 0; w < WEIGHT_COUNT; w++)
		initStringInfo(&gathering.texts[w]);
	GatherColumn(&gathering, fcinfo, 0, "category");
	GatherColumn(&gathering, fcinfo, 1, "brand");
	GatherTags(&gathering, fcinfo, 2);
	if (!PG_ARGISNULL(3) && JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(3)))
		GatherAttributes(&gathering, PG_GETARG_JSONB_P(3));
	GatherWords(&gathering);
	ReturnWords(fcinfo, &gathering);
	return (Datum) 0;
}

/* _search_length(lengths, weight): how many words a packed length stands for */
Datum
personalize_search_length(PG_FUNCTION_ARGS)
{
	int			weight = PG_GETARG_INT32(1);

	if (weight < 0 || weight >= WEIGHT_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight \"%d\" is not between 0 and %d", weight, WEIGHT_COUNT - 1)));
	PG_RETURN_INT32(LengthDecode(PackedByte(PG_GETARG_INT32(0), weight)));
}
