/*
 * search_page.c
 *		The features that the items of a page had when it was shown.
 *
 * The question is asked again as of that time, and the matrix is filled by the functions
 * that fill it for answers.  Of the candidates only those that were shown are known.  The
 * catalogue's search has the best of what it finds besides them, as it has in an answer, for
 * scores of texts are told in standard deviations of the candidates.  Others go by the scores that
 * the application has told, if it has.
 */
#include "postgres.h"

#include "engines/search_page.h"

#include <math.h>

#include "base/topk.h"
#include "engines/visitor.h"

/* As many of what the catalogue's search finds are candidates. */
#define MOST_FOUND 200

/* Propose an item. */
static void
Propose(Slate *slate, int64 itemKey, double score)
{
	slate->candidates[slate->count++] = (Candidate) {.itemKey = itemKey,.score = score,.boost = 1};
}

/* How many items have scores of their own; what they come to on average. */
static int
CountScores(const SearchPage *page, double *mean)
{
	int			known = 0;

	*mean = 0;
	for (int i = 0; i < page->count; i++)
		if (!isnan(page->scores[i]))
			*mean += (page->scores[i] - *mean) / ++known;
	return known;
}

/* Propose what was shown by its own scores; what has none is as good as the others on average. */
static void
ProposeScored(const SearchPage *page, double mean, Slate *slate)
{
	for (int i = 0; i < page->count; i++)
		Propose(slate, page->itemKeys[i], isnan(page->scores[i]) ? mean : page->scores[i]);
}

/* Propose what was shown, by its texts. */
static void
ProposeShown(EngineContext *context, const SearchPage *page, Slate *slate)
{
	TextMatch  *matches = palloc_array(TextMatch, Max(page->count, 1));

	QuestionMatches(context, page->itemKeys, page->count, matches);
	for (int i = 0; i < page->count; i++)
		Propose(slate, page->itemKeys[i], matches[i].score);
}

/* Propose the best of what else the catalogue's search finds. */
static void
ProposeFound(EngineContext *context, const SearchPage *page, Slate *slate)
{
	TextMatch  *matches;
	int			count = RetrieveItems(QuestionWords(context), &QuestionOf(context)->params, QuestionQuery(context), &matches);
	TopkEntry  *entries = palloc_extended(sizeof(TopkEntry) * Max(count, 1), MCXT_ALLOC_HUGE);
	KeySet		shown;
	int			best;

	KeySetInit(&shown, page->count);
	for (int i = 0; i < page->count; i++)
		KeySetAdd(&shown, page->itemKeys[i]);
	for (int i = 0; i < count; i++)
		entries[i] = (TopkEntry) {.score = matches[i].score,.tie = matches[i].itemKey,.index = i};
	best = TopkSort(entries, count, MOST_FOUND);
	for (int i = 0; i < best; i++)
		if (!KeySetHas(&shown, entries[i].tie))
			Propose(slate, entries[i].tie, entries[i].score);
}

/* Fill rows with the features of what was shown. */
void
SearchPageFeatures(const Variant *variant, bool retrieves, SearchPast *past,
				   const SearchPage *page, double *rows)
{
	EngineContext *context = ContextBeginPast(variant, page->at);
	const FeatureSource *sources[ENGINE_MAX_FEATURES];
	FeatureMatrix matrix = {.sources = sources};
	Slate		slate = {.context = context};
	double		mean;

	context->searchPast = past;
	context->places = past->places;
	context->sessions = past->sessions;
	VisitorLoadPerson(context, page->userKey);
	(void) QuestionLoad(context, page->query, retrieves ? QUERY_IS_TYPED : QUERY_IS_COMPLETE);
	slate.candidates = palloc_array(Candidate, page->count + MOST_FOUND);
	/* a single score says nothing of the order */
	if (!retrieves && CountScores(page, &mean) > 1)
		ProposeScored(page, mean, &slate);
	else
		ProposeShown(context, page, &slate);
	if (retrieves)
		ProposeFound(context, page, &slate);
	FeaturesChoose(context, SearchFeatures, &matrix);
	FeaturesFill(context, &slate, &matrix);
	memset(rows, 0, sizeof(double) * SEARCH_FEATURE_COUNT * page->count);
	for (int i = 0; i < page->count; i++)
		for (int f = 0; f < matrix.columns; f++)
			rows[(size_t) i * SEARCH_FEATURE_COUNT + SearchFeatureNumber(&matrix, f)] =
				matrix.values[(size_t) i * matrix.columns + f];
	QuestionEnd(context);
	ContextEnd(context);
}
