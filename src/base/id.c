/*
 * id.c
 *		The one reader of ids: of users, items, sessions, requests and messages.
 *
 * One id is written in several ways: in a fixed-width column with blanks behind it,
 * composed by one system and decomposed by another (é as one or as two code
 * points), a UUID in capitals or in braces.  All of them are one id everywhere, in
 * events, consent, erasure and engines, because all of them have one key:
 *
 *	- blanks around it do not belong to it, nor do characters that show nothing;
 *	- it is compared in Unicode's normalization form C;
 *	- a UUID is compared in lower case, without braces.
 *
 * Nothing else is made equal: "A1" and "a1", "042" and "42" are different ids.
 *
 * An id is kept as it was written first, but tidy: without what is around it, and
 * composed.  Almost all ids are short ASCII, which is looked at once.
 */
#include "postgres.h"

#include "base/id.h"

#include "base/unicode.h"
#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_same_id);

#define UUID_TEXT_LENGTH 36

/* True if the bytes are a UUID of 36 characters. */
static bool
IsUuid(IdBytes id)
{
	if (id.length != UUID_TEXT_LENGTH)
		return false;
	for (int i = 0; i < UUID_TEXT_LENGTH; i++)
	{
		bool		hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen ? id.data[i] != '-' : !isxdigit((unsigned char) id.data[i]))
			return false;
	}
	return true;
}

/* True if all bytes are ASCII. */
static bool
IsAscii(IdBytes id)
{
	for (int i = 0; i < id.length; i++)
		if (IS_HIGHBIT_SET(id.data[i]))
			return false;
	return true;
}

/* True for ASCII that is blank or a control. */
static inline bool
IsAsciiBlank(char c)
{
	return (unsigned char) c <= ' ' || c == 0x7f;
}

/* Tidy ASCII. */
static IdBytes
TidyAscii(IdBytes id)
{
	IdBytes		inner;

	while (id.length > 0 && IsAsciiBlank(id.data[0]))
		id.data++, id.length--;
	while (id.length > 0 && IsAsciiBlank(id.data[id.length - 1]))
		id.length--;
	if (id.length != UUID_TEXT_LENGTH + 2 || id.data[0] != '{' || id.data[id.length - 1] != '}')
		return id;
	inner = (IdBytes) {id.data + 1, UUID_TEXT_LENGTH};
	return IsUuid(inner) ? inner : id;
}

/* Tidy UTF-8, which may be ASCII once it is. */
static IdBytes
TidyUtf8(IdBytes id)
{
	int			count;
	pg_wchar   *points = UnicodeDecode(id.data, id.length, &count);
	pg_wchar   *inner = points;
	pg_wchar   *composed;
	IdBytes		tidy;

	while (count > 0 && UnicodeIsBlank(inner[count - 1]))
		count--;
	while (count > 0 && UnicodeIsBlank(inner[0]))
		inner++, count--;
	inner[count] = 0;
	composed = UnicodeCompose(inner, &count);
	tidy.data = tidy.made = UnicodeEncode(composed, count, &tidy.length);
	if (composed != inner)
		pfree(composed);
	pfree(points);
	return IsAscii(tidy) ? TidyAscii(tidy) : tidy;
}

/* An id as it is kept. */
IdBytes
IdTidy(IdBytes id)
{
	if (IsAscii(id))
		return TidyAscii(id);
	/* elsewhere the composed form may have no characters */
	return GetDatabaseEncoding() == PG_UTF8 ? TidyUtf8(id) : TidyAscii(id);
}

/* Replace what was made for an id. */
static void
SetMade(IdBytes *id, char *made)
{
	if (id->made)
		pfree(id->made);
	id->data = id->made = made;
}

/* The id as UTF-8, tidy; bytes that are none, which SQL_ASCII allows, as ASCII is. */
static IdBytes
TidyAnyEncoding(IdBytes id)
{
	IdBytes		utf8 = {.data = UnicodeFromServer(id.data, id.length, &utf8.length)};
	IdBytes		tidy;

	if (pg_encoding_verifymbstr(PG_UTF8, utf8.data, utf8.length) != utf8.length)
		return TidyAscii(id);
	tidy = TidyUtf8(utf8);
	if (utf8.data != id.data)
		pfree((char *) utf8.data);
	return tidy;
}

/* What its key is made from. */
IdBytes
IdCanonical(IdBytes id)
{
	char	   *lower;

	id = IsAscii(id) ? TidyAscii(id) : TidyAnyEncoding(id);
	if (!IsUuid(id))
		return id;
	lower = palloc(id.length);
	for (int i = 0; i < id.length; i++)
		lower[i] = pg_ascii_tolower((unsigned char) id.data[i]);
	SetMade(&id, lower);
	return id;
}

/* The bytes of a text. */
static IdBytes
TextBytes(const text *id)
{
	return (IdBytes) {VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)};
}

/* True if two ids are one, however they are written. */
bool
IdIsSame(const text *left, const text *right)
{
	IdBytes		a = IdCanonical(TextBytes(left));
	IdBytes		b = IdCanonical(TextBytes(right));

	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* _same_id(id, id) */
Datum
personalize_same_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(IdIsSame(PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1)));
}
