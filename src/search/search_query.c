/*
 * search_query.c
 *		What somebody looks for: groups of words that mean the same.
 */
#include "postgres.h"

#include "search/search_query.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/grow.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "search/analysis.h"
#include "search/vocabulary.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_search_words);

/* Of a query only so many bytes are read. */
#define MAX_QUERY_BYTES 2048

/* So many words may a beginning stand for. */
#define MAX_COMPLETIONS 64

/* A query while it is read. */
typedef struct QueryReader
{
	SearchQuery *query;
	WordReader *words;
	Snapshot	snapshot;
	const TextScoreParams *params;
} QueryReader;

/* True if two texts are the same bytes. */
static bool
IsSame(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* Add an alternative to a group. */
static QueryAlternative *
AddAlternative(QueryGroup *group, double weight)
{
	QueryAlternative *alternative;

	GrowArray(group->alternatives, group->count + 1, group->capacity, 4);
	alternative = &group->alternatives[group->count++];
	alternative->count = 0;
	alternative->weight = weight;
	return alternative;
}

/* Add an alternative of one word, unless the group has it. */
static void
AddWord(QueryGroup *group, text *word, double weight)
{
	QueryAlternative *alternative;

	for (int i = 0; i < group->count; i++)
		if (group->alternatives[i].count == 1 && IsSame(group->alternatives[i].words[0], word))
			return;
	alternative = AddAlternative(group, weight);
	alternative->words[alternative->count++] = word;
}

/* Take a word of the query. */
static void
TakeWord(void *argument, const AnalysedWord *found)
{
	SearchQuery *query = argument;
	text	   *word = cstring_to_text_with_len(found->word, found->wordLength);
	QueryGroup *group;

	for (int i = 0; i < query->count; i++)
		if (IsSame(query->groups[i].alternatives[0].words[0], word))
			return;
	if (query->count == QUERY_MAX_WORDS)
		return;
	group = &query->groups[query->count++];
	memset(group, 0, sizeof(QueryGroup));
	group->form = cstring_to_text_with_len(found->form, found->formLength);
	AddWord(group, word, 1);
}

/* The forms of some groups with a space between. */
static text *
JoinForms(const SearchQuery *query, int first, int count)
{
	StringInfoData joined;

	initStringInfo(&joined);
	for (int i = first; i < first + count; i++)
	{
		if (i > first)
			appendStringInfoChar(&joined, ' ');
		appendBinaryStringInfo(&joined, VARDATA_ANY(query->groups[i].form), VARSIZE_ANY_EXHDR(query->groups[i].form));
	}
	return cstring_to_text_with_len(joined.data, joined.len);
}

/* A synonym while it is read. */
typedef struct Synonym
{
	int			count;
	text	   *words[QUERY_MAX_PHRASE];
} Synonym;

/* Take a word of a synonym. */
static void
TakeSynonymWord(void *argument, const AnalysedWord *found)
{
	Synonym    *synonym = argument;

	if (synonym->count < QUERY_MAX_PHRASE)
		synonym->words[synonym->count++] = cstring_to_text_with_len(found->word, found->wordLength);
}

/* Add synonyms to the groups of their term. */
static void
AddSynonyms(QueryReader *reader, ArrayType *synonyms, int first, int length)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(synonyms, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *given = DatumGetTextPP(values[i]);
		Synonym		synonym = {0};

		AnalysisEach(reader->query->language, VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), MAX_QUERY_BYTES, TakeSynonymWord, &synonym);
		for (int g = first; g < first + length && synonym.count > 0; g++)
		{
			QueryAlternative *alternative = AddAlternative(&reader->query->groups[g], reader->params->synonym);

			alternative->count = synonym.count;
			memcpy(alternative->words, synonym.words, sizeof(synonym.words));
		}
	}
}

/* True if a table has no rows and never had. */
static bool
TableIsEmpty(const char *name)
{
	Relation	table = RelationOpenTable(name, AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(table) == 0;

	table_close(table, AccessShareLock);
	return empty;
}

/* Look up what else to look for: for each run of words that may be a term. */
static void
FindSynonyms(QueryReader *reader)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTARRAYOID};
	SearchQuery *query = reader->query;
	Datum		terms[QUERY_MAX_WORDS * QUERY_MAX_PHRASE];
	int			firsts[QUERY_MAX_WORDS * QUERY_MAX_PHRASE];
	int			lengths[QUERY_MAX_WORDS * QUERY_MAX_PHRASE];
	int			count = 0;
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;
	Datum		values[1];
	int			rows;

	if (query->count == 0 || TableIsEmpty("search_synonym"))
		return;
	for (int first = 0; first < query->count; first++)
		for (int length = 1; length <= Min(QUERY_MAX_PHRASE, query->count - first); length++)
		{
			terms[count] = PointerGetDatum(JoinForms(query, first, length));
			firsts[count] = first;
			lengths[count++] = length;
		}
	values[0] = PointerGetDatum(construct_array(terms, count, TEXTOID, -1, false, TYPALIGN_INT));
	SpiUtilBegin(&scope);
	rows = (int) SpiUtilRun(&plan,
							"SELECT q.place::int, s.synonyms FROM unnest($1) WITH ORDINALITY AS q (words, place)"
							" JOIN personalize.search_synonym AS s ON s.words = q.words COLLATE \"C\" ORDER BY q.place, s.term COLLATE \"C\"",
							lengthof(types), types, values, NULL, true);
	for (int i = 0; i < rows; i++)
	{
		bool		isNull;
		int			place = DatumGetInt32(SpiUtilValue(i, 1, &isNull)) - 1;
		ArrayType  *synonyms = DatumGetArrayTypeP(SpiUtilValue(i, 2, &isNull));
		MemoryContext spi = MemoryContextSwitchTo(caller);

		AddSynonyms(reader, synonyms, firsts[place], lengths[place]);
		MemoryContextSwitchTo(spi);
	}
	SpiUtilEnd(&scope);
}

