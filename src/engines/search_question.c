/*
 * search_question.c
 *		What rank_search() and search_items() are asked.
 */
#include "postgres.h"

#include "engines/search_question.h"

#include "base/argument.h"
#include "base/interval.h"
#include "engines/sources.h"
#include "engines/visitor.h"
#include "items/popular.h"
#include "items/popular_use.h"
#include "people/consent.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* What a variant can say of the text's score, and where that is. */
#define TEXT_PARAMETER(member) offsetof(TextScoreParams, member)
static const size_t textMembers[] = {
	TEXT_PARAMETER(saturation), TEXT_PARAMETER(lengthNorm),
	TEXT_PARAMETER(weights[0]), TEXT_PARAMETER(weights[1]), TEXT_PARAMETER(weights[2]), TEXT_PARAMETER(weights[3]),
	TEXT_PARAMETER(coverage), TEXT_PARAMETER(nameCoverage),
	TEXT_PARAMETER(synonym), TEXT_PARAMETER(beginning), TEXT_PARAMETER(correction)
};
static EngineParameter textParameters[] = {
	{.name = "bm25_k1",.unit = "occurrences",.maximum = 100,.description = "BM25: how soon more of the same word adds nothing"},
	{.name = "bm25_b",.unit = "part",.maximum = 1,.description = "BM25: how much a long text counts less"},
	{.name = "text_a",.unit = "factor",.maximum = 100,.description = "what a word counts in a text of weight A (search_attribute)"},
	{.name = "text_b",.unit = "factor",.maximum = 100,.description = "the same of weight B"},
	{.name = "text_c",.unit = "factor",.maximum = 100,.description = "the same of weight C"},
	{.name = "text_d",.unit = "factor",.maximum = 100,.description = "the same of weight D"},
	{.name = "coverage",.unit = "score",.maximum = 1000,.description = "added to the text's score where an item has all words of the query"},
	{.name = "name_coverage",.unit = "score",.maximum = 1000,.description = "added where it has them all in texts of weight A"},
	{.name = "synonym",.unit = "part",.maximum = 1,.description = "what a synonym counts of the word itself"},
	{.name = "beginning",.unit = "part",.maximum = 1,.description = "what a word counts that only begins as the last one of the query"},
	{.name = "correction",.unit = "part",.maximum = 1,.description = "what the nearest word counts of one that no item has"}
};
StaticAssertDecl(lengthof(textParameters) == lengthof(textMembers), "a parameter is left out");

static const EngineParameters textParameterList = {textParameters, lengthof(textParameters)};
const EngineParameters *const SearchParameters[] = {
	&SearchWeights, &SearchModelParameter, &textParameterList, &NeighbourParameters, NULL
};

/* A member of the parameters of the text's score. */
static double *
TextMember(TextScoreParams *params, int number)
{
	return (double *) ((char *) params + textMembers[number]);
}

/* Give the parameters their values as shipped. */
void
SearchQuestionInit(void)
{
	TextScoreParams params;

	TextScoreParamsDefault(&params);
	for (int i = 0; i < lengthof(textParameters); i++)
		textParameters[i].standard = *TextMember(&params, i);
}

/* What a variant sets the parameters of the text's score to. */
static void
SetTextParams(const Variant *variant, TextScoreParams *params)
{
	for (int i = 0; i < lengthof(textParameters); i++)
		*TextMember(params, i) = VariantGet(variant, &textParameters[i]);
}

/* The score of an item. */
double
ItemScoresGet(const ItemScores *scores, int64 itemKey, int64 *because)
{
	const KeySetEntry *entry = scores ? keyset_lookup(scores->keys.table, itemKey) : NULL;

	if (entry == NULL)
		return 0;
	if (because != NULL)
		*because = scores->because[entry->number];
	return scores->scores[entry->number] * scores->factor / scores->best;
}

/* How much the person likes a value of a signal. */
double
QuestionInterest(const EngineContext *context, int signal, int64 value)
{
	const ProfileView *view = QuestionOf(context)->interests;
	const Signal *definition = SignalFind(view->signals, signal);
	Feature		feature;
	double		interest;

	if (definition == NULL || !ProfileFindFeature(view, signal, value, &feature))
		return 0;
	interest = FeatureDecayed(&feature, definition->halfLife, context->now);
	return Max(interest, 0);
}

/* What goes next to the session's items. */
static ItemScores *
LoadNeighbours(EngineContext *context)
{
	ItemScores *made;
	KnnItem    *found;
	int			count = SourcesAskNeighbours(context, KNN_MAX_RESULTS, &found);
	double	   *scores;
	int64	   *because;

	if (count == 0 || found[0].score <= 0)
		return NULL;
	made = palloc(sizeof(ItemScores));
	scores = palloc_array(double, count);
	because = palloc_array(int64, count);
	KeySetInit(&made->keys, count);
	for (int i = 0; i < count; i++)
	{
		int			number = KeySetNumber(&made->keys, found[i].itemKey);

		scores[number] = found[i].score;
		because[number] = found[i].because;
	}
	made->scores = scores;
	made->factor = 1;
	made->best = found[0].score;
	made->because = because;
	return made;
}

/* What is trending now, as it is kept; false: it is not kept. */
static bool
FindKeptTrend(const PopularQuery *query, Snapshot snapshot, ItemScores *trend)
{
	PopularScores kept;

	if (!PopularKeptScores(query, snapshot, &kept))
		return false;
	trend->keys = kept.keys;
	trend->scores = kept.scores;
	trend->factor = kept.left;
	trend->best = kept.keys.count > 0 ? kept.scores[0] * kept.left : 0;
	return true;
}

