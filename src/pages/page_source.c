/*
 * page_source.c
 *		Where the items of a page's modules come from.
 *
 * A source first reads of the visitor what the shelf goes by; where there is nothing, the
 * module gives way.  What it proposes then is admitted, boosted, placed and cut to size as
 * in every engine (engines/engine.h).
 */
#include "postgres.h"

#include "pages/page_source.h"

#include "compat.h"
#include "engines/answer.h"
#include "engines/explore.h"
#include "engines/sources.h"
#include "engines/visitor.h"
#include "items/popular.h"
#include "miscadmin.h"
#include "pages/page_function.h"
#include "pages/page_module.h"
#include "pages/repurchase.h"
#include "utils/builtins.h"

/* Purchases so near to the last one belong to one order, whatever messages told of them. */
#define ORDER_SPAN USECS_PER_HOUR

/* As many of a list of everybody's are looked through for those that fit. */
#define LOOKED_THROUGH 100

static Reason inCart = {"in_cart", REASON_ITSELF, 21};
static Reason lastViewed = {"last_viewed", REASON_ITSELF, 22};
static Reason boughtBefore = {"bought_before", REASON_ITSELF, 23};
static Reason favourite = {"favourite", REASON_PLAIN, 24};
static Reason editorial = {"editorial", REASON_PLAIN, 26};
static Reason promotion = {"promotion", REASON_PLAIN, 27};
static Reason byFunction = {"function", REASON_PLAIN, 28};

static const FeatureSource *const favourites[] = {&FavouriteFeature, NULL};

/* Why a shelf has nothing to go by. */
static const char *const nothing = "nothing to go by";

static const char *
WhyNothing(const EngineContext *context)
{
	return context->lack == LACK_CONSENT ? "no consent" : nothing;
}

/* Exclude the items the visitor has to do with now. */
static void
ExcludeCurrent(EngineContext *context)
{
	for (int i = 0; i < context->visitor.itemCount; i++)
		KeySetAdd(&context->excluded, context->visitor.items[i]);
}

/* Of a list, propose the items in its order. */
static void
ProposeInOrder(Slate *slate, const int64 *items, int count, const Reason *reason)
{
	for (int i = 0; i < count; i++)
	{
		Candidate	proposal = {.itemKey = items[i],.score = 1.0 / (i + 1),.boost = 1,
		.reason = reason,.because = items[i]};

		CHECK_FOR_INTERRUPTS();
		SlatePropose(slate, &proposal);
	}
}

/* recommended: as recommend(), for whom there is something to go by. */
static const char *
PrepareRecommended(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	return context->visitor.itemCount > 0 ? NULL : WhyNothing(context);
}

static const CandidateSource *const neighbours[] = {&NeighbourSource, NULL};
static const Fallback *const popularInCategory[] = {&PopularInCategoryFallback, NULL};

/* because_viewed: the newest item of the visitor that no other shelf goes by. */
static const char *
PrepareBecauseViewed(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	int64	   *item = NULL;

	for (int i = 0; i < context->visitor.itemCount && item == NULL; i++)
		if (KeySetAdd(&topics->items, context->visitor.items[i]))
			item = &context->visitor.items[i];
	ExcludeCurrent(context);
	VisitorGoBy(context, item, item != NULL);
	context->visitor.longCount = 0;
	context->visitor.returns = KNN_RETURN_NONE;
	return item != NULL ? NULL : WhyNothing(context);
}

/* bought_with_last_order: what was bought last. */
static const char *
PrepareLastOrder(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	const ProfileView *profile = context->visitor.profile;
	int64	   *items = palloc_array(int64, PROFILE_MAX_RECENT);
	TimestampTz last = 0;
	int			count = 0;

	for (int i = 0; profile != NULL && i < profile->recentCount; i++)
	{
		const ProfileItem *recent = &profile->recent[i];

		if (recent->event != EVENT_TYPE_PURCHASE || ContextIsAhead(context, recent->ts))
			continue;
		if (count == 0)
			last = recent->ts;
		if (last - recent->ts <= ORDER_SPAN)
			items[count++] = recent->itemKey;
	}
	VisitorGoBy(context, items, count);
	ExcludeCurrent(context);
	return count > 0 ? NULL : WhyNothing(context);
}

static const CandidateSource *const baskets[] = {&BasketSource, NULL};

/* True if there is anything of the visitor's own. */
static const char *
PrepareOwn(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	return context->visitor.itemCount > 0 ? NULL : WhyNothing(context);
}