/* True if some item has what a group looks for. */
static bool
GroupIsKnown(const QueryReader *reader, const QueryGroup *group)
{
	for (int i = 0; i < group->count; i++)
	{
		bool		known = true;

		for (int w = 0; w < group->alternatives[i].count && known; w++)
			known = WordListExists(reader->words, group->alternatives[i].words[w]);
		if (known)
			return true;
	}
	return false;
}

/* Add the words that begin as the last one. */
static void
AddCompletions(QueryReader *reader, QueryGroup *group)
{
	VocabularyWord *words;
	int			count = VocabularyComplete(reader->snapshot, group->form, MAX_COMPLETIONS, &words);

	for (int i = 0; i < count; i++)
		AddWord(group, words[i].word, reader->params->beginning);
}

/* Take words that no item has for typing errors. */
static void
CorrectErrors(QueryReader *reader)
{
	SearchQuery *query = reader->query;

	for (int i = 0; i < query->count; i++)
	{
		VocabularyWord nearest;

		if (GroupIsKnown(reader, &query->groups[i]) ||
			!VocabularyNearest(reader->words, reader->snapshot, query->groups[i].form, &nearest))
			continue;
		query->groups[i].form = nearest.form;
		AddWord(&query->groups[i], nearest.word, reader->params->correction);
		query->didYouMean = query->groups[i].form;
	}
	if (query->didYouMean != NULL)
		query->didYouMean = JoinForms(query, 0, query->count);
}

/* True if the query's last word may go on: nothing follows it. */
static bool
IsOpen(const text *query, const SearchQuery *read)
{
	const char *last = VARDATA_ANY(query) + VARSIZE_ANY_EXHDR(query) - 1;

	return read->count > 0 && read->count < QUERY_MAX_WORDS && VARSIZE_ANY_EXHDR(query) < MAX_QUERY_BYTES &&
		(IS_HIGHBIT_SET(*last) || isalnum((unsigned char) *last));
}

/* The language that texts are read in. */
static const Language *
ReadLanguage(Snapshot snapshot)
{
	Relation	table = RelationOpenTable("search_setting", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	const Language *language = NULL;
	bool		isNull;

	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		language = LanguageFind(text_to_cstring(DatumGetTextPP(slot_getattr(slot, 2, &isNull))));
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
	return language ? language : LanguageFind("simple");
}

/* Read the words of a query. */
SearchQuery *
SearchQueryRead(Snapshot snapshot, const text *query)
{
	SearchQuery *read = palloc(sizeof(SearchQuery));

	read->count = 0;
	read->didYouMean = NULL;
	read->language = ReadLanguage(snapshot);
	AnalysisEach(read->language, VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query), MAX_QUERY_BYTES, TakeWord, read);
	return read;
}

/* Add what else will do. */
void
SearchQueryExpand(SearchQuery *read, WordReader *words, Snapshot snapshot, const TextScoreParams *params,
				  const text *query, QueryEnding ending)
{
	QueryReader reader = {.query = read,.words = words,.snapshot = snapshot,.params = params};
	QueryGroup *last;

	FindSynonyms(&reader);
	if (IsOpen(query, read))
	{
		last = &read->groups[read->count - 1];
		if (ending == QUERY_IS_TYPED || !GroupIsKnown(&reader, last))
			AddCompletions(&reader, last);
	}
	CorrectErrors(&reader);
}

/* Append a word to those of a text. */
static void
AppendForm(void *argument, const AnalysedWord *found)
{
	StringInfo	joined = argument;

	if (joined->len > 0)
		appendStringInfoChar(joined, ' ');
	appendBinaryStringInfo(joined, found->form, found->formLength);
}

/* _search_words(term) */
Datum
personalize_search_words(PG_FUNCTION_ARGS)
{
	text	   *term = PG_GETARG_TEXT_PP(0);
	StringInfoData joined;

	initStringInfo(&joined);
	AnalysisEach(LanguageFind("simple"), VARDATA_ANY(term), VARSIZE_ANY_EXHDR(term), MAX_QUERY_BYTES, AppendForm, &joined);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(joined.data, joined.len));
}
