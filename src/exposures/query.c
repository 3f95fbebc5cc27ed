/*
 * query.c
 *		What people typed into a search box.
 *
 * Queries with the same words in the same order are one.  A text may name somebody, so
 * analysts see one only when enough people have searched it; its key can be computed
 * from a guess and is shown no more freely.
 */
#include "postgres.h"

#include "exposures/query.h"

#include "base/column_stat.h"
#include "base/key.h"
#include "base/spi_util.h"
#include "base/view_try.h"
#include "base/unicode.h"
#include "base/words.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"

PG_FUNCTION_INFO_V1(personalize_query_key);
PG_FUNCTION_INFO_V1(personalize_shown_query);

static int	personalize_min_query_people = 5;

/* Append a word. */
static void
AppendWord(void *argument, const char *word, int length)
{
	StringInfo	words = argument;

	if (words->len > 0)
		appendStringInfoChar(words, ' ');
	appendBinaryStringInfo(words, word, length);
}

/* The words of a query. */
text *
QueryRead(const char *query, int length)
{
	StringInfoData words;

	initStringInfo(&words);
	WordsEach(query, length, QUERY_MAX_BYTES, AppendWord, &words);
	return words.len > 0 ? cstring_to_text_with_len(words.data, words.len) : NULL;
}

/* The key of them. */
int64
QueryKey(const text *query)
{
	int			length;
	const char *utf8 = UnicodeTryFromServer(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query), &length);

	if (utf8 == NULL)
		utf8 = VARDATA_ANY(query);
	return (int64) (KeyHash(utf8, length) | (UINT64CONST(1) << 63));
}

/* A text on its way. */
typedef struct QueryText
{
	int64		key;
	text	   *query;
} QueryText;

struct QueryTexts
{
	HTAB	   *texts;
	MemoryContext context;
};

/* Begin to collect, in the current memory context. */
QueryTexts *
QueryTextsBegin(void)
{
	QueryTexts *texts = palloc(sizeof(QueryTexts));
	HASHCTL		control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(QueryText),
		.hcxt = CurrentMemoryContext
	};

	texts->context = CurrentMemoryContext;
	texts->texts = hash_create("personalize query texts", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return texts;
}

/* A copy of a text. */
static text *
CopyText(MemoryContext context, const text *query)
{
	text	   *copy = MemoryContextAlloc(context, VARSIZE_ANY(query));

	memcpy(copy, query, VARSIZE_ANY(query));
	return copy;
}

/* Note a text. */
void
QueryTextsAdd(QueryTexts *texts, int64 key, const text *query)
{
	bool		found;
	QueryText  *entry = hash_search(texts->texts, &key, HASH_ENTER, &found);

	if (!found)
		entry->query = CopyText(texts->context, query);
}

/* Write the texts that somebody has searched, unless they are there, and right. */
void
QueryTextsWrite(QueryTexts *texts)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, TEXTARRAYOID};
	long		room = hash_get_num_entries(texts->texts);
	Datum	   *keys = palloc(sizeof(Datum) * Max(room, 1));
	Datum	   *queries = palloc(sizeof(Datum) * Max(room, 1));
	Datum		values[2];
	HASH_SEQ_STATUS status;
	QueryText  *entry;
	int			count = 0;

	if (room == 0)
		return;
	hash_seq_init(&status, texts->texts);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		keys[count] = Int64GetDatum(entry->key);
		queries[count++] = PointerGetDatum(entry->query);
	}
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(queries, count, TEXTOID, -1, false, TYPALIGN_INT));
	SpiUtilRunAsOwner(&plan,
					  "UPDATE personalize.search_query AS q SET query = l.query FROM ("
					  " SELECT k.query_key, t.query FROM unnest($1, $2) AS t (key, query)"
					  " JOIN personalize.search_query AS k ON k.query_key = t.key WHERE k.query IS DISTINCT FROM t.query"
					  " ORDER BY 1 FOR NO KEY UPDATE OF k) AS l"
					  " WHERE q.query_key = l.query_key",
					  lengthof(types), types, values, NULL, false);
}

