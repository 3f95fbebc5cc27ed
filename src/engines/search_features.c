/*
 * search_features.c
 *		The features of rank_search() and search_items(), and what is made of them.
 *
 * The score is a sum: weight times feature.  The weights are set by hand so that one
 * standard deviation of the text's score is the unit: a person's history moves an item
 * about as far as the text does, and neither drowns the other; a variant may set others.  Without counts, history
 * and trends the sum has the text's order.
 */
#include "postgres.h"

#include "engines/search_question.h"

#include <math.h>

#include "base/choice.h"
#include "base/key.h"
#include "engines/answer.h"
#include "engines/attraction.h"
#include "engines/sources.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Interest that counts by half, in weights of events (event_type.weight), decayed. */
#define HALF_INTEREST 2.0

/* After so long an item is half as new. */
#define NEW_HALF_LIFE (30 * USECS_PER_DAY)

/* What a person's history must add to be given as the reason. */
#define REASON_THRESHOLD 0.25

static Reason textMatch = {"text_match", REASON_PLAIN, 11};
static Reason popularFor = {"popular_for", REASON_OF_QUERY, 12};
static Reason fitsCategory = {"fits", REASON_OF_CATEGORY, 13};

const Reason *const TextMatchReason = &textMatch;

/* What a feature speaks for, if it speaks loudest. */
typedef enum FeatureMeaning
{
	MEANS_TEXT,
	MEANS_QUERY,				/* people choose it after this query */
	MEANS_SESSION,				/* it goes with what was viewed */
	MEANS_CATEGORY				/* it is of a kind the person likes */
} FeatureMeaning;

/* A feature with its weight as shipped. */
typedef struct WeightedFeature
{
	FeatureSource source;
	double		weight;
	FeatureMeaning meaning;
	const char *description;
} WeightedFeature;

/* Applies to every call. */
static bool
Always(const EngineContext *context)
{
	return true;
}

/*
 * The text's score, less its mean and in standard deviations of the candidates; as a
 * part of the largest one at first, for any finite number may be given.
 */
static void
FillText(EngineContext *context, const Slate *slate, double *column, int stride)
{
	double		largest = 0;
	double		mean = 0;
	double		variance = 0;

	for (int i = 0; i < slate->count; i++)
		largest = Max(largest, fabs(slate->candidates[i].score));
	for (int i = 0; i < slate->count; i++)
	{
		double	   *value = &column[(size_t) i * stride];

		*value = largest > 0 ? slate->candidates[i].score / largest : 0;
		mean += (*value - mean) / (i + 1);
	}
	for (int i = 0; i < slate->count; i++)
		variance += pow(column[(size_t) i * stride] - mean, 2) / slate->count;
	for (int i = 0; i < slate->count; i++)
	{
		double	   *value = &column[(size_t) i * stride];

		*value = variance > 0 ? (*value - mean) / sqrt(variance) : 0;
	}
}

/* True if the order in which candidates were given is all that was said of them. */
static bool
OrderWasGiven(const EngineContext *context)
{
	return QuestionOf(context)->givenOrder;
}

/* The place: 1 for the first, falling as fast as people's attention. */
static void
FillPlace(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = 1 / log2(slate->candidates[i].given + 1);
}

/* True if it may be known what people choose: of the past it is not. */
static bool
HasCounts(const EngineContext *context)
{
	return !context->past;
}

/* How often the item is chosen after the query. */
static void
FillAttraction(EngineContext *context, const Slate *slate, double *column, int stride)
{
	int64	   *itemKeys = palloc_extended(sizeof(int64) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	double	   *scores = palloc_extended(sizeof(double) * Max(slate->count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < slate->count; i++)
		itemKeys[i] = slate->candidates[i].itemKey;
	QuestionOf(context)->counted = AttractionScore(context->query, itemKeys, slate->count, context->items, context->snapshot, scores);
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = scores[i];
	pfree(itemKeys);
	pfree(scores);
}

/* True if anything is trending. */
static bool
HasTrend(const EngineContext *context)
{
	return QuestionOf(context)->trend != NULL;
}

/* What happens to the item now, as the root of its part of the most trending one's. */
static void
FillTrend(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] =
			sqrt(Max(ItemScoresGet(QuestionOf(context)->trend, slate->candidates[i].itemKey, NULL), 0));
}

/* How new the item is: 1 when it comes, half in a month. */
static void
FillNewness(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);
		double		age = item ? (double) context->now - (double) item->createdAt : 0;

		column[(size_t) i * stride] = item ? exp2(-Max(age, 0) / NEW_HALF_LIFE) : 0;
	}
}

