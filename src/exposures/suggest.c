/*
 * suggest.c
 *		suggest_queries(): what others have searched, while somebody types.
 *
 * A text may name somebody, so only what many people have searched is shown, and at once no
 * more when too few are left: search_query.people is read, which erasure corrects.  The
 * indexes hold what may be shown in the order in which it is shown, as a whole and by the
 * first letters; longer beginnings have few enough to be sorted.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/key.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "exposures/query.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "people/consent.h"
#include "people/identity.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(personalize_suggest_queries);

/* So many people must have searched a text, whatever the setting for analysts is; the indexes begin there. */
#define LEAST_PEOPLE 5

#define MAX_SUGGESTIONS 100

/* Of each suggestion so many are looked at, for some led to no click. */
#define CANDIDATES 3

/* Beginnings of so many letters have an index of their own. */
#define INDEXED_LETTERS 3

/* From so many letters on, and up to so many, a typing error is looked for among so many popular queries. */
#define MIN_MISTYPED 3
#define MAX_MISTYPED 64
#define MISTYPED_AMONG 1000

/* What is asked. */
typedef struct Question
{
	const char *prefix;
	int			length;			/* bytes */
	int			letters;
	bool		hasUser;		/* whose own queries may be known */
	int64		userKey;
	int			n;
	ReturnSetInfo *output;
	int			count;			/* suggested so far */
} Question;

/* Read what has been typed: its words, and a space if the last one is complete. */
static void
ReadPrefix(Question *question, const text *typed)
{
	StringInfoData prefix;
	int			length = typed ? VARSIZE_ANY_EXHDR(typed) : 0;
	text	   *words = typed ? QueryRead(VARDATA_ANY(typed), length) : NULL;

	initStringInfo(&prefix);
	if (words != NULL)
		appendBinaryStringInfo(&prefix, VARDATA_ANY(words), VARSIZE_ANY_EXHDR(words));
	if (words != NULL && VARDATA_ANY(typed)[length - 1] == ' ')
		appendStringInfoChar(&prefix, ' ');
	question->prefix = prefix.data;
	question->length = prefix.len;
	question->letters = pg_mbstrlen_with_len(prefix.data, prefix.len);
}

/* The bytes that are greater than all that begin with the prefix, as a text that is only compared. */
static Datum
UpperBound(const Question *question)
{
	static const char greatest[] = "\xF4\x8F\xBF\xBF";
	char	   *bound = palloc(question->length + sizeof(greatest));

	memcpy(bound, question->prefix, question->length);
	memcpy(bound + question->length, GetDatabaseEncoding() == PG_UTF8 ? greatest : "\xFF\xFF\xFF\xFF", sizeof(greatest));
	return PointerGetDatum(cstring_to_text_with_len(bound, question->length + sizeof(greatest) - 1));
}

/* Put a suggestion. */
static void
Suggest(Question *question, Datum query, const char *reason)
{
	Datum		values[] = {Int32GetDatum(++question->count), query, CStringGetTextDatum(reason)};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(question->output->setResult, question->output->setDesc, values, nulls);
}

/*
 * Of what is popular and what the person has searched: $1 the prefix, $2 its upper bound, $3 how
 * many people there must be, $4 how many to look at, $5 the person, $6 how many to suggest.
 */
#define MAY_BE_SHOWN "q.popularity >= 9 AND q.people >= $3 AND q.query IS NOT NULL"
#define IN_ORDER " ORDER BY q.popularity DESC, q.query LIMIT $4"
#define SUGGEST_SQL(popular) \
	"WITH popular AS MATERIALIZED (" popular ")," \
	" own AS MATERIALIZED (" \
	"  SELECT q.query_key, q.query, q.popularity, s.requests FROM personalize._searcher AS s" \
	"  JOIN personalize.search_query AS q ON q.query_key = s.query_key" \
	"  WHERE s.user_key = $5 AND q.query >= $1 AND q.query < $2 AND " MAY_BE_SHOWN " LIMIT 1000)" \
	" SELECT f.query, f.requests > 0 FROM (" \
	"  SELECT u.query_key, u.query, u.popularity, max(u.requests) AS requests FROM (" \
	"   SELECT p.*, 0::int8 AS requests FROM popular AS p UNION ALL SELECT o.* FROM own AS o) AS u GROUP BY 1, 2, 3) AS f" \
	" WHERE EXISTS (SELECT FROM personalize._attraction AS a WHERE a.query_key = f.query_key AND a.clicked <> '{}')" \
	" ORDER BY f.requests DESC, f.popularity DESC, f.query LIMIT $6"

#define POPULAR_OF(condition) \
	"SELECT q.query_key, q.query, q.popularity FROM personalize.search_query AS q WHERE " condition MAY_BE_SHOWN IN_ORDER

/* By how many letters there are. */
static const char *const suggestSql[] = {
	SUGGEST_SQL(POPULAR_OF("")),
	SUGGEST_SQL(POPULAR_OF("left(q.query, 1) = $1 AND ")),
	SUGGEST_SQL(POPULAR_OF("left(q.query, 2) = $1 AND ")),
	SUGGEST_SQL(POPULAR_OF("left(q.query, 3) = $1 AND ")),
	SUGGEST_SQL("SELECT * FROM ("
				"WITH begun AS MATERIALIZED (SELECT q.query_key, q.query, q.popularity FROM personalize.search_query AS q"
				" WHERE q.query >= $1 AND q.query < $2 AND " MAY_BE_SHOWN ") SELECT q.* FROM begun AS q" IN_ORDER ") AS b")
};

