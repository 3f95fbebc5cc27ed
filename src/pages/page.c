/*
 * page.c
 *		One page being made, shelf after shelf.
 *
 * From the uppermost shelf down, the modules that may stand there are drawn for
 * (page_order.h), and the first that has enough items has the shelf.  All share one
 * context; what a shelf changes in it is put back before the next one.
 */
#include "postgres.h"

#include "pages/page.h"

#include <math.h>

#include "base/grow.h"
#include "common/hashfn.h"
#include "engines/caps.h"
#include "engines/registry.h"
#include "engines/rule.h"
#include "events/event_measure.h"
#include "miscadmin.h"
#include "pages/page_title.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static EngineParameter parameters[] = {
	{.name = "exploration",.unit = "factor",.minimum = 0,.maximum = 10,.standard = 1,
	.description = "how much the order of shelves is left to chance: draws spread as much as the posterior times this; below 0.01: not at all"},
	{.name = "effective_size",.unit = "impressions",.integer = true,.minimum = 100,.maximum = 1e9,.standard = 50000,
	.description = "so many of a module's last impressions on a shelf count for the order, the older the less"},
	{.name = "window_minutes",.unit = "minutes",.integer = true,.minimum = 1,.maximum = 10080,.standard = 30,
	.description = "for so long a person's draws stay the same"},
	{.name = "floor",.unit = "share",.minimum = 0,.maximum = 0.5,.standard = 0.05,
	.description = "the part of all draws for a shelf that goes to new modules, if there are some"},
	{.name = "new_impressions",.unit = "impressions",.integer = true,.minimum = 0,.maximum = 1e9,.standard = 1000,
	.description = "a module is new until so many of its items have been shown"},
	{.name = "page_max_per_category",.unit = "items",.integer = true,.minimum = 0,.maximum = 100000,.standard = 0,
	.description = "the most items of one category on a page; 0: any number"},
	{.name = "page_max_per_brand",.unit = "items",.integer = true,.minimum = 0,.maximum = 100000,.standard = 0,
	.description = "the most items of one brand on a page; 0: any number"},
	{.name = "max_shelves_per_category",.unit = "shelves",.integer = true,.minimum = 0,.maximum = PAGE_MAX_SHELVES,.standard = 2,
	.description = "the most shelves that are about one category; 0: any number"}
};
#define EXPLORATION (&parameters[0])
#define EFFECTIVE_SIZE (&parameters[1])
#define WINDOW (&parameters[2])
#define FLOOR (&parameters[3])
#define NEW_IMPRESSIONS (&parameters[4])
#define MAX_PER_CATEGORY (&parameters[5])
#define MAX_PER_BRAND (&parameters[6])
#define MAX_SHELVES (&parameters[7])

const EngineParameters PageParameters = {parameters, lengthof(parameters)};

/* Ids carry propensities of this size at least. */
#define LEAST_PROPENSITY 1e-4

/* A parameter of the variant. */
static double
Parameter(const Homepage *page, const EngineParameter *parameter)
{
	return VariantGet(page->context->variant, parameter);
}

/* Make the context that of an empty shelf of a module; before it is filled it takes a copy of what is shown. */
static void
BeginShelf(Homepage *page, const PageModule *module)
{
	EngineContext *context = page->context;

	context->visitor = page->visitor;
	context->lack = page->lack;
	context->excluded = KeySetCopy(&page->excluded);
	context->bought = page->bought;
	context->shown = page->shown;
	context->module = module->name;
	context->moduleFilter = module->arguments.filter;
	context->asked = module;
	context->category = NULL;
	context->halfLife = 0;
	context->rules = NULL;
}

/* Why a module would have nothing to go by, were it the first; NULL: it has. */
static const char *
WhyNothing(Homepage *page, const PageModule *module, MemoryContext scratch)
{
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	PageTopics	topics = {.maxPerCategory = 0};
	const char *state;

	KeySetInit(&topics.items, 8);
	BeginShelf(page, module);
	state = module->source->prepare(page->context, module, &topics);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(scratch);
	return state;
}

