/*
 * text_score.h
 *		How well an item's words agree with a query.
 */
#ifndef PERSONALIZE_TEXT_SCORE_H
#define PERSONALIZE_TEXT_SCORE_H

#include "postgres.h"

#include "search/item_words.h"
#include "search/word_list.h"

/* The parameters of the score; the formulas are in text_score.c. */
typedef struct TextScoreParams
{
	double		saturation;		/* k1: how soon more of the same word adds nothing */
	double		lengthNorm;		/* b: how much a long text counts less, 0 to 1 */
	double		weights[WEIGHT_COUNT];
	double		coverage;		/* for all words of the query, somewhere */
	double		nameCoverage;	/* the same, in what the item is called */
	double		synonym;		/* what a synonym counts of the word itself */
	double		beginning;		/* what a word counts that begins as the last one of the query */
	double		correction;		/* what the nearest word counts of one that no item has */
} TextScoreParams;

/* Those of this database. */
extern void TextScoreParamsDefault(TextScoreParams *params);

/* The score made ready for an index: what the length of a text adds to the divisor. */
typedef struct TextScorer
{
	TextScoreParams params;
	IndexTotal	total;
	float		norms[WEIGHT_COUNT][256];
} TextScorer;

extern TextScorer *TextScorerMake(const TextScoreParams *params, const IndexTotal *total);

/* A word of the query in an item: before its weight for being rare. */
typedef struct WordMatch
{
	double		score;
	bool		inName;			/* in a text of weight A */
	uint8		nameLength;		/* the words of such texts, coded (LengthDecode) */
} WordMatch;

extern WordMatch TextScoreWord(const TextScorer *scorer, const WordPosting *posting);

/* The weight of a word that so many items have. */
extern double TextScoreRarity(const TextScorer *scorer, double items);

/* An item's words together. */
typedef struct TextScore
{
	double		sum;
	double		covered;		/* weight of the query's words that it has */
	double		named;			/* of those in its name */
	int			words;			/* how many it has */
	int			nameWords;		/* in its name */
	int			nameLength;		/* how many that has, coded; 0: not known */
} TextScore;

/* Add a word of the query that the item has. */
static inline void
TextScoreAdd(TextScore *score, const WordMatch *match, double rarity)
{
	score->sum += rarity * match->score;
	score->covered += rarity;
	score->named += match->inName ? rarity : 0;
	score->words++;
	score->nameWords += match->inName;
	score->nameLength = Max(score->nameLength, match->nameLength);
}

/* How much of what the item is called the query is: 0 to 1. */
static inline double
TextScoreNameShare(const TextScore *score)
{
	return score->nameLength > 0 ? Min((double) score->nameWords / LengthDecode(score->nameLength), 1) : 0;
}

/* The score; all: the weight of all words of the query. */
extern double TextScoreFinish(const TextScorer *scorer, const TextScore *score, double all);

#endif
