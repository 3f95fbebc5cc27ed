/*
 * search_features.c
 *		The features of rank_search() and search_items().
 *
 * The weights are set by hand so that one standard deviation of the text's score is the
 * unit: a person's history moves an item about as far as the text does, and neither drowns
 * the other; a variant or a model may set others.  Without counts, history and trends the
 * sum has the text's order.
 */
#include "postgres.h"

#include "engines/search_features.h"

#include <math.h>

#include "base/grow.h"
#include "base/key.h"
#include "engines/attraction.h"
#include "engines/search_quality.h"
#include "engines/search_taste.h"
#include "engines/sources.h"
#include "utils/timestamp.h"

/* Interest that counts by half, in weights of events (event_type.weight), decayed. */
#define HALF_INTEREST 2.0

/* After so long an item is half as new. */
#define NEW_HALF_LIFE (30 * USECS_PER_DAY)

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

	/* the first of all features: what was looked up of other candidates is not of these */
	QuestionOf(context)->described = NULL;
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

/* True if it is known what people choose: of the past it is not, unless somebody has looked it up. */
static bool
HasCounts(const EngineContext *context)
{
	return !context->past || context->searchPast != NULL;
}

/* How often the item is chosen after the query, or how little is known of that. */
static void
FillChosen(EngineContext *context, const Slate *slate, bool wantsUnknown, double *column, int stride)
{
	int64	   *itemKeys = palloc_extended(sizeof(int64) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	double	   *scores = palloc_extended(sizeof(double) * Max(slate->count, 1), MCXT_ALLOC_HUGE);
	double	   *unknown = palloc_extended(sizeof(double) * Max(slate->count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < slate->count; i++)
		itemKeys[i] = slate->candidates[i].itemKey;
	QuestionOf(context)->counted = AttractionScore(context->query, itemKeys, slate->count, context->items, context->snapshot,
												   context->searchPast ? context->searchPast->clicks : NULL, scores, unknown);
	for (int i = 0; i < slate->count; i++)
		column[(size_t) i * stride] = (wantsUnknown ? unknown : scores)[i];
	pfree(itemKeys);
	pfree(scores);
	pfree(unknown);
}

/* How often the item is chosen after the query. */
static void
FillAttraction(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillChosen(context, slate, false, column, stride);
}

/* How little is known of that. */
static void
FillExploration(EngineContext *context, const Slate *slate, double *column, int stride)
{
	FillChosen(context, slate, true, column, stride);
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
	const ItemScores *trend = QuestionOf(context)->trend;

	for (int i = 0; i < slate->count; i++)
	{
		double		part = ItemScoresGet(trend, slate->candidates[i].itemKey, NULL);

		column[(size_t) i * stride] = sqrt(Max(part, 0));
	}
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

/* The values of a signal that were asked for: candidates have few categories and brands. */
typedef struct Interests
{
	int			signal;
	KeySet		values;
	int			capacity;
	double	   *interests;		/* by number of the value */
} Interests;

/* Begin to ask, for so many candidates. */
static Interests
BeginInterests(int signal, int count)
{
	Interests	known = {.signal = signal,.capacity = Max(count, 1)};

	KeySetInit(&known.values, count);
	known.interests = palloc_extended(sizeof(double) * known.capacity, MCXT_ALLOC_HUGE);
	return known;
}

/* Look up how much the person likes a value of a signal: 0 to 1. */
static double
FindInterest(const EngineContext *context, int signal, int64 value)
{
	double		interest = QuestionInterest(context, signal, value);

	return interest / (interest + HALF_INTEREST);
}

/* The same, looked up once. */
static double
InterestIn(const EngineContext *context, Interests *known, int64 value)
{
	int			count = known->values.count;
	int			number = KeySetNumber(&known->values, value);

	if (number < count)
		return known->interests[number];
	GrowArray(known->interests, number + 1, known->capacity, 1);
	return known->interests[number] = FindInterest(context, known->signal, value);
}

/* Interest in the category. */
static void
FillCategory(EngineContext *context, const Slate *slate, double *column, int stride)
{
	Interests	known = BeginInterests(SIGNAL_INTEREST_CATEGORY, slate->count);

	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);

		column[(size_t) i * stride] = item && item->category ?
			InterestIn(context, &known, item->categoryKey) : 0;
	}
}

/* Interest in the brand. */
static void
FillBrand(EngineContext *context, const Slate *slate, double *column, int stride)
{
	Interests	known = BeginInterests(SIGNAL_INTEREST_BRAND, slate->count);

	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);

		column[(size_t) i * stride] = item && item->brand ?
			InterestIn(context, &known, item->brandKey) : 0;
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
	Interests	known = BeginInterests(SIGNAL_INTEREST_TAG, slate->count);

	for (int i = 0; i < slate->count; i++)
	{
		Datum	   *tags;
		bool	   *nulls;
		int			count = TagsOf(ItemReaderGet(context->items, slate->candidates[i].itemKey), &tags, &nulls);
		double		most = 0;

		for (int t = 0; t < count; t++)
		{
			double		interest = nulls[t] ? 0 : InterestIn(context, &known, KeyFromText(DatumGetTextPP(tags[t])));

			most = Max(most, interest);
		}
		column[(size_t) i * stride] = most;
	}
}

