/*
 * key.c
 *		Ids of users, items, sessions and messages become 64-bit keys.
 *
 * Shops have ids of every type.  Functions take them as the base type
 * entity_id, to which text, the integers, numeric and uuid cast implicitly, so
 * that one signature serves them all.  Tables hold keys:
 *
 *	- a canonical non-negative decimal bigint ("0", "42", not "042") is its own
 *	  key, so a shop's bigint primary keys join directly;
 *	- anything else is the SipHash-2-4 of its UTF-8 bytes with the sign bit set,
 *	  the same on every platform, version and server encoding.
 *
 * entity_id has no binary input: a driver that does not know the type sends an
 * integer or a uuid as its bytes, which may be characters, too.
 *
 * What the several ways to write one id have in common is in id.c.
 *
 * The two spaces never meet, because only the second has negative keys.
 *
 * SipHash: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF",
 * INDOCRYPT 2012, section 2; the test vector of its appendix A is in
 * sql/key.sql.  The hash key is public: it gives stability, not secrecy.
 */
#include "postgres.h"

#include "base/key.h"

#include "base/argument.h"
#include "base/bytes.h"
#include "base/id.h"
#include "base/shard.h"
#include "base/unicode.h"
#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(personalize_entity_id_in);
PG_FUNCTION_INFO_V1(personalize_entity_id_out);
PG_FUNCTION_INFO_V1(personalize_entity_id_send);
PG_FUNCTION_INFO_V1(personalize_entity_id_from_int2);
PG_FUNCTION_INFO_V1(personalize_entity_id_from_int4);
PG_FUNCTION_INFO_V1(personalize_entity_id_from_int8);
PG_FUNCTION_INFO_V1(personalize_entity_id_from_numeric);
PG_FUNCTION_INFO_V1(personalize_entity_id_from_uuid);
PG_FUNCTION_INFO_V1(personalize_key);
PG_FUNCTION_INFO_V1(personalize_exact_key);
PG_FUNCTION_INFO_V1(personalize_siphash);
PG_FUNCTION_INFO_V1(personalize_event_shard);

/* Bytes 00..0f, the key of the paper's test vector. */
static const uint64 sipKey0 = UINT64CONST(0x0706050403020100);
static const uint64 sipKey1 = UINT64CONST(0x0f0e0d0c0b0a0908);

/* Rotate left. */
static inline uint64
Rotate(uint64 value, int bits)
{
	return (value << bits) | (value >> (64 - bits));
}

/* One SipRound over the four state words. */
static inline void
SipRound(uint64 *v)
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = Rotate(v[1], 13) ^ v[0];
	v[3] = Rotate(v[3], 16) ^ v[2];
	v[0] = Rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = Rotate(v[1], 17) ^ v[2];
	v[3] = Rotate(v[3], 21) ^ v[0];
	v[2] = Rotate(v[2], 32);
}

/* Begin to hash under a key. */
static inline void
SipBegin(uint64 *v, uint64 key0, uint64 key1)
{
	v[0] = key0 ^ UINT64CONST(0x736f6d6570736575);
	v[1] = key1 ^ UINT64CONST(0x646f72616e646f6d);
	v[2] = key0 ^ UINT64CONST(0x6c7967656e657261);
	v[3] = key1 ^ UINT64CONST(0x7465646279746573);
}

/* Hash a word. */
static inline void
SipWord(uint64 *v, uint64 word)
{
	v[3] ^= word;
	SipRound(v);
	SipRound(v);
	v[0] ^= word;
}

/* The hash, after the last word, which has the length of all. */
static inline uint64
SipEnd(uint64 *v)
{
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		SipRound(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* SipHash-2-4 of the bytes under a key. */
uint64
KeyHashUnder(uint64 key0, uint64 key1, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	size_t		whole = length & ~(size_t) 7;
	uint64		v[4];

	SipBegin(v, key0, key1);
	for (size_t i = 0; i < whole; i += 8)
		SipWord(v, BytesGet(bytes + i, 8));
	SipWord(v, BytesGet(bytes + whole, (int) (length - whole)) | ((uint64) length << 56));
	return SipEnd(v);
}

/* The same under the project's fixed key. */
uint64
KeyHash(const void *data, size_t length)
{
	return KeyHashUnder(sipKey0, sipKey1, data, length);
}

/* Begin to hash words under the same key. */
void
KeyHashBegin(KeyHashing *hashing, const uint64 *words, int count)
{
	SipBegin(hashing->state, sipKey0, sipKey1);
	for (int i = 0; i < count; i++)
		SipWord(hashing->state, words[i]);
	hashing->words = count;
}

/* The hash with one more. */
uint64
KeyHashWith(const KeyHashing *hashing, uint64 last)
{
	KeyHashing	copy = *hashing;

	SipWord(copy.state, last);
	SipWord(copy.state, (uint64) (hashing->words + 1) * sizeof(uint64) << 56);
	return SipEnd(copy.state);
}

/* If the bytes are a canonical non-negative decimal bigint, give its value. */
static bool
ParseCanonicalNumber(const char *data, int length, int64 *value)
{
	uint64		number = 0;

	if (length < 1 || length > 19 || (data[0] == '0' && length > 1))
		return false;
	for (int i = 0; i < length; i++)
	{
		if (data[i] < '0' || data[i] > '9')
			return false;
		number = number * 10 + (data[i] - '0');
	}
	if (number > (uint64) PG_INT64_MAX)
		return false;
	*value = (int64) number;
	return true;
}

/* The stable key of an id given as bytes in the server's encoding. */
int64
KeyFromBytes(const char *data, int length)
{
	int64		key;
	IdBytes		id;

	if (ParseCanonicalNumber(data, length, &key))
		return key;
	id = IdCanonical((IdBytes) {data, length});
	if (!ParseCanonicalNumber(id.data, id.length, &key))
		key = (int64) (KeyHash(id.data, id.length) | UINT64CONST(0x8000000000000000));
	if (id.made)
		pfree(id.made);
	return key;
}

/* The stable key of an id given as a text datum. */
int64
KeyFromText(const text *id)
{
	return KeyFromBytes(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
}

/* The key of a text as it is written: what ids have in common is told apart. */
int64
KeyFromExactText(const text *value)
{
	int			length;
	const char *utf8 = UnicodeFromServer(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &length);

	return (int64) (KeyHash(utf8, length) | UINT64CONST(0x8000000000000000));
}

/* entity_id input: the text as it is; lengths are checked where it is used. */
Datum
personalize_entity_id_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_CSTRING(0)));
}

