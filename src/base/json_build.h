/*
 * json_build.h
 *		Appending members to a JSON object that is being built.
 */
#ifndef PERSONALIZE_JSON_BUILD_H
#define PERSONALIZE_JSON_BUILD_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

/* Strings must live until the object is finished. */
extern void JsonPushKey(JsonbParseState **state, const char *key);
extern void JsonPushValue(JsonbParseState **state, const char *key, const JsonbValue *value);
extern void JsonPushBytes(JsonbParseState **state, const char *key, const char *bytes, int length);
extern void JsonPushString(JsonbParseState **state, const char *key, const char *value);
extern void JsonPushText(JsonbParseState **state, const char *key, const text *value); /* NULL: null */
extern void JsonPushTexts(JsonbParseState **state, const char *key, ArrayType *texts);
extern void JsonPushNumeric(JsonbParseState **state, const char *key, Numeric number);
extern void JsonPushNumber(JsonbParseState **state, const char *key, int64 value);
extern void JsonPushDigits(JsonbParseState **state, const char *key, const char *digits);
extern void JsonPushFloat(JsonbParseState **state, const char *key, double value); /* finite; all digits */
extern void JsonPushBool(JsonbParseState **state, const char *key, bool value);
extern void JsonPushJsonb(JsonbParseState **state, const char *key, Jsonb *value);

#endif
