/*
 * json_build.c
 *		Appending members to a JSON object that is being built.
 */
#include "postgres.h"

#include "base/json_build.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* A string as a JSON value. */
static JsonbValue
StringValue(const char *bytes, int length)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, bytes);
	value.val.string.len = length;
	return value;
}

/* Append a key. */
void
JsonPushKey(JsonbParseState **state, const char *key)
{
	JsonbValue	value = StringValue(key, strlen(key));

	pushJsonbValue(state, WJB_KEY, &value);
}

/* Append any value. */
void
JsonPushValue(JsonbParseState **state, const char *key, const JsonbValue *value)
{
	JsonbValue	copy = *value;

	JsonPushKey(state, key);
	pushJsonbValue(state, WJB_VALUE, &copy);
}

/* Append the bytes of a string. */
void
JsonPushBytes(JsonbParseState **state, const char *key, const char *bytes, int length)
{
	JsonbValue	value = StringValue(bytes, length);

	JsonPushValue(state, key, &value);
}

/* Append a string. */
void
JsonPushString(JsonbParseState **state, const char *key, const char *value)
{
	JsonPushBytes(state, key, value, strlen(value));
}

/* Append a text; NULL is null. */
void
JsonPushText(JsonbParseState **state, const char *key, const text *value)
{
	JsonbValue	null = {.type = jbvNull};

	if (value == NULL)
		JsonPushValue(state, key, &null);
	else
		JsonPushBytes(state, key, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Append an array of texts. */
void
JsonPushTexts(JsonbParseState **state, const char *key, ArrayType *texts)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	JsonPushKey(state, key);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	element = {.type = jbvNull};

		if (!nulls[i])
			element = StringValue(VARDATA_ANY(DatumGetPointer(values[i])),
								  VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])));
		pushJsonbValue(state, WJB_ELEM, &element);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* Append a numeric. */
void
JsonPushNumeric(JsonbParseState **state, const char *key, Numeric number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = number;
	JsonPushValue(state, key, &value);
}

/* Append a whole number. */
void
JsonPushNumber(JsonbParseState **state, const char *key, int64 value)
{
	JsonPushNumeric(state, key, int64_to_numeric(value));
}

/* Append a number as its digits say. */
void
JsonPushDigits(JsonbParseState **state, const char *key, const char *digits)
{
	JsonPushNumeric(state, key,
					DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
														ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

/* Append a number with all its digits, which a cast to numeric would round. */
void
JsonPushFloat(JsonbParseState **state, const char *key, double value)
{
	JsonPushDigits(state, key, psprintf("%.17g", value));
}

/* Append a boolean. */
void
JsonPushBool(JsonbParseState **state, const char *key, bool value)
{
	JsonbValue	boolean = {.type = jbvBool};

	boolean.val.boolean = value;
	JsonPushValue(state, key, &boolean);
}

/* Append a document. */
void
JsonPushJsonb(JsonbParseState **state, const char *key, Jsonb *value)
{
	JsonbValue	document;

	JsonbToJsonbValue(value, &document);
	JsonPushValue(state, key, &document);
}
