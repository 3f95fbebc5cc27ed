/*
 * words.c
 *		The words of a text, as signals about a query count them.
 *
 * A word is a run of letters, digits and marks, in lower case by Unicode's root
 * rules (ICU's, where the server was built with it, whatever locale the database
 * has) and in normalization form C.  Spaces, punctuation and symbols are between
 * words; characters that only direct or join what is shown are left out, so that a
 * soft hyphen does not make another word.  Apostrophes are punctuation, straight or
 * curly.
 *
 * Of a long text only the words that begin within its first bytes are looked at,
 * each of them whole.
 */
#include "postgres.h"

#include "base/words.h"

#include "base/unicode.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "common/string.h"
#include "compat.h"
#include "mb/pg_wchar.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

/* Before it is composed a text may be so many times as long. */
#define MAX_EXPANSION 8

/* What ICU writes in encodings of one byte for what it cannot write; in others it is no character. */
#define ICU_SUBSTITUTE 0x1a

/* U+0130, whose small letter is two code points. */
#define CAPITAL_I_WITH_DOT "\xc4\xb0"

typedef struct Range
{
	pg_wchar	first;
	pg_wchar	last;
} Range;

/* Left out of words: what directs, joins or shows nothing.  U+200B, a space of no width, separates. */
static const Range ignored[] = {
	{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c}, {0x180b, 0x180e}, {0x200c, 0x200f},
	{0x202a, 0x202e}, {0x2060, 0x206f}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xe0000, 0xe01ef}
};

/* Between words, beyond what UnicodeIsBlank knows: punctuation and symbols. */
static const Range separators[] = {
	{0x0021, 0x002f}, {0x003a, 0x0040}, {0x005b, 0x0060}, {0x007b, 0x007e},
	{0x00a1, 0x00a9}, {0x00ab, 0x00b1}, {0x00b4, 0x00b4}, {0x00b6, 0x00b8}, {0x00bb, 0x00bb}, {0x00bf, 0x00bf},
	{0x00d7, 0x00d7}, {0x00f7, 0x00f7}, {0x037e, 0x037e}, {0x0387, 0x0387}, {0x055a, 0x055f}, {0x0589, 0x058f},
	{0x05be, 0x05be}, {0x05c0, 0x05c0}, {0x05c3, 0x05c3}, {0x05c6, 0x05c6}, {0x05f3, 0x05f4}, {0x0600, 0x060f},
	{0x061b, 0x061f}, {0x066a, 0x066d}, {0x06d4, 0x06d4}, {0x0700, 0x070d}, {0x0964, 0x0965}, {0x0970, 0x0970},
	{0x0e3f, 0x0e3f}, {0x0e4f, 0x0e4f}, {0x0e5a, 0x0e5b}, {0x104a, 0x104f}, {0x10fb, 0x10fb}, {0x1360, 0x1368},
	{0x17d4, 0x17db}, {0x1800, 0x180a}, {0x2010, 0x2027}, {0x2030, 0x205e}, {0x207a, 0x207e}, {0x208a, 0x208e},
	{0x20a0, 0x20cf}, {0x2190, 0x245f}, {0x2500, 0x2bff}, {0x2e00, 0x2e7f}, {0x3001, 0x3004}, {0x3008, 0x3020},
	{0x3030, 0x3030}, {0x303d, 0x303f}, {0x30a0, 0x30a0}, {0x30fb, 0x30fb}, {0xfd3e, 0xfd3f}, {0xfe10, 0xfe1f},
	{0xfe30, 0xfe6f}, {0xff01, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffee},
	{0xfff9, 0xffff}, {0x1f000, 0x1faff}
};

/* What a code point does to words. */
typedef enum Role
{
	ROLE_WORD,
	ROLE_IGNORED,
	ROLE_SEPARATOR
} Role;

/* True if a code point is in one of the ranges, which are in order. */
static bool
IsIn(pg_wchar point, const Range *ranges, int count)
{
	for (int i = 0; i < count && ranges[i].first <= point; i++)
		if (point <= ranges[i].last)
			return true;
	return false;
}

/* What a code point does to words. */
static Role
RoleOf(pg_wchar point)
{
	if (point < 0x80)
		return isalnum((unsigned char) point) ? ROLE_WORD : ROLE_SEPARATOR;
	if (IsIn(point, ignored, lengthof(ignored)))
		return ROLE_IGNORED;
	return UnicodeIsBlank(point) || IsIn(point, separators, lengthof(separators)) ?
		ROLE_SEPARATOR : ROLE_WORD;
}

/* The collation whose rules lower case follows: ICU's root where there is one. */
static Oid
LowerCollation(void)
{
	Oid			collation = InvalidOid;

	if (is_encoding_supported_by_icu(GetDatabaseEncoding()))
		collation = get_collation_oid(list_make2(makeString("pg_catalog"), makeString("und-x-icu")), true);
	return OidIsValid(collation) ? collation : DEFAULT_COLLATION_OID;
}

/*
 * True if a text in lower case holds characters of the text alone.  Where ICU does not
 * know a character of the database's encoding (the euro sign in EUC_KR), or the encoding
 * has not the small letter (of U+0130 in LATIN5), ICU puts a substitute, which mostly
 * stands for nothing.
 */
static bool
IsFaithful(const char *lower)
{
	int			length;
	const char *utf8;

	if (GetDatabaseEncoding() == PG_UTF8)
		return true;
	if (strchr(lower, ICU_SUBSTITUTE) != NULL)
		return false;
	utf8 = UnicodeTryFromServer(lower, strlen(lower), &length);
	if (utf8 != NULL && utf8 != lower)
		pfree((char *) utf8);
	return utf8 != NULL;
}

