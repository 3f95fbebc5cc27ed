/*
 * json_build.c
 *		Appending members to a JSON object that is being built.
 */
#include "postgres.h"

#include "base/json_build.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* Append bytes as a key or value. */
static void
PushBytes(JsonbParseState **state, JsonbIteratorToken token, const char *bytes, int length)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, bytes);
	value.val.string.len = length;
	pushJsonbValue(state, token, &value);
}

/* Append a key. */
void
JsonPushKey(JsonbParseState **state, const char *key)
{
	PushBytes(state, WJB_KEY, key, strlen(key));
}

/* Append a string. */
void
JsonPushString(JsonbParseState **state, const char *key, const char *value)
{
	JsonPushKey(state, key);
	PushBytes(state, WJB_VALUE, value, strlen(value));
}

/* Append a text; NULL is null. */
void
JsonPushText(JsonbParseState **state, const char *key, const text *value)
{
	JsonbValue	null = {.type = jbvNull};

	JsonPushKey(state, key);
	if (value == NULL)
		pushJsonbValue(state, WJB_VALUE, &null);
	else
		PushBytes(state, WJB_VALUE, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Append a numeric. */
static void
PushNumeric(JsonbParseState **state, const char *key, Numeric number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = number;
	JsonPushKey(state, key);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Append a whole number. */
void
JsonPushNumber(JsonbParseState **state, const char *key, int64 value)
{
	PushNumeric(state, key, int64_to_numeric(value));
}

/* Append a number with all its digits, which a cast to numeric would round. */
void
JsonPushFloat(JsonbParseState **state, const char *key, double value)
{
	PushNumeric(state, key,
				DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(psprintf("%.17g", value)),
													ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

/* Append a boolean. */
void
JsonPushBool(JsonbParseState **state, const char *key, bool value)
{
	JsonbValue	boolean = {.type = jbvBool};

	boolean.val.boolean = value;
	JsonPushKey(state, key);
	pushJsonbValue(state, WJB_VALUE, &boolean);
}