/* Why a module is not part of this call; NULL: it is. */
static const char *
WhyNot(Homepage *page, const PageModule *module)
{
	EngineContext *context = page->context;
	bool		isOfVariant = module->variantCount == 0;

	for (int i = 0; i < module->variantCount && !isOfVariant; i++)
		isOfVariant = strcmp(module->variants[i], context->variant->name) == 0;
	if (!module->enabled)
		return "not enabled";
	if (!isOfVariant)
		return "not of this variant";
	if (context->now < module->since || context->now >= module->until)
		return "not valid now";
	if (!AudienceIncludes(context, &module->audience))
		return "not for this person";
	return NULL;
}

/* True if the order is not left to chance. */
static bool
IsGreedy(const Homepage *page)
{
	return Parameter(page, EXPLORATION) < 0.01;
}

/* Remember that a module was looked at. */
static PageTrial *
AddTrial(Homepage *page, const PageTrial *trial)
{
	GrowArray(page->trials, page->trialCount + 1, page->trialCapacity, 64);
	page->trials[page->trialCount] = *trial;
	return &page->trials[page->trialCount++];
}

/* Read what came of a module with the segment. */
static void
ReadCounts(const Homepage *page, PageOption *option)
{
	PageStatGet(page->stat, option->module->number, page->segment, option->counts);
	option->impressions = 0;
	for (int bucket = 0; bucket < PAGE_BUCKETS; bucket++)
		option->impressions += option->counts[bucket].counted;
}

/* Find the modules of the page that are part of this call. */
static void
FindOptions(Homepage *page, const text *name)
{
	PageModules modules = PageModulesOf(name);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize module", ALLOCSET_SMALL_SIZES);

	page->options = palloc_extended(sizeof(PageOption) * modules.count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < modules.count; i++)
	{
		PageOption *option = &page->options[page->optionCount];

		CHECK_FOR_INTERRUPTS();
		option->module = &modules.modules[i];
		option->state = WhyNot(page, option->module);
		if (option->state == NULL)
			option->state = WhyNothing(page, option->module, scratch);
		if (option->state != NULL && !page->keepsTrials)
			continue;
		option->isPart = option->state == NULL;
		ReadCounts(page, option);
		page->optionCount++;
	}
	MemoryContextDelete(scratch);
}

/* What a module is believed to do on shelves of a bucket. */
static PageBelief
Believe(PageBelief prior, const PageOption *option, int bucket, PageCount *count)
{
	*count = option->counts[bucket];
	return PageOrderUpdate(prior, *count);
}

/* The prior of a bucket, fitted to the modules of this call there; where nothing is known, on all shelves. */
static PageBelief
FitPrior(const Homepage *page, int bucket)
{
	PageCount  *counts = palloc_extended(sizeof(PageCount) * PAGE_BUCKETS * page->segmentCount * page->optionCount, MCXT_ALLOC_HUGE);
	PageBelief	prior;
	int			known = 0;
	int			count = 0;

	for (int i = 0; i < page->optionCount; i++)
	{
		if (!page->options[i].isPart)
			continue;
		counts[count] = page->options[i].counts[bucket];
		known += counts[count++].counted > 0;
	}
	if (known < 2)
	{
		count = 0;
		for (int i = 0; i < page->optionCount; i++)
			for (int s = 0; s < page->segmentCount && page->options[i].isPart; s++, count += PAGE_BUCKETS)
				PageStatGet(page->stat, page->options[i].module->number, s, &counts[count]);
	}
	prior = PageOrderFitPrior(counts, count);
	pfree(counts);
	return prior;
}

/* The distribution that is drawn from: the belief, made wider or narrower as the variant says. */
static PageBelief
Widen(const Homepage *page, PageBelief belief)
{
	double		factor = Parameter(page, EXPLORATION);

	return (PageBelief) {belief.a / (factor * factor), belief.b / (factor * factor)};
}