/* True if the visitor has done something with an item, by the newest entries up to a place. */
static bool
HasDone(const EngineContext *context, int place, int16 event)
{
	const ProfileView *profile = context->visitor.profile;

	for (int i = 0; i < place; i++)
		if (profile->recent[i].itemKey == profile->recent[place].itemKey && profile->recent[i].event == event &&
			!ContextIsAhead(context, profile->recent[i].ts))
			return true;
	return false;
}

/* continue: what is in the cart, then what was looked at and not bought, newest first. */
static bool
ProposeContinue(EngineContext *context, Slate *slate, int depth)
{
	const ProfileView *profile = context->visitor.profile;
	int64		cart[PROFILE_MAX_RECENT];
	int64		viewed[PROFILE_MAX_RECENT];
	int			cartCount = 0;
	int			viewedCount = 0;

	for (int i = 0; profile != NULL && i < profile->recentCount; i++)
	{
		const ProfileItem *recent = &profile->recent[i];

		if (ContextIsAhead(context, recent->ts) || HasDone(context, i, EVENT_TYPE_PURCHASE))
			continue;
		if (recent->event == EVENT_TYPE_ADD_TO_CART && !HasDone(context, i, EVENT_TYPE_REMOVE_FROM_CART))
			cart[cartCount++] = recent->itemKey;
		else if (recent->event == EVENT_TYPE_VIEW_ITEM || recent->event == EVENT_TYPE_SELECT_ITEM)
			viewed[viewedCount++] = recent->itemKey;
	}
	ProposeInOrder(slate, cart, cartCount, &inCart);
	if (context->visitor.fromCall)
		ProposeInOrder(slate, context->visitor.items, context->visitor.itemCount, &lastViewed);
	ProposeInOrder(slate, viewed, viewedCount, &lastViewed);
	return false;
}

static const CandidateSource continueSource = {"continue", ProposeContinue};
static const CandidateSource *const continued[] = {&continueSource, NULL};

/* buy_again: what is due, by the time after which it is bought again. */
static const char *
PrepareBuyAgain(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	const ProfileView *profile = context->visitor.profile;

	for (int i = 0; profile != NULL && i < profile->recentCount; i++)
		if (profile->recent[i].event == EVENT_TYPE_PURCHASE && !ContextIsAhead(context, profile->recent[i].ts))
		{
			/* what was bought lately is what this is about */
			context->bought = (KeySet) {0};
			return NULL;
		}
	return WhyNothing(context);
}

static bool
ProposeBuyAgain(EngineContext *context, Slate *slate, int depth)
{
	RepurchaseItem *items;
	int			count = RepurchaseDue(context, &items);

	for (int i = 0; i < count; i++)
	{
		Candidate	proposal = {.itemKey = items[i].itemKey,.score = items[i].due,.boost = 1,
		.reason = &boughtBefore,.because = items[i].itemKey};

		SlatePropose(slate, &proposal);
	}
	return false;
}

static const CandidateSource buyAgainSource = {"buy_again", ProposeBuyAgain};
static const CandidateSource *const boughtAgain[] = {&buyAgainSource, NULL};

/* favourites: favourite items, the newest first, then what is popular and a favourite by its kind. */
static const char *
PrepareFavourites(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	const PreferenceList *preferences = context->preferences;

	return preferences != NULL && preferences->count > preferences->hiddenCount ? NULL : nothing;
}

/* Order preferences by when they were set, the newest first. */
static int
ComparePreferences(const void *left, const void *right)
{
	const Preference *a = *(const Preference *const *) left;
	const Preference *b = *(const Preference *const *) right;

	if (a->setAt != b->setAt)
		return a->setAt > b->setAt ? -1 : 1;
	return (a->key > b->key) - (a->key < b->key);
}

/* Propose those of a list that are favourites by brand or category. */
static void
ProposeFavourable(EngineContext *context, Slate *slate, PopularList list, int *rank)
{
	for (int i = 0; i < Min(list.count, LOOKED_THROUGH); i++)
	{
		int64		key = list.items[i].itemKey;
		Candidate	proposal = {.itemKey = key,.boost = 1,.reason = &favourite};

		CHECK_FOR_INTERRUPTS();
		if (PreferenceFavours(context->preferences, key, ItemReaderGet(context->items, key)) == 0)
			continue;
		proposal.score = 1.0 / ++(*rank);
		SlatePropose(slate, &proposal);
	}
}