/* True if something goes next to the session's items. */
static bool
HasNeighbours(const EngineContext *context)
{
	return QuestionOf(context)->neighbours != NULL;
}

/* The neighbour score, as a part of the best one's. */
static void
FillNeighbours(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] =
			ItemScoresGet(QuestionOf(context)->neighbours, slate->candidates[i].itemKey, NULL);
}

/* True if the person's interests may be known and are. */
static bool
HasInterests(const EngineContext *context)
{
	return QuestionOf(context)->interests != NULL;
}

/* How much the person likes a value of a signal: 0 to 1. */
static double
InterestIn(const EngineContext *context, int signal, int64 value)
{
	const ProfileView *view = QuestionOf(context)->interests;
	const Signal *definition = SignalFind(view->signals, signal);
	Feature		feature;
	double		interest;

	if (definition == NULL || !ProfileFindFeature(view, signal, value, &feature))
		return 0;
	interest = Max(FeatureDecayed(&feature, definition->halfLife, context->now), 0);
	return interest / (interest + HALF_INTEREST);
}

/* Interest in the category. */
static void
FillCategory(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);

		column[(size_t) i * stride] = item && item->category ?
			InterestIn(context, SIGNAL_INTEREST_CATEGORY, KeyFromText(item->category)) : 0;
	}
}

/* Interest in the brand. */
static void
FillBrand(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);

		column[(size_t) i * stride] = item && item->brand ?
			InterestIn(context, SIGNAL_INTEREST_BRAND, KeyFromText(item->brand)) : 0;
	}
}

/* The texts of an item's tags; returns how many. */
static int
TagsOf(const ItemInfo *item, Datum **tags, bool **nulls)
{
	int			count = 0;

	if (item != NULL && item->tags != NULL)
		deconstruct_array(item->tags, TEXTOID, -1, false, TYPALIGN_INT, tags, nulls, &count);
	return count;
}

/* Interest in the tag that the person likes best. */
static void
FillTags(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		Datum	   *tags;
		bool	   *nulls;
		int			count = TagsOf(ItemReaderGet(context->items, slate->candidates[i].itemKey), &tags, &nulls);
		double		most = 0;

		for (int t = 0; t < count; t++)
			if (!nulls[t])
				most = Max(most, InterestIn(context, SIGNAL_INTEREST_TAG, KeyFromText(DatumGetTextPP(tags[t]))));
		column[(size_t) i * stride] = most;
	}
}

/* Interest in the price band. */
static void
FillPriceBand(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);
		char		band[64];

		column[(size_t) i * stride] = item && item->price && SignalPriceBand(item->price, band) ?
			InterestIn(context, SIGNAL_PRICE_BAND, KeyFromBytes(band, strlen(band))) : 0;
	}
}

/* True if the person has had to do with items. */
static bool
HasSeen(const EngineContext *context)
{
	return QuestionOf(context)->seen.count > 0;
}

static void
FillSeen(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = KeySetHas(&QuestionOf(context)->seen, slate->candidates[i].itemKey);
}

static bool
HasBought(const EngineContext *context)
{
	return QuestionOf(context)->bought.count > 0;
}

static void
FillBought(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = KeySetHas(&QuestionOf(context)->bought, slate->candidates[i].itemKey);
}

/* True if there are words to compare. */
static bool
HasWords(const EngineContext *context)
{
	return QuestionOf(context)->query->count > 0;
}

/* How a text begins: 1 as the query, and ends with it, 0.5 only begins so. */
static double
Agreement(const text *query, const text *value)
{
	int			length = VARSIZE_ANY_EXHDR(query);

	if (value == NULL || VARSIZE_ANY_EXHDR(value) < length ||
		pg_strncasecmp(VARDATA_ANY(query), VARDATA_ANY(value), length) != 0)
		return 0;
	return VARSIZE_ANY_EXHDR(value) == length ? 1 : 0.5;
}

/* Whether the query is id, category, brand or a tag: 1, or the beginning of one: 0.5. */
static void
FillExact(EngineContext *context, const Slate *slate, double *column, int stride)
{
	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);
		Datum	   *tags;
		bool	   *nulls;
		int			count = TagsOf(item, &tags, &nulls);
		double		best = 0;

		if (item != NULL)
			best = Max(Agreement(context->query, item->category), Agreement(context->query, item->brand));
		if (item != NULL && Agreement(context->query, item->itemId) == 1)
			best = 1;
		for (int t = 0; t < count && best < 1; t++)
			if (!nulls[t])
				best = Max(best, Agreement(context->query, DatumGetTextPP(tags[t])));
		column[(size_t) i * stride] = best;
	}
}