/* Append a character that is not ASCII in lower case, or as it is where that cannot be written. */
static void
AppendLower(StringInfo out, const char *character, int length, Oid collation)
{
	char	   *lower = str_tolower(character, length, collation);
	int			utf8Length;
	const char *utf8;

	if (IsFaithful(lower))
		appendStringInfoString(out, lower);
	else if ((utf8 = UnicodeTryFromServer(character, length, &utf8Length)) != NULL &&
			 strcmp(utf8, CAPITAL_I_WITH_DOT) == 0)
		appendStringInfoChar(out, 'i');
	else
		appendBinaryStringInfo(out, character, length);
	pfree(lower);
}

/* A text in lower case, one character after the other. */
static char *
LowerEach(const char *text, int length)
{
	Oid			collation = LowerCollation();
	StringInfoData out;

	initStringInfo(&out);
	for (int at = 0; at < length;)
	{
		int			bytes = Min(pg_mblen(text + at), length - at);

		if (IS_HIGHBIT_SET(text[at]))
			AppendLower(&out, text + at, bytes, collation);
		else
			appendStringInfoChar(&out, pg_ascii_tolower((unsigned char) text[at]));
		at += bytes;
	}
	return out.data;
}

/*
 * A text in lower case.  ICU's root has the same rules for ASCII as C has; to ask it
 * takes many times as long as the rest of the work.
 */
static char *
Lower(const char *text, int length, bool ascii)
{
	static bool hasRoot = false;
	char	   *lower;

	if (ascii && !hasRoot)
		hasRoot = LowerCollation() != DEFAULT_COLLATION_OID;
	if (ascii && hasRoot)
		return asc_tolower(text, length);
	lower = str_tolower(text, length, LowerCollation());
	return ascii || IsFaithful(lower) ? lower : LowerEach(text, length);
}

char *
WordsLower(const char *text, int length)
{
	return Lower(text, length, UnicodeIsAscii(text, length));
}

/* Whom words are given. */
typedef struct Receiver
{
	WordCallback callback;
	void	   *argument;
} Receiver;

/* Give a word that has been found. */
static void
GiveWord(const pg_wchar *points, int count, const Receiver *receiver)
{
	int			length;
	char	   *utf8 = UnicodeEncode(points, count, &length);
	char	   *word = utf8;

	/* ASCII is the same everywhere, also where the server has no conversion */
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII && !pg_is_ascii(utf8))
	{
		word = pg_any_to_server(utf8, length, PG_UTF8);
		length = strlen(word);
	}
	receiver->callback(receiver->argument, word, length);
	if (word != utf8)
		pfree(word);
	pfree(utf8);
}

/* Give the words of code points, of which the last may be cut. */
static void
SplitPoints(pg_wchar *points, int count, bool isCut, int maxBytes, const Receiver *receiver)
{
	int			bytes = 0;		/* before the place */
	int			wordBytes = 0;	/* before the word */
	int			wordLength = 0;
	unsigned char utf8[4];

	/* a word is put together in front of the place, where nothing is needed any more */
	for (int i = 0; i < count; i++)
	{
		Role		role = RoleOf(points[i]);

		if (role == ROLE_WORD)
		{
			if (wordLength == 0)
				wordBytes = bytes;
			points[wordLength++] = points[i];
		}
		else if (role == ROLE_SEPARATOR && wordLength > 0)
		{
			GiveWord(points, wordLength, receiver);
			wordLength = 0;
		}
		bytes += pg_utf_mblen(unicode_to_utf8(points[i], utf8));
		if (wordLength == 0 && bytes >= maxBytes)
			return;
	}
	if (wordLength > 0 && !isCut && wordBytes < maxBytes)
		GiveWord(points, wordLength, receiver);
}

/* Give the words of a text that is not Unicode: any byte that is not ASCII is part of one. */
static void
SplitBytes(const char *text, int length, const Receiver *receiver)
{
	const char *start = text;

	for (const char *at = text;; at++)
	{
		if (at < text + length && (IS_HIGHBIT_SET(*at) || isalnum((unsigned char) *at)))
			continue;
		if (at > start)
			receiver->callback(receiver->argument, start, at - start);
		start = at + 1;
		if (at >= text + length)
			break;
	}
}

/* Give each word of a text, in lower case, to the callback. */
void
WordsEach(const char *text, int length, int maxBytes, WordCallback callback, void *argument)
{
	Receiver	receiver = {callback, argument};
	bool		isCut = length > maxBytes * MAX_EXPANSION;
	int			kept = isCut ? pg_mbcliplen(text, length, maxBytes * MAX_EXPANSION) : length;
	bool		ascii = UnicodeIsAscii(text, kept);
	char	   *lower = Lower(text, kept, ascii);
	int			utf8Length;
	const char *utf8 = UnicodeTryFromServer(lower, strlen(lower), &utf8Length);

	if (utf8 != NULL && pg_encoding_verifymbstr(PG_UTF8, utf8, utf8Length) == utf8Length)
	{
		int			count;
		pg_wchar   *points = UnicodeDecode(utf8, utf8Length, &count);
		/* ASCII is composed as it is; in other encodings the composed form may have no characters */
		pg_wchar   *composed = !ascii && GetDatabaseEncoding() == PG_UTF8 ? UnicodeCompose(points, &count) : points;

		SplitPoints(composed, count, isCut, maxBytes, &receiver);
		if (composed != points)
			pfree(composed);
		pfree(points);
	}
	else
		SplitBytes(lower, pg_mbcliplen(lower, strlen(lower), maxBytes), &receiver);
	if (utf8 != NULL && utf8 != lower)
		pfree((char *) utf8);
	pfree(lower);
}
