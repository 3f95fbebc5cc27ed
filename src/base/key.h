/*
 * key.h
 *		Ids of users, items, sessions and messages become 64-bit keys.
 */
#ifndef PERSONALIZE_KEY_H
#define PERSONALIZE_KEY_H

#include "postgres.h"

#include "fmgr.h"

/* The longest id of a user or an item, in bytes. */
#define KEY_MAX_ID_BYTES 512

/* The stable key of an id given as bytes in the server's encoding. */
extern int64 KeyFromBytes(const char *data, int length);

/* The same for a text (or entity_id) datum. */
extern int64 KeyFromText(const text *id);

/* The key of a text that is no id: blanks and forms of a letter tell texts apart. */
extern int64 KeyFromExactText(const text *value);

/* An id given as an argument; an error that calls it by name if it is none. */
extern text *KeyCheckId(Datum value, bool isNull, const char *name);
extern text *KeyIdArgument(FunctionCallInfo fcinfo, int argument, const char *name);

/* An id of which it is seen at once that it is one, no copy; NULL: it must be looked at. */
extern text *KeySurelyId(Datum value, bool isNull);

/* An element of an array of ids; it is no copy if that is seen. */
extern text *KeyCheckElement(Datum value, bool isNull, const char *array);

/* The key of an id given as an argument, with the same checks. */
extern int64 KeyArgument(FunctionCallInfo fcinfo, int argument, const char *name);

/* True if the key gives the id back by itself, as its decimal digits. */
static inline bool
KeyIsNumber(int64 key)
{
	return key >= 0;
}

/* SipHash-2-4 of UTF-8 bytes, under the project's fixed key. */
extern uint64 KeyHash(const void *data, size_t length);

/* The same of words, of which many have all but the last in common. */
typedef struct KeyHashing
{
	uint64		state[4];
	int			words;
} KeyHashing;

extern void KeyHashBegin(KeyHashing *hashing, const uint64 *words, int count);
extern uint64 KeyHashWith(const KeyHashing *hashing, uint64 last);

/* The same under a key of the caller's. */
extern uint64 KeyHashUnder(uint64 key0, uint64 key1, const void *data, size_t length);

#endif