/* True if the person has favourites. */
static bool
HasFavourites(const EngineContext *context)
{
	return FavouriteFeature.applies(context);
}

static void
FillFavourites(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FavouriteFeature.fill(context, slate, column, stride);
}

/* docs/search.md has these with what they mean. */
static const WeightedFeature features[] = {
	{{"text", Always, FillText}, 1, MEANS_TEXT, "the text's score, in standard deviations of the candidates"},
	{{"place", OrderWasGiven, FillPlace}, 0.1, MEANS_TEXT, "1 / log2(1 + place), where candidates come without scores"},
	{{"exact", HasWords, FillExact}, 0.5, MEANS_TEXT, "the query is the id, category, brand or a tag: 1; one begins so: 0.5"},
	{{"attraction", HasCounts, FillAttraction}, 1, MEANS_QUERY, "log odds that the item is clicked after this query, above those of an unknown one"},
	{{"trend", HasTrend, FillTrend}, 0.3, MEANS_TEXT, "root of the item's part of the most trending one's score"},
	{{"newness", Always, FillNewness}, 0.1, MEANS_TEXT, "1 when the item comes, halved every 30 days"},
	{{"neighbours", HasNeighbours, FillNeighbours}, 1, MEANS_SESSION, "how well it goes with what was viewed, of the best one's"},
	{{"interest_category", HasInterests, FillCategory}, 1, MEANS_CATEGORY, "interest in the category, 0 to 1"},
	{{"interest_brand", HasInterests, FillBrand}, 0.6, MEANS_CATEGORY, "interest in the brand, 0 to 1"},
	{{"interest_tag", HasInterests, FillTags}, 0.6, MEANS_CATEGORY, "interest in the tag liked best, 0 to 1"},
	{{"price_band", HasInterests, FillPriceBand}, 0.3, MEANS_CATEGORY, "interest in the price band, 0 to 1"},
	{{"favourites", HasFavourites, FillFavourites}, 0.75, MEANS_CATEGORY, "how many of item, brand and category are favourites"},
	{{"seen", HasSeen, FillSeen}, 0.3, MEANS_TEXT, "1 if the person has had to do with the item"},
	{{"bought", HasBought, FillBought}, 0.2, MEANS_TEXT, "1 if the person has bought the item"}
};

/* Each weight is a parameter. */
static EngineParameter weights[lengthof(features)];
const EngineParameters SearchWeights = {weights, lengthof(features)};

const FeatureSource *const SearchFeatures[] = {
	&features[0].source, &features[1].source, &features[2].source, &features[3].source, &features[4].source,
	&features[5].source, &features[6].source, &features[7].source, &features[8].source, &features[9].source,
	&features[10].source, &features[11].source, &features[12].source, &features[13].source, NULL
};
StaticAssertDecl(lengthof(SearchFeatures) == lengthof(features) + 1, "a feature is left out");

/* The feature a column of the matrix is of. */
static const WeightedFeature *
FeatureOf(const FeatureMatrix *matrix, int column)
{
	return (const WeightedFeature *) ((const char *) matrix->sources[column] - offsetof(WeightedFeature, source));
}

/* The weight of a feature. */
static double
WeightOf(const EngineContext *context, const WeightedFeature *feature)
{
	return VariantGet(context->variant, &weights[feature - features]);
}

/* Say why a candidate is where it is: what speaks loudest for it besides its text. */
static void
GiveReason(EngineContext *context, Candidate *candidate, const double *meanings)
{
	int			loudest = MEANS_QUERY;
	const ItemInfo *item;

	for (int m = MEANS_QUERY; m <= MEANS_CATEGORY; m++)
		if (meanings[m] > meanings[loudest])
			loudest = m;
	candidate->reason = &textMatch;
	if (meanings[loudest] < REASON_THRESHOLD)
		return;
	if (loudest == MEANS_QUERY)
		candidate->reason = &popularFor;
	else if (loudest == MEANS_SESSION)
	{
		candidate->reason = BecauseViewedReason;
		ItemScoresGet(QuestionOf(context)->neighbours, candidate->itemKey, &candidate->because);
	}
	else if ((item = ItemReaderGet(context->items, candidate->itemKey)) != NULL && item->category != NULL)
	{
		candidate->reason = &fitsCategory;
		candidate->category = DatumGetTextPCopy(PointerGetDatum(item->category));
	}
}

