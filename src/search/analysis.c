/*
 * analysis.c
 *		A text becomes words that can be compared: of items and queries alike.
 *
 * Words are those of base/words.h.  The stem is that of the server's dictionary
 * <language>_stem; words the dictionary would drop (the, who) are kept as they are, for
 * they can be all there is of a title, and what is in most items weighs little anyway.
 * Accents go last, because stemmers want them: from the form and the stem, by Unicode's
 * decomposition, so that nothing has to be installed for it.
 */
#include "postgres.h"

#include "search/analysis.h"

#include "base/unicode.h"
#include "base/words.h"
#include "catalog/namespace.h"
#include "common/unicode_norm.h"
#include "compat.h"
#include "mb/pg_wchar.h"
#include "nodes/value.h"
#include "tsearch/ts_cache.h"
#include "tsearch/ts_public.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

struct Language
{
	NameData	name;
	Oid			dictionary;		/* InvalidOid: words are not stemmed */
	Language   *next;
};

/* Letters that have no decomposition but are written without their mark, too. */
static const struct
{
	pg_wchar	letter;
	const char *plain;
}			plainLetters[] = {
	{0x00df, "ss"}, {0x00e6, "ae"}, {0x00f0, "d"}, {0x00f8, "o"}, {0x00fe, "th"}, {0x0111, "d"},
	{0x0131, "i"}, {0x0142, "l"}, {0x0153, "oe"}
};

/* A language by its name. */
const Language *
LanguageFind(const char *name)
{
	static Language *known = NULL;
	Language   *language;
	Oid			dictionary = InvalidOid;

	for (language = known; language != NULL; language = language->next)
		if (strcmp(NameStr(language->name), name) == 0)
			return language;
	if (strcmp(name, "simple") != 0)
	{
		char	   *stemmer = psprintf("%s_stem", name);

		if (strlen(stemmer) < NAMEDATALEN)
			dictionary = get_ts_dict_oid(list_make2(makeString("pg_catalog"), makeString(stemmer)), true);
		if (!OidIsValid(dictionary))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("search language \"%s\" is unknown", name),
					 errhint("Use simple, or a language that has a dictionary <language>_stem: SELECT dictname FROM pg_ts_dict.")));
	}
	language = MemoryContextAllocZero(TopMemoryContext, sizeof(Language));
	strlcpy(NameStr(language->name), name, NAMEDATALEN);
	language->dictionary = dictionary;
	language->next = known;
	known = language;
	return language;
}

/* Append a code point as it is without marks. */
static void
AppendPlain(StringInfo out, pg_wchar point)
{
	unsigned char utf8[4];

	if (point >= 0x0300 && point <= 0x036f)
		return;
	for (int i = 0; i < lengthof(plainLetters); i++)
	{
		if (plainLetters[i].letter == point)
		{
			appendStringInfoString(out, plainLetters[i].plain);
			return;
		}
	}
	/* of a sign made of capitals, too */
	if (point < 0x80)
		point = pg_ascii_tolower((unsigned char) point);
	unicode_to_utf8(point, utf8);
	appendBinaryStringInfo(out, (char *) utf8, pg_utf_mblen(utf8));
}

/* A word without accents: itself, or palloc'd. */
static const char *
WithoutAccents(const char *word, int *length)
{
	StringInfoData out;
	pg_wchar   *points;
	pg_wchar   *apart;
	int			count;
	const char *utf8;
	const char *plain;

	if (UnicodeIsAscii(word, *length) || GetDatabaseEncoding() == PG_SQL_ASCII)
		return word;
	utf8 = UnicodeTryFromServer(word, *length, &count);
	if (utf8 == NULL)
		return word;
	points = UnicodeDecode(utf8, count, &count);
	apart = unicode_normalize(UNICODE_NFKD, points);
	initStringInfo(&out);
	for (pg_wchar *at = apart; *at != 0; at++)
		AppendPlain(&out, *at);
	pfree(apart);
	pfree(points);
	plain = UnicodeTryToServer(out.data, out.len, &count);
	/* syllables come apart into what other encodings cannot write */
	if (plain == NULL)
		return word;
	*length = pg_mbcliplen(plain, count, Min(count, ANALYSIS_MAX_WORD));
	return plain;
}

/* The stem of a word: itself where the dictionary has none. */
static const char *
Stem(const Language *language, const char *word, int *length)
{
	TSDictionaryCacheEntry *dictionary;
	DictSubState state = {false, false, NULL};
	TSLexeme   *lexemes;
	int			utf8Length;

	/* stemmers speak UTF-8 */
	if (!OidIsValid(language->dictionary) || UnicodeTryFromServer(word, *length, &utf8Length) == NULL)
		return word;
	dictionary = lookup_ts_dictionary_cache(language->dictionary);
	lexemes = (TSLexeme *) DatumGetPointer(FunctionCall4(&dictionary->lexize,
														  PointerGetDatum(dictionary->dictData),
														  PointerGetDatum(word), Int32GetDatum(*length),
														  PointerGetDatum(&state)));
	if (lexemes == NULL || lexemes[0].lexeme == NULL)
		return word;
	*length = strlen(lexemes[0].lexeme);
	return lexemes[0].lexeme;
}

/* Whom the words go to. */
typedef struct Analysis
{
	const Language *language;
	AnalysisCallback callback;
	void	   *argument;
	MemoryContext scratch;
	MemoryContext caller;
} Analysis;

/* Give a word that has been found. */
static void
AnalyseWord(void *argument, const char *found, int length)
{
	Analysis   *analysis = argument;
	MemoryContext outer = MemoryContextSwitchTo(analysis->scratch);
	int			kept = pg_mbcliplen(found, length, Min(length, ANALYSIS_MAX_WORD));
	AnalysedWord word = {.form = pnstrdup(found, kept),.formLength = kept,.wordLength = kept};

	word.word = Stem(analysis->language, word.form, &word.wordLength);
	word.word = WithoutAccents(word.word, &word.wordLength);
	word.form = WithoutAccents(word.form, &word.formLength);
	if (word.wordLength > 0 && word.formLength > 0)
	{
		MemoryContextSwitchTo(analysis->caller);
		analysis->callback(analysis->argument, &word);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextReset(analysis->scratch);
}

/* Give each word of a text to the callback. */
void
AnalysisEach(const Language *language, const char *data, int length, int maxBytes,
			 AnalysisCallback callback, void *argument)
{
	Analysis	analysis = {.language = language,.callback = callback,.argument = argument,
	.caller = CurrentMemoryContext};

	analysis.scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize words", ALLOCSET_SMALL_SIZES);
	WordsEach(data, length, maxBytes, AnalyseWord, &analysis);
	MemoryContextDelete(analysis.scratch);
}
