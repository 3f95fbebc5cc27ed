/*
 * rules.c
 *		What may be in an answer.
 *
 * An item comes back once, not if the caller excludes it or the person has seen or bought
 * it lately, only if it is a candidate where candidates are given, if the catalogue does not say otherwise, if the person
 * has not said not to want it, and if the filter agrees.  The cheap rules are asked when
 * an item is proposed, the costly ones when it is about to be taken.  why_not() asks the
 * same ones, each for its reasons (rules_tell.c).
 */
#include "postgres.h"

#include "engines/rules.h"

#include "base/json_filter.h"
#include "compat.h"
#include "utils/memutils.h"

/* A rule. */
typedef struct Rule
{
	const char *name;
	RuleSubject subject;
	RuleCost	cost;
	bool		(*admits) (EngineContext *context, int64 itemKey);
	/* says why, in verdict->detail and fix, to which admits is known; NULL: its name does */
	void		(*tell) (EngineContext *context, int64 itemKey, RuleVerdict *verdict);
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

/* Not what the catalogue has as unavailable. */
static bool
IsAvailable(EngineContext *context, int64 itemKey)
{
	return ItemReaderIsOffered(context->items, itemKey) ||
		ItemReaderGet(context->items, itemKey)->available;
}

/* Nor what it has as hidden. */
static bool
IsNotHidden(EngineContext *context, int64 itemKey)
{
	return ItemReaderIsOffered(context->items, itemKey) ||
		!ItemReaderGet(context->items, itemKey)->hidden;
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
	{"once", RULE_OF_ANSWER, RULE_CHEAP, IsNew},
	{"available", RULE_OF_CATALOGUE, RULE_COSTLY, IsAvailable, RulesTellAvailable},
	{"hidden", RULE_OF_CATALOGUE, RULE_COSTLY, IsNotHidden, RulesTellHidden},
	{"hidden by the person", RULE_OF_PERSON, RULE_CHEAP, IsWanted, RulesTellPreference},
	{"kind hidden by the person", RULE_OF_PERSON, RULE_COSTLY, IsOfWantedKind, RulesTellPreference},
	{"filter", RULE_OF_CALL, RULE_COSTLY, FilterAgrees, RulesTellFilter},
	{"candidates", RULE_OF_CALL, RULE_CHEAP, IsCandidate, RulesTellCandidates},
	{"exclude", RULE_OF_CALL, RULE_CHEAP, IsNotExcluded, RulesTellExclude},
	{"seen", RULE_OF_CALL, RULE_CHEAP, IsNotSeen, RulesTellSeen},
	{"bought", RULE_OF_CALL, RULE_CHEAP, IsNotBought, RulesTellBought}
};

/* True if the rules of this cost admit the item. */
bool
RulesAdmit(EngineContext *context, int64 itemKey, RuleCost cost)
{
	bool		exempt = context->hasExempt && context->exemptKey == itemKey;

	for (int i = 0; i < lengthof(rules); i++)
		if (rules[i].cost == cost && !(exempt && rules[i].subject != RULE_OF_ANSWER) &&
			!rules[i].admits(context, itemKey))
			return false;
	return true;
}

/* Ask the rules on a subject one by one. */
int
RulesTell(EngineContext *context, int64 itemKey, RuleSubject subject, RuleVerdict **verdicts)
{
	int			count = 0;

	*verdicts = palloc0_array(RuleVerdict, lengthof(rules));
	for (int i = 0; i < lengthof(rules); i++)
	{
		RuleVerdict *verdict = &(*verdicts)[count];

		if (rules[i].subject != subject)
			continue;
		count++;
		verdict->gate = rules[i].name;
		verdict->admits = rules[i].admits(context, itemKey);
		if (rules[i].tell)
			rules[i].tell(context, itemKey, verdict);
		else
			verdict->detail = psprintf("%s by rule %s", verdict->admits ? "admitted" : "not admitted", rules[i].name);
	}
	return count;
}