/* What was trending then. */
static void
FindPastTrend(const PopularQuery *query, ItemScores *trend)
{
	PopularList list = PopularTrending(query);
	double	   *scores = palloc_array(double, Max(list.count, 1));

	KeySetInit(&trend->keys, list.count);
	for (int i = 0; i < list.count; i++)
		scores[KeySetNumber(&trend->keys, list.items[i].itemKey)] = PopularScore(&list, i);
	trend->scores = scores;
	trend->factor = 1;
	trend->best = list.count > 0 ? PopularScore(&list, 0) : 0;
}

/* What is trending at a time; NULL: nothing. */
static ItemScores *
FindTrend(const EngineContext *context, TimestampTz now)
{
	PopularQuery query = {.now = now,.halfLife = POPULAR_HALF_LIFE,.n = POPULAR_MAX_ITEMS};
	ItemScores *trend = palloc0(sizeof(ItemScores));

	if (context->hasAsOf || !FindKeptTrend(&query, context->snapshot, trend))
		FindPastTrend(&query, trend);
	return trend->best > 0 ? trend : NULL;
}

/*
 * What is trending.  Whoever asks what came of pages takes what was before their day, so that
 * what came of them does not count; that is the same for all pages of the day.
 */
static ItemScores *
LoadTrend(EngineContext *context)
{
	SearchPast *past = context->searchPast;
	TimestampTz day = IntervalPeriods(context->now, USECS_PER_DAY) * USECS_PER_DAY;
	MemoryContext caller;

	if (past == NULL)
		return FindTrend(context, context->now);
	if (past->trendContext == NULL)
		past->trendContext = AllocSetContextCreate(CurTransactionContext, "personalize trend of the past", ALLOCSET_DEFAULT_SIZES);
	else if (past->trendTime == day)
		return past->trend;
	MemoryContextReset(past->trendContext);
	caller = MemoryContextSwitchTo(past->trendContext);
	past->trend = FindTrend(context, day - 1);
	past->trendTime = day;
	MemoryContextSwitchTo(caller);
	return past->trend;
}

/* What the person has had to do with, and has bought. */
static void
LoadHistory(EngineContext *context, SearchQuestion *question)
{
	const ProfileView *profile = context->visitor.profile;

	KeySetInit(&question->seen, profile ? profile->recentCount : 0);
	KeySetInit(&question->bought, profile ? profile->recentCount : 0);
	for (int i = 0; profile && i < profile->recentCount; i++)
	{
		if (ContextIsAhead(context, profile->recent[i].ts))
			continue;
		KeySetAdd(&question->seen, profile->recent[i].itemKey);
		if (profile->recent[i].event == EVENT_TYPE_PURCHASE)
			KeySetAdd(&question->bought, profile->recent[i].itemKey);
	}
}

/* What the person likes, if that may be known; of the past as far as raw events tell. */
static ProfileView *
LoadInterests(const EngineContext *context)
{
	const Visitor *visitor = &context->visitor;
	ProfileView *view;

	if (!visitor->hasKey ||
		(ConsentMaskOf(visitor->userKey) & PURPOSE_PERSONALIZATION) == 0)
		return NULL;
	view = context->past ? ProfileLoadPast(visitor->userKey, PURPOSE_PERSONALIZATION, context->now, context->places) :
		ProfileLoad(visitor->userKey, PURPOSE_PERSONALIZATION);
	return view->features != NULL ? view : NULL;
}

/* Look up what is known of a query and of the visitor, who is loaded. */
SearchQuestion *
QuestionLoad(EngineContext *context, const text *query, QueryEnding ending)
{
	SearchQuestion *question = palloc0(sizeof(SearchQuestion));

	context->question = question;
	question->text = context->query = query;
	SetTextParams(context->variant, &question->params);
	question->ending = ending;
	question->query = SearchQueryRead(context->snapshot, question->text);
	question->interests = LoadInterests(context);
	question->neighbours = LoadNeighbours(context);
	question->trend = LoadTrend(context);
	LoadHistory(context, question);
	if (question->interests != NULL)
		context->lack = LACK_NOTHING;
	return question;
}

/* Read what is asked and whom it is for. */
SearchQuestion *
QuestionBegin(EngineContext *context, const SearchArguments *arguments, QueryEnding ending)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	SearchQuestion *question;

	ArgumentCheckGiven(fcinfo, arguments->query, "query");
	VisitorLoad(context, arguments->userId, arguments->sessionItems);
	question = QuestionLoad(context, PG_GETARG_TEXT_PP(arguments->query), ending);
	SearchChooseModel(context, ContextHasArgument(context, arguments->model) ?
					  text_to_cstring(PG_GETARG_TEXT_PP(arguments->model)) : NULL);
	return question;
}

/* Where words are looked for. */
WordReader *
QuestionWords(EngineContext *context)
{
	(void) QuestionQuery(context);
	return QuestionOf(context)->words;
}

/* The query with all that will do for its words. */
const SearchQuery *
QuestionQuery(EngineContext *context)
{
	SearchQuestion *question = QuestionOf(context);

	if (question->words == NULL)
	{
		question->words = WordReaderBegin(context->snapshot);
		SearchQueryExpand(question->query, question->words, context->snapshot, &question->params, question->text, question->ending);
	}
	return question->query;
}

/* How the query's words are in items. */
void
QuestionMatches(EngineContext *context, const int64 *itemKeys, int count, TextMatch *matches)
{
	RetrieveScores(QuestionWords(context), &QuestionOf(context)->params, QuestionQuery(context), itemKeys, count, matches);
}

/* Close what it opened. */
void
QuestionEnd(EngineContext *context)
{
	if (QuestionOf(context)->words != NULL)
		WordReaderEnd(QuestionOf(context)->words);
}