/* Interest in the price band. */
static void
FillPriceBand(EngineContext *context, const Slate *slate, double *column, int stride)
{
	Interests	known = BeginInterests(SIGNAL_PRICE_BAND, slate->count);

	for (int i = 0; i < slate->count; i++)
	{
		const ItemInfo *item = ItemReaderGet(context->items, slate->candidates[i].itemKey);
		char		band[64];

		column[(size_t) i * stride] = item && item->price && SignalPriceBand(item->price, band) ?
			InterestIn(context, &known, KeyFromBytes(band, strlen(band))) : 0;
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
		{
			double		ofBrand = Agreement(context->query, item->brand);

			best = Agreement(context->query, item->category);
			best = Max(best, ofBrand);
		}
		if (item != NULL && Agreement(context->query, item->itemId) == 1)
			best = 1;
		for (int t = 0; t < count && best < 1; t++)
		{
			double		ofTag = nulls[t] ? 0 : Agreement(context->query, DatumGetTextPP(tags[t]));

			best = Max(best, ofTag);
		}
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

/* True if a feature that costs to be looked up counts in this call. */
static bool
Wants(const EngineContext *context, int number)
{
	const bool *wanted = QuestionOf(context)->ranker.wanted;

	return wanted == NULL || wanted[number];
}

/* Numbers of these in the list below. */
enum
{
	COVERAGE = 3,
	NAME_COVERAGE,
	NAME_SHARE,
	EXPLORATION = 7,
	RATING = 10,
	REVIEWS,
	POPULARITY,
	STOCK,
	MARGIN,
	CONVERSION,
	INTEREST_LIFT = 21
};

#define WANTS(name, number) \
	static bool name(const EngineContext *context) { return Wants(context, number); }
WANTS(WantsCoverage, COVERAGE)
WANTS(WantsNameCoverage, NAME_COVERAGE)
WANTS(WantsNameShare, NAME_SHARE)
WANTS(WantsRating, RATING)
WANTS(WantsReviews, REVIEWS)
WANTS(WantsPopularity, POPULARITY)
WANTS(WantsStock, STOCK)
WANTS(WantsMargin, MARGIN)
WANTS(WantsConversion, CONVERSION)

/* True if a person's interests can be compared with what everybody does. */
static bool
HasTaste(const EngineContext *context)
{
	return HasInterests(context) && HasTrend(context) && Wants(context, INTEREST_LIFT);
}

/* True if what nobody knows is to be met; pages of the past say nothing of that. */
static bool
Explores(const EngineContext *context)
{
	return !context->past && Wants(context, EXPLORATION);
}

/* docs/search.md has these with what they mean. */
const WeightedFeature SearchFeatureList[] = {
	{{"text", Always, FillText}, 1, MEANS_TEXT, "the text's score, in standard deviations of the candidates"},
	{{"place", OrderWasGiven, FillPlace}, 0.1, MEANS_TEXT, "1 / log2(1 + place), where candidates come without scores"},
	{{"exact", HasWords, FillExact}, 0.5, MEANS_TEXT, "the query is the id, category, brand or a tag: 1; one begins so: 0.5"},
	{{"coverage", WantsCoverage, FillCoverage}, 0, MEANS_TEXT, "the share of the query's words that the item has, rare ones counting more"},
	{{"name_coverage", WantsNameCoverage, FillNameCoverage}, 0, MEANS_TEXT, "the share of the query's words that its texts of weight A have, likewise"},
	{{"name_share", WantsNameShare, FillNameShare}, 0, MEANS_TEXT, "how much of its texts of weight A the query is"},
	{{"attraction", HasCounts, FillAttraction}, 1, MEANS_QUERY, "log odds that the item is clicked after this query, above those of an unknown one"},
	{{"exploration", Explores, FillExploration}, 0, MEANS_CHANCE, "how little is known of the item after this query: 1, falling as it is looked at"},
	{{"trend", HasTrend, FillTrend}, 0.3, MEANS_TEXT, "root of the item's part of the most trending one's score"},
	{{"newness", Always, FillNewness}, 0.1, MEANS_TEXT, "1 when the item comes, halved every 30 days"},
	{{"rating", WantsRating, FillRating}, 0, MEANS_TEXT, "attribute rating, average_rating or stars, in standard deviations of the candidates"},
	{{"reviews", WantsReviews, FillReviews}, 0, MEANS_TEXT, "ln(1 + attribute reviews, review_count, rating_count or votes), likewise"},
	{{"popularity", WantsPopularity, FillPopularity}, 0, MEANS_TEXT, "ln(1 + attribute popularity, sales or sold), likewise"},
	{{"stock", WantsStock, FillStock}, 0, MEANS_TEXT, "ln(1 + attribute stock, inventory or quantity), likewise"},
	{{"margin", WantsMargin, FillMargin}, 0, MEANS_TEXT, "attribute margin, likewise"},
	{{"conversion", WantsConversion, FillConversion}, 0, MEANS_TEXT, "log of purchases a view in 60 days, above that of an unknown item"},
	{{"neighbours", HasNeighbours, FillNeighbours}, 1, MEANS_SESSION, "how well it goes with what was viewed, of the best one's"},
	{{"interest_category", HasInterests, FillCategory}, 1, MEANS_CATEGORY, "interest in the category, 0 to 1"},
	{{"interest_brand", HasInterests, FillBrand}, 0.6, MEANS_CATEGORY, "interest in the brand, 0 to 1"},
	{{"interest_tag", HasInterests, FillTags}, 0.6, MEANS_CATEGORY, "interest in the tag liked best, 0 to 1"},
	{{"price_band", HasInterests, FillPriceBand}, 0.3, MEANS_CATEGORY, "interest in the price band, 0 to 1"},
	{{"interest_lift", HasTaste, FillTaste}, 0, MEANS_CATEGORY, "ln of the category's part of the person's interest, over that of what is trending"},
	{{"favourites", HasFavourites, FillFavourites}, 0.75, MEANS_CATEGORY, "how many of item, brand and category are favourites"},
	{{"seen", HasSeen, FillSeen}, 0.3, MEANS_TEXT, "1 if the person has had to do with the item"},
	{{"bought", HasBought, FillBought}, 0.2, MEANS_TEXT, "1 if the person has bought the item"}
};
StaticAssertDecl(lengthof(SearchFeatureList) == SEARCH_FEATURE_COUNT, "their number is wrong");

#define SOURCE(number) &SearchFeatureList[number].source
const FeatureSource *const SearchFeatures[] = {
	SOURCE(0), SOURCE(1), SOURCE(2), SOURCE(3), SOURCE(4), SOURCE(5), SOURCE(6), SOURCE(7), SOURCE(8), SOURCE(9),
	SOURCE(10), SOURCE(11), SOURCE(12), SOURCE(13), SOURCE(14), SOURCE(15), SOURCE(16), SOURCE(17), SOURCE(18),
	SOURCE(19), SOURCE(20), SOURCE(21), SOURCE(22), SOURCE(23), SOURCE(24), NULL
};
StaticAssertDecl(lengthof(SearchFeatures) == SEARCH_FEATURE_COUNT + 1, "a feature is left out");