/* Suggest what begins so. */
static void
SuggestBeginning(Question *question)
{
	static SPIPlanPtr plans[lengthof(suggestSql)];
	const Oid	types[] = {TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID};
	Datum		values[] = {
		PointerGetDatum(cstring_to_text_with_len(question->prefix, question->length)), UpperBound(question),
		Int64GetDatum(Max(QueryMinPeople(), LEAST_PEOPLE)), Int64GetDatum(CANDIDATES * (question->n + 1)),
		Int64GetDatum(question->userKey), Int64GetDatum(question->n)
	};
	char		nulls[] = {' ', ' ', ' ', ' ', question->hasUser ? ' ' : 'n', ' ', '\0'};
	int			letters = Min(question->letters, INDEXED_LETTERS + 1);
	SpiUtilScope scope;
	uint64		rows;

	SpiUtilBegin(&scope);
	SpiUtilPrepareGeneric(&plans[letters], suggestSql[letters], lengthof(types), types);
	rows = SpiUtilRun(&plans[letters], suggestSql[letters], lengthof(types), types, values, nulls, true);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isNull;
		Datum		query = SpiUtilValue(row, 1, &isNull);

		Suggest(question, query, DatumGetBool(SpiUtilValue(row, 2, &isNull)) ? "searched_before" : "popular");
	}
	SpiUtilEnd(&scope);
}

/* True if a query begins with the prefix but for one letter more, less or other. */
static bool
BeginsAlike(const Question *question, const text *query)
{
	const char *letters = VARDATA_ANY(query);
	int			size = VARSIZE_ANY_EXHDR(query);

	for (int count = question->letters - 1; count <= question->letters + 1; count++)
	{
		int			length = pg_mbcharcliplen(letters, size, count);

		if (varstr_levenshtein_less_equal(question->prefix, question->length, letters, length, 1, 1, 1, 1, true) <= 1)
			return true;
	}
	return false;
}

/* The keys of popular queries with the same first letter that begin alike. */
static int
FindAlike(const Question *question, Datum *keys, int most)
{
	static SPIPlanPtr plan = NULL;
	static const char *const sql = POPULAR_OF("left(q.query, 1) = left($1, 1) AND ");
	const Oid	types[] = {TEXTOID, TEXTOID, INT8OID, INT8OID};
	Datum		prefix = PointerGetDatum(cstring_to_text_with_len(question->prefix, question->length));
	Datum		values[] = {prefix, prefix, Int64GetDatum(Max(QueryMinPeople(), LEAST_PEOPLE)), Int64GetDatum(MISTYPED_AMONG)};
	int			count = 0;
	uint64		rows;

	SpiUtilPrepareGeneric(&plan, sql, lengthof(types), types);
	rows = SpiUtilRun(&plan, sql, lengthof(types), types, values, NULL, true);
	for (uint64 row = 0; row < rows && count < most; row++)
	{
		bool		isNull;

		if (BeginsAlike(question, DatumGetTextPP(SpiUtilValue(row, 2, &isNull))))
			keys[count++] = SpiUtilValue(row, 1, &isNull);
	}
	return count;
}

/* Suggest what begins so but for a typing error. */
static void
SuggestAlike(Question *question)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID, INT8OID};
	Datum		keys[CANDIDATES * (MAX_SUGGESTIONS + 1)];
	Datum		values[2];
	SpiUtilScope scope;
	uint64		rows;
	int			count;

	SpiUtilBegin(&scope);
	count = FindAlike(question, keys, CANDIDATES * (question->n + 1));
	values[0] = PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = Int64GetDatum(question->n);
	rows = SpiUtilRun(&plan,
					  "SELECT q.query FROM personalize.search_query AS q WHERE q.query_key = ANY ($1) AND EXISTS ("
					  "SELECT FROM personalize._attraction AS a WHERE a.query_key = q.query_key AND a.clicked <> '{}')"
					  " ORDER BY q.popularity DESC, q.query LIMIT $2", lengthof(types), types, values, NULL, true);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isNull;

		Suggest(question, SpiUtilValue(row, 1, &isNull), "similar_spelling");
	}
	SpiUtilEnd(&scope);
}

/* suggest_queries(prefix, user_id, n) */
Datum
personalize_suggest_queries(PG_FUNCTION_ARGS)
{
	const int32 needed = PURPOSE_ANALYTICS | PURPOSE_PERSONALIZATION;
	Question	question = {0};
	const text *prefix;

	ArgumentCheckGiven(fcinfo, 2, "n");
	question.n = PG_GETARG_INT32(2);
	if (question.n < 1 || question.n > MAX_SUGGESTIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n must be between 1 and %d, not %d", MAX_SUGGESTIONS, question.n)));
	prefix = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	ReadPrefix(&question, prefix);
	if (!PG_ARGISNULL(1))
	{
		question.userKey = IdentityKeyArgument(fcinfo, 1, "user_id");
		question.hasUser = (ConsentMaskOf(question.userKey) & needed) == needed;
	}
	InitMaterializedSRF(fcinfo, 0);
	question.output = (ReturnSetInfo *) fcinfo->resultinfo;
	/* no text is longer */
	if (prefix != NULL && VARSIZE_ANY_EXHDR(prefix) > QUERY_MAX_BYTES)
		return (Datum) 0;
	SuggestBeginning(&question);
	if (question.count == 0 && question.letters >= MIN_MISTYPED && question.letters <= MAX_MISTYPED)
		SuggestAlike(&question);
	return (Datum) 0;
}
