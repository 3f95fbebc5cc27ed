/*
 * search_question.c
 *		What rank_search() and search_items() are asked.
 */
#include "postgres.h"

#include "engines/search_question.h"

#include "base/argument.h"
#include "engines/visitor.h"
#include "items/popular.h"
#include "people/consent.h"
#include "utils/builtins.h"

/* Make room for scores of so many items. */
static ItemScores *
MakeScores(int count)
{
	ItemScores *scores = palloc(sizeof(ItemScores));

	KeySetInit(&scores->keys, count);
	scores->scores = palloc_array(double, scores->keys.capacity);
	scores->because = palloc_array(int64, scores->keys.capacity);
	return scores;
}

/* Note the score of an item. */
static void
SetScore(ItemScores *scores, int64 itemKey, double score, int64 because)
{
	int			place;

	KeySetAdd(&scores->keys, itemKey);
	place = KeySetFind(&scores->keys, itemKey);
	scores->scores[place] = score;
	scores->because[place] = because;
}

/* The score of an item. */
double
ItemScoresGet(const ItemScores *scores, int64 itemKey, int64 *because)
{
	int			place;

	if (scores == NULL || !KeySetHas(&scores->keys, itemKey))
		return 0;
	place = KeySetFind(&scores->keys, itemKey);
	if (because != NULL)
		*because = scores->because[place];
	return scores->scores[place];
}

/* What goes next to the session's items, as parts of the best one's score. */
static ItemScores *
LoadNeighbours(EngineContext *context)
{
	const Visitor *visitor = &context->visitor;
	int64		own[VISITOR_MAX_SESSIONS];
	KnnQuery	query = {.items = visitor->items,.itemCount = visitor->itemCount,
		.longItems = visitor->longItems,.longItemCount = visitor->longCount,
	.now = context->now,.past = context->past,.returns = KNN_RETURN_NONE,.maxResults = KNN_MAX_RESULTS};
	ItemScores *scores;
	KnnItem    *found;
	int			count;

	if (visitor->itemCount == 0)
		return NULL;
	if (visitor->personal)
	{
		query.excluded = own;
		query.excludedCount = VisitorOwnSessions(context, own);
	}
	count = KnnScore(ContextKnn(context), &query, &found);
	if (count == 0 || found[0].score <= 0)
		return NULL;
	scores = MakeScores(count);
	for (int i = 0; i < count; i++)
		SetScore(scores, found[i].itemKey, found[i].score / found[0].score, found[i].because);
	return scores;
}

/* What is trending, as parts of the best one's score. */
static ItemScores *
LoadTrend(EngineContext *context)
{
	PopularQuery query = {.now = context->now,.halfLife = POPULAR_HALF_LIFE,.n = POPULAR_MAX_ITEMS};
	PopularList list = context->hasAsOf ? PopularTrending(&query) : PopularKept(NULL, context->snapshot);
	ItemScores *scores;

	if (list.count == 0 || list.items[0].score <= 0)
		return NULL;
	scores = MakeScores(list.count);
	for (int i = 0; i < list.count; i++)
		SetScore(scores, list.items[i].itemKey, list.items[i].score / list.items[0].score, 0);
	return scores;
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

/* What the person likes, if that may be known; of the past it is not. */
static ProfileView *
LoadInterests(const EngineContext *context)
{
	const Visitor *visitor = &context->visitor;
	ProfileView *view;

	if (!visitor->hasKey || context->past ||
		(ConsentMaskOf(visitor->userKey) & PURPOSE_PERSONALIZATION) == 0)
		return NULL;
	view = ProfileLoad(visitor->userKey, PURPOSE_PERSONALIZATION);
	return view->features != NULL ? view : NULL;
}

/* Refuse a variant: there is only the shipped one. */
static void
CheckVariant(const EngineContext *context, int argument)
{
	FunctionCallInfo fcinfo = context->fcinfo;

	if (ContextHasArgument(context, argument))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("variant \"%s\" is unknown", text_to_cstring(PG_GETARG_TEXT_PP(argument)))));
}

/* Read what is asked and whom it is for. */
SearchQuestion *
QuestionBegin(EngineContext *context, const SearchArguments *arguments, QueryEnding ending)
{
	FunctionCallInfo fcinfo = context->fcinfo;
	SearchQuestion *question = palloc0(sizeof(SearchQuestion));

	context->question = question;
	ArgumentCheckGiven(fcinfo, arguments->query, "query");
	CheckVariant(context, arguments->variant);
	question->text = context->query = PG_GETARG_TEXT_PP(arguments->query);
	VisitorLoad(context, arguments->userId, arguments->sessionItems);
	TextScoreParamsDefault(&question->params);
	question->words = WordReaderBegin(context->snapshot);
	question->query = QueryRead(question->words, context->snapshot, &question->params, question->text, ending);
	question->interests = LoadInterests(context);
	question->neighbours = LoadNeighbours(context);
	question->trend = LoadTrend(context);
	LoadHistory(context, question);
	if (question->interests != NULL)
		context->lack = LACK_NOTHING;
	return question;
}

/* Close what it opened. */
void
QuestionEnd(EngineContext *context)
{
	WordReaderEnd(QuestionOf(context)->words);
}