/* A draw; the mean, if nothing is left to chance. */
static double
Draw(const Homepage *page, PageBelief belief, int number, int shelf)
{
	uint64		seed = PageOrderSeed(PageOrderSeed(page->seed, number), shelf);

	return IsGreedy(page) ? PageOrderMean(belief) : PageOrderDraw(Widen(page, belief), seed);
}

/* True if a module may stand on a shelf; one that is pinned, only where it is. */
static bool
MayStand(const PageOption *option, int shelf)
{
	const PageModule *module = option->module;

	if (option->used || option->state != NULL)
		return false;
	return module->pinnedShelf > 0 ? module->pinnedShelf == shelf :
		module->firstShelf <= shelf && shelf <= module->lastShelf;
}

/* Order trials: pins first, in the order of the table, then the greatest draw; ties as in the table. */
static inline int
CompareTrials(const PageTrial *a, const PageTrial *b)
{
	bool		aPinned = a->option->module->pinnedShelf > 0;
	bool		bPinned = b->option->module->pinnedShelf > 0;

	if (aPinned != bPinned)
		return aPinned ? -1 : 1;
	if (!aPinned && a->draw != b->draw)
		return a->draw > b->draw ? -1 : 1;
	return (a->option->module->number > b->option->module->number) -
		(a->option->module->number < b->option->module->number);
}

/* Sort trials, which are large: qsort() would move them byte by byte. */
#define ST_SORT SortTrials
#define ST_ELEMENT_TYPE PageTrial
#define ST_COMPARE(a, b) CompareTrials(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* True if a module has not been shown often yet. */
static bool
IsNew(const Homepage *page, const PageTrial *trial)
{
	return trial->option->module->pinnedShelf == 0 &&
		trial->option->impressions < Parameter(page, NEW_IMPRESSIONS);
}

/* Now and then a shelf is given to a new module, each having the same chance: it is moved to the front. */
static void
GiveFloor(const Homepage *page, PageTrial *trials, int count, int shelf)
{
	uint64		seed = PageOrderSeed(page->seed, UINT64CONST(1) << 32 | shelf);
	int			newCount = 0;
	int			chosen;

	for (int i = 0; i < count; i++)
		newCount += IsNew(page, &trials[i]);
	/* where all are new, or none, there is no floor to give */
	if (newCount == 0 || newCount == count || trials[0].option->module->pinnedShelf > 0 ||
		PageOrderUniform(seed) >= Parameter(page, FLOOR))
		return;
	chosen = (int) (PageOrderUniform(PageOrderSeed(seed, 1)) * newCount);
	for (int i = 0; i < count; i++)
	{
		PageTrial	trial = trials[i];

		if (!IsNew(page, &trial) || chosen-- > 0)
			continue;
		memmove(trials + 1, trials, sizeof(PageTrial) * i);
		trial.forced = "floor";
		trials[0] = trial;
		return;
	}
}

/* The modules that may stand on a shelf, in the order in which they are tried. */
static int
DrawTrials(Homepage *page, int shelf, PageTrial *trials)
{
	int			bucket = EventSlotBucket(true, shelf);
	PageBelief	prior = FitPrior(page, bucket);
	int			count = 0;

	for (int i = 0; i < page->optionCount; i++)
	{
		PageTrial  *trial = &trials[count];

		if (!MayStand(&page->options[i], shelf))
			continue;
		memset(trial, 0, sizeof(PageTrial));
		trial->shelf = shelf;
		trial->option = &page->options[i];
		trial->belief = Believe(prior, trial->option, bucket, &trial->count);
		trial->draw = Draw(page, trial->belief, trial->option->module->number, shelf);
		trial->forced = trial->option->module->pinnedShelf > 0 ? "pin" : NULL;
		count++;
	}
	SortTrials(trials, count);
	if (count > 0)
		GiveFloor(page, trials, count, shelf);
	return count;
}

