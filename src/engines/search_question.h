/*
 * search_question.h
 *		What rank_search() and search_items() are asked.
 */
#ifndef PERSONALIZE_SEARCH_QUESTION_H
#define PERSONALIZE_SEARCH_QUESTION_H

#include "postgres.h"

#include "engines/engine.h"
#include "engines/facet.h"
#include "models/model.h"
#include "search/retrieval.h"

/* Numbers of the arguments that both have. */
typedef struct SearchArguments
{
	int			userId;
	int			query;
	int			sessionItems;	/* -1: it has none */
	int			model;			/* the same */
} SearchArguments;

/* A score of the items that have one, by key. */
typedef struct ItemScores
{
	KeySet		keys;
	const double *scores;		/* by number in the set: times factor they are what they are */
	double		factor;
	double		best;			/* they are told as parts of this one */
	const int64 *because;		/* NULL: nothing is said */
} ItemScores;

/* What many questions of the past share, asked in the order of their times. */
typedef struct SearchPast
{
	const struct AttractionPast *clicks;	/* of the days before */
	const struct ConversionPast *conversion;	/* NULL: not looked up */
	const struct EventPlaces *places;	/* of the people's raw events; NULL: not looked up */
	struct SessionHistory *sessions;	/* everybody's; NULL: not looked up */
	TimestampTz trendTime;		/* what was trending as of then; 0: nothing is kept */
	ItemScores *trend;
	MemoryContext trendContext; /* NULL: none yet */
} SearchPast;

/* What makes the scores: a weighted sum, or a model of trees. */
typedef struct SearchRanker
{
	double		base;			/* what the weighted sum begins with */
	const double *weights;		/* by number of SearchFeatures */
	const Model *trees;			/* NULL: the sum is the score */
	const int  *treeFeatures;	/* of each of its features, which of SearchFeatures it is */
	const bool *wanted;			/* by number of SearchFeatures: it counts; NULL: all do */
} SearchRanker;

/* What is asked, and what is looked up for it once. */
typedef struct SearchQuestion
{
	const text *text;
	QueryEnding ending;
	TextScoreParams params;
	SearchQuery *query;			/* the words; QuestionQuery has what else will do */
	WordReader *words;			/* NULL: not opened yet */
	SearchRanker ranker;
	TextMatch  *described;		/* of the candidates of this round; NULL: not looked up */
	bool		counted;		/* it is known what people click after this query */
	bool		givenOrder;		/* candidates were given without scores */
	ProfileView *interests;		/* what the person likes; NULL: nothing may be known */
	ItemScores *neighbours;		/* of the session's items; NULL: none */
	ItemScores *trend;			/* NULL: nothing is trending */
	KeySet		seen;
	KeySet		bought;

	/* given candidates */
	int			count;
	int64	   *itemKeys;
	double	   *scores;			/* NULL: none were given */

	/* the catalogue's answer */
	int			matchCount;
	int			strongCount;	/* of them, in front: what agrees well with the query */
	TextMatch  *matches;
	FacetCounter *facets;		/* NULL: none are asked for */
} SearchQuestion;

/* The question of a call. */
static inline SearchQuestion *
QuestionOf(const EngineContext *context)
{
	return context->question;
}

/* Read what is asked and whom it is for. */
extern SearchQuestion *QuestionBegin(EngineContext *context, const SearchArguments *arguments, QueryEnding ending);

/* The same of a query and a visitor that is loaded; what makes the scores is not chosen. */
extern SearchQuestion *QuestionLoad(EngineContext *context, const text *query, QueryEnding ending);

/* The query with all that will do for its words, and where to look for them: made ready when first asked for. */
extern const SearchQuery *QuestionQuery(EngineContext *context);
extern WordReader *QuestionWords(EngineContext *context);

/* How the query's words are in items. */
extern void QuestionMatches(EngineContext *context, const int64 *itemKeys, int count, TextMatch *matches);

/* Close what it opened. */
extern void QuestionEnd(EngineContext *context);

/* How much the person likes a value of a signal, in weights of events, decayed; of who has interests. */
extern double QuestionInterest(const EngineContext *context, int signal, int64 value);

/* The score of an item as a part of the best one's, 0 if it has none; because may be NULL. */
extern double ItemScoresGet(const ItemScores *scores, int64 itemKey, int64 *because);

/* The features of both engines, and what makes a score and a reason of them. */
extern const FeatureSource *const SearchFeatures[];
extern const Scorer SearchScorer;

/* The parameters of both engines: the features' weights, of the text's score, of the neighbours. */
extern const EngineParameters SearchWeights;
extern const EngineParameters SearchModelParameter;
extern const EngineParameters *const SearchParameters[];
extern void SearchQuestionInit(void);

/*
 * Choose what makes the scores: the model that the call names (NULL: none), that of the
 * variant, the one trained for the variant, or the variant's weights.  An error if a named
 * one does not exist, or it asks for other features.
 */
extern void SearchChooseModel(EngineContext *context, const char *name);

/* The model that a variant names; NULL: none.  The name of the one that is trained for it, palloc'd. */
extern const char *SearchVariantModel(const Variant *variant);
extern const char *SearchModelName(const Variant *variant);

/* The reason of what nothing but its text speaks for. */
extern const Reason *const TextMatchReason;
extern void SearchScorerInit(void);

#endif
