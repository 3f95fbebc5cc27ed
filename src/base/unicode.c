/*
 * unicode.c
 *		Text as Unicode code points.
 *
 * Normalization is the server's own (Unicode Standard Annex 15): the same on every
 * platform, and by Unicode's stability policy in every version, except for code
 * points that the older version did not know.
 */
#include "postgres.h"

#include "base/unicode.h"

#include "catalog/namespace.h"
#include "common/unicode_norm.h"
#include "compat.h"
#include "storage/shmem.h"

/* Ranges of code points that are spaces, controls or show nothing at all, in order. */
static const struct
{
	pg_wchar	first;
	pg_wchar	last;
}			blanks[] = {
	{0x0000, 0x0020}, {0x007f, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},
	{0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180e, 0x180e}, {0x2000, 0x200f},
	{0x2028, 0x202f}, {0x205f, 0x206f}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
	{0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe007f}
};

/* True if all bytes are ASCII. */
bool
UnicodeIsAscii(const char *data, int length)
{
	for (int i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(data[i]))
			return false;
	return true;
}

/*
 * A string of the server's encoding as UTF-8, which may be the string itself.
 * In an SQL_ASCII database nobody knows what the bytes are: they are taken as
 * they are, and none raises.  ASCII is the same in all encodings, also in
 * MULE_INTERNAL, which the server cannot convert to UTF-8.
 */
const char *
UnicodeFromServer(const char *data, int length, int *utf8Length)
{
	const char *utf8 = data;

	if (GetDatabaseEncoding() != PG_SQL_ASCII && !UnicodeIsAscii(data, length))
		utf8 = pg_server_to_any(data, length, PG_UTF8);
	*utf8Length = utf8 == data ? length : (int) strlen(utf8);
	return utf8;
}

/*
 * Text of one encoding in another: itself where both have the same bytes for it, NULL where
 * a character has no equivalent, or there is no conversion.
 */
static const char *
TryConvert(const char *data, int length, int from, int to, int *convertedLength)
{
	Size		size = add_size(mul_size(length, MAX_CONVERSION_GROWTH), 1);
	Oid			conversion;
	char	   *converted;

	*convertedLength = length;
	if (from == to || GetDatabaseEncoding() == PG_SQL_ASCII || UnicodeIsAscii(data, length))
		return data;
	conversion = FindDefaultConversionProc(from, to);
	if (!OidIsValid(conversion))
		return NULL;
	converted = palloc(size);
	if (pg_do_encoding_conversion_buf(conversion, from, to, (unsigned char *) data, length,
									  (unsigned char *) converted, size, true) != length)
	{
		pfree(converted);
		return NULL;
	}
	*convertedLength = strlen(converted);
	return converted;
}

/* As UnicodeFromServer, but NULL where it would raise. */
const char *
UnicodeTryFromServer(const char *data, int length, int *utf8Length)
{
	return TryConvert(data, length, GetDatabaseEncoding(), PG_UTF8, utf8Length);
}

/* UTF-8 in the server's encoding, which may be the string itself; NULL where it has no such character. */
const char *
UnicodeTryToServer(const char *utf8, int length, int *serverLength)
{
	return TryConvert(utf8, length, PG_UTF8, GetDatabaseEncoding(), serverLength);
}

/* The code points of valid UTF-8, with a zero behind them. */
pg_wchar *
UnicodeDecode(const char *utf8, int length, int *count)
{
	const unsigned char *at = (const unsigned char *) utf8;
	const unsigned char *end = at + length;
	pg_wchar   *points = palloc((length + 1) * sizeof(pg_wchar));

	*count = 0;
	for (; at < end; at += pg_utf_mblen(at))
		points[(*count)++] = utf8_to_unicode(at);
	points[*count] = 0;
	return points;
}

/* Code points as UTF-8. */
char *
UnicodeEncode(const pg_wchar *points, int count, int *length)
{
	unsigned char *utf8 = palloc(count * 4 + 1);
	unsigned char *at = utf8;

	for (int i = 0; i < count; i++)
	{
		unicode_to_utf8(points[i], at);
		at += pg_utf_mblen(at);
	}
	*at = '\0';
	*length = at - utf8;
	return (char *) utf8;
}

/* The same text in normalization form C. */
pg_wchar *
UnicodeCompose(pg_wchar *points, int *count)
{
	pg_wchar   *composed;

	if (unicode_is_normalized_quickcheck(UNICODE_NFC, points) == UNICODE_NORM_QC_YES)
		return points;
	composed = unicode_normalize(UNICODE_NFC, points);
	for (*count = 0; composed[*count] != 0;)
		++*count;
	return composed;
}

/* True for spaces, controls and what shows nothing at all. */
bool
UnicodeIsBlank(pg_wchar point)
{
	for (int i = 0; i < lengthof(blanks) && blanks[i].first <= point; i++)
		if (point <= blanks[i].last)
			return true;
	return false;
}