/* The chance that the draw of the first of some beliefs is the greatest. */
static double
ChanceOfFirst(const Homepage *page, const PageTrial *trials, int count)
{
	PageBelief *beliefs = palloc_array(PageBelief, count);
	double		chance = 1;

	for (int i = 0; i < count; i++)
	{
		beliefs[i] = IsGreedy(page) ? trials[i].belief : Widen(page, trials[i].belief);
		if (IsGreedy(page) && CompareTrials(&trials[i], &trials[0]) < 0)
			chance = 0;
	}
	if (!IsGreedy(page))
		chance = PageOrderChance(beliefs, count, 0);
	pfree(beliefs);
	return chance;
}

/*
 * The chance with which the first of these modules has its shelf: those that were tried
 * before and have too little are no part of it.
 */
static double
ComputePropensity(const Homepage *page, const PageTrial *trials, int count)
{
	double		share = Parameter(page, FLOOR);
	double		chance;
	int			newCount = 0;

	if (trials[0].option->module->pinnedShelf > 0 || count == 1)
		return 1;
	chance = ChanceOfFirst(page, trials, count);
	for (int i = 0; i < count; i++)
		newCount += IsNew(page, &trials[i]);
	if (newCount > 0 && newCount < count)
		chance = (1 - share) * chance + (IsNew(page, &trials[0]) ? share / newCount : 0);
	return Min(Max(chance, LEAST_PROPENSITY), 1);
}

/* True if there may be one more shelf about what the module is about. */
static bool
MayBeAbout(const Homepage *page, const text *category)
{
	int			same = 0;

	for (int i = 0; category != NULL && i < page->topics.count; i++)
		same += TextIsSame(page->topics.categories[i], category);
	return page->topics.maxPerCategory == 0 || same < page->topics.maxPerCategory;
}

/* Fill a shelf with a module; returns why it cannot be, NULL: it is. */
static const char *
FillShelf(Homepage *page, const PageModule *module, PageShelf *shelf)
{
	EngineContext *context = page->context;
	const char *state;

	BeginShelf(page, module);
	state = module->source->prepare(context, module, &page->topics);
	if (state != NULL)
		return state;
	if (!MayBeAbout(page, context->category))
		return "enough shelves about its category";
	RuleEnter(context);
	context->shown = KeySetCopy(&page->shown);
	shelf->slate = SlateBegin(context);
	EngineFill(context, shelf->slate, &module->source->recipe);
	if (shelf->slate->takenCount < Min(module->minItems, context->n))
		return "too few items";
	shelf->title = PageTitleMake(context, module->title, &shelf->slate->taken[0]);
	if (shelf->title == NULL)
		return "its title names what there is not";
	shelf->module = module;
	shelf->category = context->category;
	shelf->rules = context->rules;
	return NULL;
}

/* Keep a shelf that is filled. */
static void
KeepShelf(Homepage *page, const PageTrial *trial, const PageShelf *shelf)
{
	PageShelf  *kept = &page->filled[page->shelfCount++];

	*kept = *shelf;
	kept->place = trial->shelf;
	kept->origin = page->context->origin;
	kept->origin.module = PageStatModule(shelf->module->number, page->segment);
	kept->origin.placeBucket = EventSlotBucket(true, trial->shelf);
	kept->origin.propensity = trial->propensity;
	for (int i = 0; i < shelf->slate->takenCount; i++)
		KeySetAdd(&page->shown, shelf->slate->taken[i].itemKey);
	if (shelf->category != NULL)
		page->topics.categories[page->topics.count++] = shelf->category;
}

/* Find a module for a shelf. */
static void
MakeShelf(Homepage *page, int place, PageTrial *trials)
{
	struct Caps *caps = page->context->caps;
	int			count = DrawTrials(page, place, trials);
	bool		done = false;

	for (int i = 0; i < count && !done; i++)
	{
		PageTrial  *trial = &trials[i];
		PageShelf	shelf = {0};
		int			mark = caps != NULL ? CapsMark(caps) : 0;

		CHECK_FOR_INTERRUPTS();
		trial->state = FillShelf(page, trial->option->module, &shelf);
		/* further down there would be even less */
		trial->option->state = trial->state;
		done = trial->placed = trial->state == NULL;
		if (done)
		{
			trial->option->used = true;
			trial->propensity = ComputePropensity(page, &trials[i], count - i);
			KeepShelf(page, trial, &shelf);
		}
		else if (caps != NULL)
			CapsRewind(caps, mark);
	}
	for (int i = 0; i < count && page->keepsTrials; i++)
		AddTrial(page, &trials[i]);
}

