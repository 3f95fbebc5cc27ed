/*
 * rules.c
 *		What may be in an answer.
 *
 * An item comes back once, not if the caller excludes it or the person has seen or bought
 * it lately, only if it is a candidate where candidates are given, if the catalogue does not say otherwise, if the person
 * has not said not to want it, and if the filter agrees.  The rules are asked in this
 * order; the cheap ones when an item is proposed, the costly ones when it is about to
 * be taken.
 */
#include "postgres.h"

#include "engines/rules.h"

#include "base/json_filter.h"
#include "utils/memutils.h"

/* A rule. */
typedef struct Rule
{
	const char *name;
	RuleCost	cost;
	bool		(*admits) (EngineContext *context, int64 itemKey);
} Rule;

/* Each item comes back once. */
static bool
IsNew(EngineContext *context, int64 itemKey)
{
	return !KeySetHas(&context->shown, itemKey);
}

/* Not what the caller has excluded. */
static bool
IsNotExcluded(EngineContext *context, int64 itemKey)
{
	return !KeySetHas(&context->excluded, itemKey);
}

/* Not what the person has had to do with lately, where that is asked for. */
static bool
IsNotSeen(EngineContext *context, int64 itemKey)
{
	return !KeySetHas(&context->seen, itemKey);
}

/* Not what the person has bought lately (bought.c). */
static bool
IsNotBought(EngineContext *context, int64 itemKey)
{
	return !KeySetHas(&context->bought, itemKey);
}

/* Only candidates, where they are given. */
static bool
IsCandidate(EngineContext *context, int64 itemKey)
{
	return !context->hasCandidates || KeySetHas(&context->candidates, itemKey);
}

/* Not what the catalogue has as unavailable or hidden. */
static bool
IsOffered(EngineContext *context, int64 itemKey)
{
	return ItemReaderIsOffered(context->items, itemKey);
}

/* Not an item that the person has said not to want. */
static bool
IsWanted(EngineContext *context, int64 itemKey)
{
	return context->preferences == NULL || !PreferenceHidesItem(context->preferences, itemKey);
}

/* Nor one of a brand or category. */
static bool
IsOfWantedKind(EngineContext *context, int64 itemKey)
{
	return context->preferences == NULL || context->preferences->kinds[true] == 0 ||
		!PreferenceHidesKind(context->preferences, ItemReaderGet(context->items, itemKey));
}

/* Only what the filter agrees to: a true predicate, or anything found. */
static bool
FilterAgrees(EngineContext *context, int64 itemKey)
{
	MemoryContext caller;
	bool		agrees;

	if (context->filter == NULL)
		return true;
	caller = MemoryContextSwitchTo(context->filter->scratch);
	agrees = JsonFilterAgrees(context->filter->path,
							  ItemReaderJson(context->items, itemKey, ContextFindId(context, itemKey)),
							  true);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context->filter->scratch);
	context->filter->asked++;
	context->filter->matched += agrees;
	return agrees;
}

static const Rule rules[] = {
	{"once", RULE_CHEAP, IsNew},
	{"exclude", RULE_CHEAP, IsNotExcluded},
	{"seen", RULE_CHEAP, IsNotSeen},
	{"bought", RULE_CHEAP, IsNotBought},
	{"candidates", RULE_CHEAP, IsCandidate},
	{"hidden", RULE_CHEAP, IsWanted},
	{"available", RULE_COSTLY, IsOffered},
	{"hidden kind", RULE_COSTLY, IsOfWantedKind},
	{"filter", RULE_COSTLY, FilterAgrees}
};

/* True if the rules of this cost admit the item. */
bool
RulesAdmit(EngineContext *context, int64 itemKey, RuleCost cost)
{
	for (int i = 0; i < lengthof(rules); i++)
		if (rules[i].cost == cost && !rules[i].admits(context, itemKey))
			return false;
	return true;
}