/* Name the features, for explanations. */
static void
NameFeatures(EngineContext *context, const FeatureMatrix *matrix)
{
	const char **names;

	context->featureCount = matrix->columns;
	names = palloc_array(const char *, matrix->columns);
	for (int f = 0; f < matrix->columns; f++)
		names[f] = matrix->sources[f]->name;
	context->featureNames = names;
}

/* The number of a feature by its name; an error that lists them. */
static int
FindFeature(const Model *model, const char *name)
{
	const char *names[lengthof(features)];
	int			number;

	for (int i = 0; i < lengthof(features); i++)
		names[i] = features[i].source.name;
	number = ChoiceFind(name, names, lengthof(features));
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has a feature \"%s\", which searches have not", model->name, name),
				 errhint("%s", ChoiceHint(name, "features of searches", names, lengthof(features)))));
	return number;
}

/* Let a model make the scores. */
void
SearchUseModel(SearchQuestion *question, const char *name)
{
	const Model *model = ModelFind(name);
	int		   *numbers = palloc_array(int, Max(model->featureCount, 1));

	if (model->features == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the features of model \"%s\" have no names", name),
				 errhint("Train it on columns that are called as the features in docs/search.md are.")));
	for (int i = 0; i < model->featureCount; i++)
		numbers[i] = FindFeature(model, model->features[i]);
	question->model = model;
	question->modelFeatures = numbers;
}

/* Score by the model; a feature that does not apply is 0. */
static void
ScoreByModel(EngineContext *context, Slate *slate, const FeatureMatrix *matrix)
{
	static const char *const explained[] = {"model"};
	const SearchQuestion *question = QuestionOf(context);
	const Model *model = question->model;
	int			columns = model->featureCount;
	double	   *rows = palloc_extended(sizeof(double) * Max((size_t) columns * slate->count, 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	double	   *scores = palloc_extended(sizeof(double) * Max(slate->count, 1), MCXT_ALLOC_HUGE);

	for (int c = 0; c < columns; c++)
		for (int f = 0; f < matrix->columns; f++)
			if (FeatureOf(matrix, f) == &features[question->modelFeatures[c]])
				for (int i = 0; i < slate->count; i++)
					rows[(size_t) i * columns + c] = matrix->values[(size_t) i * matrix->columns + f];
	TreeModelScore(model->trees, rows, columns, slate->count, true, scores);
	for (int i = 0; i < slate->count; i++)
	{
		slate->candidates[i].score = scores[i];
		slate->candidates[i].contributions = context->explain ? &scores[i] : NULL;
	}
	context->featureNames = explained;
	context->featureCount = lengthof(explained);
	pfree(rows);
}

/* Add up weights times features; a model's score takes the place of the sum. */
static void
ScoreSearch(EngineContext *context, Slate *slate, const FeatureMatrix *matrix)
{
	NameFeatures(context, matrix);
	for (int i = 0; i < slate->count; i++)
	{
		const double *row = matrix->values + (size_t) i * matrix->columns;
		double	   *contributions = context->explain ? palloc_array(double, matrix->columns) : NULL;
		double		meanings[MEANS_CATEGORY + 1] = {0};
		double		score = 0;

		for (int f = 0; f < matrix->columns; f++)
		{
			const WeightedFeature *feature = FeatureOf(matrix, f);
			double		part = WeightOf(context, feature) * row[f];

			score += part;
			/* what people click after other queries is no reason to name this one */
			if (feature->meaning != MEANS_QUERY || QuestionOf(context)->counted)
				meanings[feature->meaning] += part;
			if (contributions)
				contributions[f] = part;
		}
		slate->candidates[i].score = score;
		slate->candidates[i].contributions = contributions;
		GiveReason(context, &slate->candidates[i], meanings);
	}
	if (QuestionOf(context)->model != NULL)
		ScoreByModel(context, slate, matrix);
}

const Scorer SearchScorer = {"search", ScoreSearch};

/* Make the reasons and parameters known. */
void
SearchScorerInit(void)
{
	Reason	   *const all[] = {&textMatch, &popularFor, &fitsCategory};
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	for (int i = 0; i < lengthof(all); i++)
		ReasonRegister(all[i]);
	for (int i = 0; i < lengthof(features); i++)
		weights[i] = (EngineParameter) {
			.name = psprintf("%s_weight", features[i].source.name),.unit = "score a unit",.minimum = -100,.maximum = 100,
			.standard = features[i].weight,.description = features[i].description
		};
	MemoryContextSwitchTo(caller);
}