/* Read what the shelves start from. */
static Homepage *
BeginPage(EngineContext *context, const text *name, int shelves)
{
	Homepage	   *page = palloc0(sizeof(Homepage));
	uint64		user = context->visitor.hasKey ? (uint64) context->visitor.userKey : 0;
	uint64		window = (uint64) floor((double) context->now / USECS_PER_MINUTE / VariantGet(context->variant, WINDOW));

	page->context = context;
	page->shelves = shelves;
	page->segment = PageSegmentFind(context, name, &page->segmentCount);
	page->visitor = context->visitor;
	page->lack = context->lack;
	page->excluded = context->excluded;
	page->bought = context->bought;
	page->seed = PageOrderSeed(PageOrderSeed(PageOrderSeed(user, window), context->variant->id),
							   hash_bytes_extended((const unsigned char *) VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), 0));
	KeySetInit(&page->shown, 64);
	KeySetInit(&page->topics.items, 8);
	page->topics.categories = palloc_array(const text *, shelves);
	page->topics.maxPerCategory = (int) Parameter(page, MAX_SHELVES);
	page->filled = palloc_array(PageShelf, shelves);
	page->stat = PageStatRead(context->now, Parameter(page, EFFECTIVE_SIZE));
	if (Parameter(page, MAX_PER_CATEGORY) > 0 || Parameter(page, MAX_PER_BRAND) > 0)
		context->caps = CapsBegin((int) Parameter(page, MAX_PER_CATEGORY), (int) Parameter(page, MAX_PER_BRAND));
	return page;
}

