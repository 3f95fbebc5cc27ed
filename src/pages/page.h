/*
 * page.h
 *		One page being made, shelf after shelf.
 */
#ifndef PERSONALIZE_PAGE_H
#define PERSONALIZE_PAGE_H

#include "postgres.h"

#include "engines/engine.h"
#include "pages/page_module.h"
#include "pages/page_order.h"

/* The parameters of engine homepage besides those of its sources. */
extern const EngineParameters PageParameters;

/* A module that may be on the page. */
typedef struct PageOption
{
	const PageModule *module;
	bool		isPart;			/* of this call, whether or not there is room for it */
	const char *state;			/* why it is not on the page; NULL: it is, or nobody asked */
	bool		used;
	int64		impressions;	/* of the segment, on all shelves */
	PageCount	counts[PAGE_BUCKETS];	/* of the segment, by shelf */
} PageOption;

/* A module that was looked at for a shelf. */
typedef struct PageTrial
{
	int			shelf;			/* 0: for none */
	PageOption *option;
	PageCount	count;
	PageBelief	belief;
	double		draw;
	bool		placed;
	const char *state;
	const char *forced;			/* pin, floor; NULL: by its draw */
	double		propensity;
} PageTrial;

/* A shelf that is filled. */
typedef struct PageShelf
{
	int			place;			/* from 1 */
	const PageModule *module;
	text	   *title;
	Slate	   *slate;
	const text *category;		/* that it is about; NULL: none */
	struct RuleScope *rules;
	RequestOrigin origin;
} PageShelf;

typedef struct Homepage
{
	EngineContext *context;
	int			shelves;		/* that are asked for */
	int			segment;		/* the visitor's */
	int			segmentCount;	/* of the page: their numbers are below */
	uint64		seed;
	const PageStat *stat;
	int			optionCount;
	PageOption *options;
	int			shelfCount;
	PageShelf  *filled;

	/* what shelves start from */
	Visitor		visitor;
	EngineLack	lack;
	KeySet		excluded;
	KeySet		bought;
	KeySet		shown;
	PageTopics	topics;

	/* homepage_layout() */
	bool		keepsTrials;
	int			trialCount;
	int			trialCapacity;
	PageTrial  *trials;
} Homepage;

/* Make a page of a context whose visitor has been read. */
extern Homepage *PageMake(EngineContext *context, const text *name, int shelves, bool keepsTrials);

/*
 * Tell, shelf after shelf, the chance with which each module that may stand there and has
 * enough items would have it, and what that would be among those that were not tried before
 * it, whether or not they have enough; if those above have
 * the modules that placed says (PageStatModule, number 0: none), for the segment of the last, by
 * the counters of the days before.
 * Where one of these has too few items it ends.
 */
typedef void (*PageTellChance) (EngineContext *context, int shelf, int module, double chance, double untried);
extern void PageChances(EngineContext *context, const text *name, const int *placed, int shelves,
						PageTellChance tell);

/* Make the context that of a shelf again, to return its rows. */
extern void PageEnterShelf(Homepage *page, const PageShelf *shelf);

#endif