/* entity_id output: the text as it is. */
Datum
personalize_entity_id_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(TextDatumGetCString(PG_GETARG_DATUM(0)));
}

/* entity_id binary output, as text's. */
Datum
personalize_entity_id_send(PG_FUNCTION_ARGS)
{
	return textsend(fcinfo);
}

/* An integer as entity_id. */
static Datum
EntityIdFromInteger(int64 value)
{
	char		buffer[MAXINT8LEN + 1];

	pg_lltoa(value, buffer);
	return PointerGetDatum(cstring_to_text(buffer));
}

/* smallint as entity_id. */
Datum
personalize_entity_id_from_int2(PG_FUNCTION_ARGS)
{
	return EntityIdFromInteger(PG_GETARG_INT16(0));
}

/* integer as entity_id. */
Datum
personalize_entity_id_from_int4(PG_FUNCTION_ARGS)
{
	return EntityIdFromInteger(PG_GETARG_INT32(0));
}

/* bigint as entity_id. */
Datum
personalize_entity_id_from_int8(PG_FUNCTION_ARGS)
{
	return EntityIdFromInteger(PG_GETARG_INT64(0));
}

/* numeric as entity_id, without the zeros that only its scale adds. */
Datum
personalize_entity_id_from_numeric(PG_FUNCTION_ARGS)
{
	Numeric		number = PG_GETARG_NUMERIC(0);
	Datum		trimmed;

	if (numeric_is_nan(number) || numeric_is_inf(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not an id",
						DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number))))));
	trimmed = DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number));
	PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(DirectFunctionCall1(numeric_out, trimmed))));
}

/* uuid as entity_id, in lower case with hyphens. */
Datum
personalize_entity_id_from_uuid(PG_FUNCTION_ARGS)
{
	Datum		uuid = PG_GETARG_DATUM(0);

	PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out, uuid))));
}

/* An id that may be NULL, tidy; an error that calls it by name if it is none. */
text *
KeyCheckId(Datum value, bool isNull, const char *name)
{
	text	   *given;
	IdBytes		id;

	if (isNull)
		ArgumentReportNull(name);
	given = DatumGetTextPP(value);
	id = IdTidy((IdBytes) {VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)});
	if (id.length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name)));
	if (id.length > KEY_MAX_ID_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %d bytes, more than %d", name, id.length, KEY_MAX_ID_BYTES)));
	return cstring_to_text_with_len(id.data, id.length);
}

/* An id given as an argument. */
text *
KeyIdArgument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	return KeyCheckId(fcinfo->args[argument].value, PG_ARGISNULL(argument), name);
}

/* An id that is seen at once to be one; NULL: it must be looked at. */
text *
KeySurelyId(Datum value, bool isNull)
{
	text	   *id = isNull ? NULL : DatumGetTextPP(value);

	return id != NULL && VARSIZE_ANY_EXHDR(id) <= KEY_MAX_ID_BYTES &&
		IdIsSurelyTidy(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)) ? id : NULL;
}

/* An element of an array of ids. */
text *
KeyCheckElement(Datum value, bool isNull, const char *array)
{
	text	   *id = KeySurelyId(value, isNull);

	return id ? id : KeyCheckId(value, isNull, psprintf("an element of %s", array));
}

/* The key of an id given as an argument. */
int64
KeyArgument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	text	   *id = KeySurelyId(fcinfo->args[argument].value, PG_ARGISNULL(argument));

	return KeyFromText(id ? id : KeyIdArgument(fcinfo, argument, name));
}

/* user_key(id) and item_key(id). */
Datum
personalize_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(KeyFromText(PG_GETARG_TEXT_PP(0)));
}

/* _exact_key(text) */
Datum
personalize_exact_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(KeyFromExactText(PG_GETARG_TEXT_PP(0)));
}

/* _siphash(bytes): the bare hash, for the published test vector. */
Datum
personalize_siphash(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_INT64((int64) KeyHash(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)));
}

/* _event_shard(user_key): the shard and lock stripe of a key. */
Datum
personalize_event_shard(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16((int16) ShardOfKey(PG_GETARG_INT64(0)));
}