/* Make a page. */
Homepage *
PageMake(EngineContext *context, const text *name, int shelves, bool keepsTrials)
{
	Homepage	   *page = BeginPage(context, name, shelves);
	PageTrial  *trials;

	page->keepsTrials = keepsTrials;
	FindOptions(page, name);
	trials = palloc_extended(sizeof(PageTrial) * Max(page->optionCount, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < page->optionCount && keepsTrials; i++)
		if (page->options[i].state != NULL)
			AddTrial(page, &(PageTrial) {.option = &page->options[i],.state = page->options[i].state});
	for (int place = 1; place <= shelves; place++)
		MakeShelf(page, place, trials);
	return page;
}

/* Make the context that of a shelf again. */
void
PageEnterShelf(Homepage *page, const PageShelf *shelf)
{
	EngineContext *context = page->context;

	context->rules = shelf->rules;
	context->origin = shelf->origin;
	context->category = shelf->category;
	context->lack = page->lack;
}

/* True if a module has enough items for a shelf. */
static bool
IsFeasible(Homepage *page, const PageTrial *trial)
{
	struct Caps *caps = page->context->caps;
	int			mark = caps != NULL ? CapsMark(caps) : 0;
	PageShelf	shelf = {0};
	const char *state;

	CHECK_FOR_INTERRUPTS();
	state = FillShelf(page, trial->option->module, &shelf);
	if (caps != NULL)
		CapsRewind(caps, mark);
	return state == NULL;
}

/* The chance with which one of these modules has its shelf. */
static double
ChanceOf(const Homepage *page, const PageTrial *trials, int count, int one)
{
	PageTrial  *ordered = palloc_array(PageTrial, count);
	double		chance = one == 0 ? 1 : 0;

	/* where one is pinned, the first of those is there */
	if (trials[0].option->module->pinnedShelf == 0)
	{
		memcpy(ordered, trials, sizeof(PageTrial) * count);
		ordered[0] = trials[one];
		ordered[one] = trials[0];
		chance = ComputePropensity(page, ordered, count);
	}
	pfree(ordered);
	return chance;
}

/* Put a module on a shelf, whatever was drawn and whichever variants it is of; false if it has too little. */
static bool
PutModule(Homepage *page, const PageModules *modules, int place, int number)
{
	PageOption	option = {0};
	PageTrial	trial = {.shelf = place,.option = &option,.propensity = 1};
	PageShelf	shelf = {0};

	for (int i = 0; i < modules->count; i++)
		if (modules->modules[i].number == number)
			option.module = &modules->modules[i];
	if (option.module == NULL || FillShelf(page, option.module, &shelf) != NULL)
		return false;
	for (int i = 0; i < page->optionCount; i++)
		page->options[i].used |= page->options[i].module->number == number;
	KeepShelf(page, &trial, &shelf);
	return true;
}

/*
 * The chance of a module among those that are not tried before it: what its request id would
 * say.  isFeasible: of each trial, in the order of the draws, which are those of then.
 */
static double
ChanceUntried(const Homepage *page, const PageTrial *trials, const bool *isFeasible, int count, int one)
{
	PageTrial  *untried = palloc_array(PageTrial, count);
	int			kept = 0;
	int			place = 0;
	double		chance;

	for (int i = 0; i < count; i++)
	{
		if (i == one)
			place = kept;
		if (isFeasible[i] || i > one)
			untried[kept++] = trials[i];
	}
	chance = ChanceOf(page, untried, kept, place);
	pfree(untried);
	return chance;
}

/* What was tried before the module that has the shelf, and had too few items, is not tried further down. */
static void
MarkTried(const PageTrial *trials, const bool *isFeasible, int count, int number)
{
	int			placed = 0;

	while (placed < count && trials[placed].option->module->number != number)
		placed++;
	for (int i = 0; i < placed && placed < count; i++)
		if (!isFeasible[i])
			trials[i].option->state = "too few items";
}

/* Tell the chances of the modules that may stand on a shelf and have enough items; number: that of the one that does. */
static void
TellShelf(Homepage *page, int shelf, int number, PageTrial *trials, PageTrial *feasible, PageTellChance tell)
{
	int			count = DrawTrials(page, shelf, trials);
	bool	   *isFeasible = palloc_array(bool, Max(count, 1));
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		isFeasible[i] = IsFeasible(page, &trials[i]);
		feasible[kept] = trials[i];
		kept += isFeasible[i];
	}
	for (int i = 0, place = 0; i < count; i++)
	{
		if (!isFeasible[i])
			continue;
		tell(page->context, shelf, PageStatModule(trials[i].option->module->number, page->segment),
			 ChanceOf(page, feasible, kept, place), ChanceUntried(page, trials, isFeasible, count, i));
		place++;
	}
	MarkTried(trials, isFeasible, count, number);
	pfree(isFeasible);
}

/* Tell the chances with which modules have shelves. */
void
PageChances(EngineContext *context, const text *name, const int *placed, int shelves, PageTellChance tell)
{
	Homepage   *page = BeginPage(context, name, shelves);
	PageModules modules = PageModulesOf(name);
	PageTrial  *trials;
	PageTrial  *feasible;

	/* placed tells the segment of then */
	page->segment = shelves > 0 ? placed[shelves - 1] % PAGE_SEGMENTS : page->segment;
	/* the counters of its own day know what came of the page */
	page->stat = PageStatRead(context->now - USECS_PER_DAY, Parameter(page, EFFECTIVE_SIZE));
	FindOptions(page, name);
	trials = palloc_extended(sizeof(PageTrial) * Max(page->optionCount, 1), MCXT_ALLOC_HUGE);
	feasible = palloc_extended(sizeof(PageTrial) * Max(page->optionCount, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < shelves; i++)
	{
		TellShelf(page, i + 1, placed[i] / PAGE_SEGMENTS, trials, feasible, tell);
		if (placed[i] / PAGE_SEGMENTS != 0 && !PutModule(page, &modules, i + 1, placed[i] / PAGE_SEGMENTS))
			break;
	}
}