static bool
ProposeFavourites(EngineContext *context, Slate *slate, int depth)
{
	const PreferenceList *preferences = context->preferences;
	const Preference **items = palloc_array(const Preference *, PREFERENCE_MAX);
	int64	   *keys = palloc_array(int64, PREFERENCE_MAX);
	int			count = 0;

	for (int i = 0; i < preferences->count && count < PREFERENCE_MAX; i++)
	{
		const Preference *preference = &preferences->preferences[i];

		if (preference->subject != PREFERENCE_ITEM || preference->hidden)
			continue;
		ContextKeepId(context, preference->value);
		items[count++] = preference;
	}
	qsort(items, count, sizeof(Preference *), ComparePreferences);
	for (int i = 0; i < count; i++)
		keys[i] = items[i]->key;
	ProposeInOrder(slate, keys, count, &favourite);
	if (preferences->kinds[false] > 0)
	{
		ProposeFavourable(context, slate, SourcesTrending(context, NULL), &count);
		ProposeFavourable(context, slate, SourcesNewest(context, LOOKED_THROUGH, NULL), &count);
	}
	return false;
}

static const CandidateSource favouriteSource = {"favourites", ProposeFavourites};
static const CandidateSource *const favoured[] = {&favouriteSource, NULL};

/* trending: in the category that the module names, or at all. */
static const char *
PrepareTrending(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	context->category = module->arguments.category;
	context->halfLife = module->arguments.halfLife;
	return NULL;
}

/* With a half-life of its own, what is trending is asked for anew; else the kept list will do. */
static bool
ProposeTrending(EngineContext *context, Slate *slate, int depth)
{
	return context->halfLife > 0 ? TrendingSource.propose(context, slate, depth) : false;
}

static const CandidateSource trendingSource = {"trending", ProposeTrending};
static const CandidateSource *const trends[] = {&trendingSource, NULL};

static void
FillTrending(EngineContext *context, Slate *slate)
{
	const Fallback *fallback = context->category != NULL ? &CategoryFallback : &TrendingFallback;

	if (context->halfLife == 0)
		fallback->fill(context, slate);
}

static const Fallback trendingFallback = {"trending", FillTrending};
static const Fallback *const trendingFallbacks[] = {&trendingFallback, NULL};

/* How many shelves are about a category. */
static int
CountShelves(const PageTopics *topics, const text *category)
{
	int			count = 0;

	for (int i = 0; i < topics->count; i++)
		count += TextIsSame(topics->categories[i], category);
	return count;
}

/* trending_in_category: the first of the visitor's categories that no shelf is about yet, else that has room. */
static const char *
PrepareTrendingInCategory(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	text	   *categories[SOURCES_MAX_CATEGORIES];
	int			count = SourcesCategories(context, categories);

	context->halfLife = 0;
	for (int i = 0; i < count && context->category == NULL; i++)
		if (CountShelves(topics, categories[i]) == 0)
			context->category = categories[i];
	return context->category != NULL ? NULL : WhyNothing(context);
}

/* new_in_categories: the newest, those of the visitor's categories first. */
static const char *
PrepareAny(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	return NULL;
}

static bool
ProposeNew(EngineContext *context, Slate *slate, int depth)
{
	text	   *categories[SOURCES_MAX_CATEGORIES];
	int			categoryCount = SourcesCategories(context, categories);
	const text **itemCategories;
	PopularList list = SourcesNewest(context, LOOKED_THROUGH, &itemCategories);
	Candidate	proposal = {.boost = 1,.reason = &ReasonNewIn};

	for (int i = 0; i < list.count && categoryCount > 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		proposal.category = NULL;
		for (int c = 0; itemCategories[i] != NULL && c < categoryCount; c++)
			if (TextIsSame(categories[c], itemCategories[i]))
				proposal.category = categories[c];
		proposal.itemKey = list.items[i].itemKey;
		proposal.score = 1.0 / (i + 1);
		if (proposal.category != NULL)
			SlatePropose(slate, &proposal);
	}
	return false;
}

static const CandidateSource newSource = {"new_in_categories", ProposeNew};
static const CandidateSource *const newest[] = {&newSource, NULL};
static const Fallback *const newestFallbacks[] = {&NewestFallback, NULL};