/* Drop texts that nobody has searched any more; who counts people locks their rows. */
void
QueryForget(Datum keys)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};

	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.search_query AS q WHERE q.query_key = ANY ($1) AND q.people = 0",
					  1, types, &keys, NULL, false);
}

/* query_key(query): NULL if it has no words. */
Datum
personalize_query_key(PG_FUNCTION_ARGS)
{
	text	   *query = PG_GETARG_TEXT_PP(0);
	text	   *words = QueryRead(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));

	if (words == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT64(QueryKey(words));
}

/* The text of a key, if so many have searched it that it may be shown; else NULL. */
static text *
ShownQuery(int64 key)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(key), Int64GetDatum(personalize_min_query_people)};
	MemoryContext caller = CurrentMemoryContext;
	text	   *query = NULL;
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan,
				   "SELECT q.query FROM personalize.search_query AS q"
				   " WHERE q.query_key = $1 AND q.people >= $2 AND q.query IS NOT NULL",
				   lengthof(types), types, values, NULL, true) > 0)
		query = CopyText(caller, DatumGetTextPP(SpiUtilValue(0, 1, &isNull)));
	SpiUtilEnd(&scope);
	return query;
}

/* True if so many have searched a text that it may be shown. */
bool
QueryIsShown(int64 key)
{
	return ShownQuery(key) != NULL;
}

/* _shown_query(query_key): its text, if so many have searched it that it may be shown. */
Datum
personalize_shown_query(PG_FUNCTION_ARGS)
{
	text	   *query = ShownQuery(PG_GETARG_INT64(0));

	if (query == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(query);
}

/* So many people must have searched a text before others see it. */
int
QueryMinPeople(void)
{
	return personalize_min_query_people;
}

/* Rows of search_stat, all or none of a query, item and day; each as often as any other. */
#define SEARCH_STAT_PART \
	"WITH chosen AS (" \
	"SELECT s.query_key, s.item_key, s.day FROM personalize.search_stat AS s TABLESAMPLE SYSTEM ($1) REPEATABLE (1) GROUP BY 1, 2, 3" \
	" ORDER BY hashint8extended(s.item_key # s.query_key, s.day - date '2000-01-01') LIMIT 1000)," \
	" met AS (" \
	"SELECT s.*, count(*) OVER (PARTITION BY s.query_key, s.item_key, s.day) AS n" \
	" FROM chosen AS c JOIN personalize.search_stat AS s USING (query_key, item_key, day))" \
	" SELECT m.* FROM met AS m" \
	" WHERE (hashint8extended(m.item_key # m.query_key, m.day - date '1000-01-01') & 1048575) / 1048576.0::float8" \
	" < $1 / 100 / (1 - power(1 - $1 / 100, m.n::float8))"

/* Define the setting. */
void
QueryInit(void)
{
	static const ColumnStat columns[] = {
		{.relation = "search_stat",.column = "item_key",.table = "search_stat",.ids = "item",
			.query = "SELECT t.item_key FROM personalize.search_stat AS t TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"},
		{.relation = "search_stat",.column = "query_key",.table = "search_stat",.ids = "search_query",
			.query = "SELECT t.query_key FROM personalize.search_stat AS t TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"}
	};

	static const ViewTry views[] = {
		{.view = "search_performance",.table = "search_stat",.part = SEARCH_STAT_PART,
			.tried = ",query,impressions,clicks,ctr,ctr_low,ctr_high,carts,purchases,"}
	};

	ColumnStatRegister(columns, lengthof(columns));
	ViewTryRegister(views, lengthof(views));
	DefineCustomIntVariable("personalize.min_query_people",
							"How many people must have searched a text before analysts see it.",
							"A text that few have typed may name one of them.",
							&personalize_min_query_people,
							5, 1, 1000000, PGC_SUSET, 0, NULL, NULL, NULL);
}
