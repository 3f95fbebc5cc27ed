/*
 * text_score.c
 *		How well an item's words agree with a query.
 *
 * Each word q of the query adds
 *
 *		idf(q) * sum over weights w of weight(w) * f * (k1 + 1) / (f + k1 * (1 - b + b * L / avg L))
 *
 * where f is how often the texts of weight w have it and L how many words they have
 * (BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009; each
 * field saturates by itself).  idf is ln(1 + (N - n + 0.5) / (n + 0.5)) of the N items
 * of which n have the word anywhere, so that a word is as rare in a name as it is in a
 * description.  A sum alone prefers one rare word twice to all words once.  So the
 * share of the query that the item has anywhere, and in its name, is added, each word by
 * its idf.  On queries people typed for films (test/bench/search) that is worth more
 * than any choice of k1 and b.
 */
#include "postgres.h"

#include "search/text_score.h"

#include <math.h>

/* Those of this database. */
void
TextScoreParamsDefault(TextScoreParams *params)
{
	*params = (TextScoreParams)
	{
		.saturation = 1.2,.lengthNorm = 0.75,.weights = {1, 0.3, 0.3, 0.1},
		.coverage = 6,.nameCoverage = 4,.synonym = 0.8,.beginning = 0.5,.correction = 0.7
	};
}

/* The score made ready for an index. */
TextScorer *
TextScorerMake(const TextScoreParams *params, const IndexTotal *total)
{
	TextScorer *scorer = palloc(sizeof(TextScorer));

	scorer->params = *params;
	scorer->total = *total;
	for (int w = 0; w < WEIGHT_COUNT; w++)
		for (int code = 0; code < lengthof(scorer->norms[w]); code++)
		{
			double		length = LengthDecode(code) / Max(total->averages[w], 1e-9);

			scorer->norms[w][code] = params->saturation * (1 - params->lengthNorm + params->lengthNorm * length);
		}
	return scorer;
}

/* A word of the query in an item. */
WordMatch
TextScoreWord(const TextScorer *scorer, const WordPosting *posting)
{
	const TextScoreParams *params = &scorer->params;
	WordMatch	match = {.inName = PackedByte(posting->frequencies, 0) > 0,.nameLength = PackedByte(posting->lengths, 0)};
	uint32		left = posting->frequencies;

	for (int w = 0; left != 0; w++, left >>= 8)
	{
		double		f = left & 0xff;

		if (f > 0)
			match.score += params->weights[w] * f * (params->saturation + 1) /
				(f + scorer->norms[w][PackedByte(posting->lengths, w)]);
	}
	return match;
}

/* The weight of a word that so many items have. */
double
TextScoreRarity(const TextScorer *scorer, double items)
{
	return log(1 + (Max(scorer->total.items - items, 0) + 0.5) / (items + 0.5));
}

/* The score of an item. */
double
TextScoreFinish(const TextScorer *scorer, const TextScore *score, double all)
{
	if (all <= 0)
		return score->sum;
	return score->sum + scorer->params.coverage * score->covered / all + scorer->params.nameCoverage * score->named / all;
}