/* Propose the items that the module names, in their order. */
static void
ProposeItems(EngineContext *context, Slate *slate, const Reason *reason)
{
	const PageModule *module = context->asked;
	int64	   *keys = palloc_array(int64, Max(module->arguments.itemCount, 1));

	for (int i = 0; i < module->arguments.itemCount; i++)
		keys[i] = ContextKeepId(context, module->arguments.items[i]);
	ProposeInOrder(slate, keys, module->arguments.itemCount, reason);
	pfree(keys);
}

static bool
ProposeEditorial(EngineContext *context, Slate *slate, int depth)
{
	ProposeItems(context, slate, &editorial);
	return false;
}

static const CandidateSource editorialSource = {"editorial", ProposeEditorial};
static const CandidateSource *const chosenItems[] = {&editorialSource, NULL};

/* promotion: the items that are named, then what the filter agrees to: the popular first, then the newest. */
static bool
ProposePromotion(EngineContext *context, Slate *slate, int depth)
{
	const PageModule *module = context->asked;
	PopularList lists[2];
	int			rank = module->arguments.itemCount;

	ProposeItems(context, slate, &promotion);
	if (module->arguments.filter == NULL || module->arguments.itemCount > 0)
		return false;
	lists[0] = SourcesTrending(context, NULL);
	lists[1] = SourcesNewest(context, POPULAR_MAX_ITEMS, NULL);
	for (int l = 0; l < lengthof(lists); l++)
		for (int i = 0; i < lists[l].count; i++)
		{
			Candidate	proposal = {.itemKey = lists[l].items[i].itemKey,.score = 1.0 / ++rank,.boost = 1,.reason = &promotion};

			SlatePropose(slate, &proposal);
		}
	return false;
}

static const CandidateSource promotionSource = {"promotion", ProposePromotion};
static const CandidateSource *const promoted[] = {&promotionSource, NULL};

/* function: what a function of the shop's returns. */
static const char *
PrepareFunction(EngineContext *context, const PageModule *module, PageTopics *topics)
{
	return OidIsValid(PageFunctionFind(module->arguments.function)) ? NULL : "its function does not exist";
}

static bool
ProposeFunction(EngineContext *context, Slate *slate, int depth)
{
	int64	   *keys;
	int			count = PageFunctionCall(context, context->asked, depth, &keys);

	ProposeInOrder(slate, keys, count, &byFunction);
	return count == depth;
}

static const CandidateSource functionSource = {"function", ProposeFunction};
static const CandidateSource *const functions[] = {&functionSource, NULL};

#define FILTER (1 << ARGUMENT_FILTER)
#define CATEGORY (1 << ARGUMENT_CATEGORY)
#define HALF_LIFE (1 << ARGUMENT_HALF_LIFE)
#define ITEMS (1 << ARGUMENT_ITEMS)
#define FUNCTION (1 << ARGUMENT_FUNCTION)

static const PageSource sources[] = {
	{"recommended", FILTER, 0, PrepareRecommended,
	{.sources = neighbours,.features = favourites,.scorer = &FavouriteScorer,.fallbacks = popularInCategory}},
	{"continue", FILTER, 0, PrepareOwn, {.sources = continued}},
	{"because_viewed", FILTER, 0, PrepareBecauseViewed, {.sources = neighbours}},
	{"bought_with_last_order", FILTER, 0, PrepareLastOrder, {.sources = baskets}},
	{"buy_again", FILTER, 0, PrepareBuyAgain, {.sources = boughtAgain}},
	{"favourites", FILTER, 0, PrepareFavourites, {.sources = favoured}},
	{"trending", FILTER | CATEGORY | HALF_LIFE, 0, PrepareTrending, {.sources = trends,.fallbacks = trendingFallbacks}},
	{"trending_in_category", FILTER, 0, PrepareTrendingInCategory, {.fallbacks = trendingFallbacks}},
	{"new_in_categories", FILTER, 0, PrepareAny, {.sources = newest,.fallbacks = newestFallbacks}},
	{"editorial", FILTER | ITEMS, ITEMS, PrepareAny, {.sources = chosenItems}},
	{"promotion", FILTER | ITEMS, FILTER | ITEMS, PrepareAny, {.sources = promoted}},
	{"function", FILTER | FUNCTION, FUNCTION, PrepareFunction, {.sources = functions}}
};

/* Make sources and reasons known. */
void
PageSourceInit(void)
{
	Reason	   *const all[] = {
		&inCart, &lastViewed, &boughtBefore, &favourite, &editorial, &promotion, &byFunction
	};

	for (int i = 0; i < lengthof(all); i++)
		ReasonRegister(all[i]);
	PageSourceRegister(sources, lengthof(sources));
}
