/*
 * admission.c
 *		What may be in an answer.
 *
 * An item comes back once, not if the caller excludes it or the person has seen or bought
 * it lately, only if it is a candidate where candidates are given, if the catalogue does
 * not say otherwise, if the person has not said not to want it, and if rules and the filter
 * agree.  The cheap conditions are asked when an item is proposed, the costly ones when it
 * is about to be taken.  why_not() asks the same ones, each for its reasons
 * (admission_tell.c).
 */
#include "postgres.h"

#include "engines/admission.h"

#include "compat.h"
#include "engines/caps.h"
#include "engines/rule.h"

/* A condition. */
typedef struct Condition
{
	const char *name;
	AdmissionSubject subject;
	AdmissionCost cost;
	bool		(*admits) (EngineContext *context, int64 itemKey);
	/* says why, in verdict->detail and fix, to which admits is known; NULL: its name does */
	void		(*tell) (EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
} Condition;

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
	bool		agrees;

	if (context->filter == NULL)
		return true;
	agrees = ContextFilterAgrees(context, context->filter, itemKey);
	context->filterAsked++;
	context->filterMatched += agrees;
	return agrees;
}

/* Nor what the filter of a page's module speaks against. */
static bool
ModuleFilterAgrees(EngineContext *context, int64 itemKey)
{
	return context->moduleFilter == NULL || ContextFilterAgrees(context, context->moduleFilter, itemKey);
}

/* Nor one too many of its category or brand on a page. */
static bool
HasRoom(EngineContext *context, int64 itemKey)
{
	return context->caps == NULL || CapsHaveRoom(context->caps, ItemReaderGet(context->items, itemKey));
}

static const Condition conditions[] = {
	{"once", ADMISSION_OF_ANSWER, ADMISSION_CHEAP, IsNew},
	{"available", ADMISSION_OF_SHOP, ADMISSION_COSTLY, IsAvailable, AdmissionTellAvailable},
	{"hidden", ADMISSION_OF_SHOP, ADMISSION_COSTLY, IsNotHidden, AdmissionTellHidden},
	{"hidden by the person", ADMISSION_OF_PERSON, ADMISSION_CHEAP, IsWanted, AdmissionTellPreference},
	{"kind hidden by the person", ADMISSION_OF_PERSON, ADMISSION_COSTLY, IsOfWantedKind, AdmissionTellPreference},
	{"rule", ADMISSION_OF_SHOP, ADMISSION_COSTLY, RuleAdmits, AdmissionTellRule},
	{"filter", ADMISSION_OF_CALL, ADMISSION_COSTLY, FilterAgrees, AdmissionTellFilter},
	{"candidates", ADMISSION_OF_CALL, ADMISSION_CHEAP, IsCandidate, AdmissionTellCandidates},
	{"exclude", ADMISSION_OF_CALL, ADMISSION_CHEAP, IsNotExcluded, AdmissionTellExclude},
	{"seen", ADMISSION_OF_CALL, ADMISSION_CHEAP, IsNotSeen, AdmissionTellSeen},
	{"bought", ADMISSION_OF_CALL, ADMISSION_CHEAP, IsNotBought, AdmissionTellBought},
	{"filter of the module", ADMISSION_OF_ANSWER, ADMISSION_COSTLY, ModuleFilterAgrees},
	{"caps of the page", ADMISSION_OF_ANSWER, ADMISSION_COSTLY, HasRoom}
};

/* The conditions of a cost, with NULL behind the last: they are asked of each candidate. */
static const Condition *const *
ConditionsOf(AdmissionCost cost)
{
	static const Condition *lists[ADMISSION_COSTLY + 1][lengthof(conditions) + 1];

	if (lists[cost][0] == NULL)
	{
		const Condition **next = lists[cost];

		for (int i = 0; i < lengthof(conditions); i++)
			if (conditions[i].cost == cost)
				*next++ = &conditions[i];
	}
	return lists[cost];
}

/* True if the conditions of this cost admit the item. */
bool
Admits(EngineContext *context, int64 itemKey, AdmissionCost cost)
{
	bool		exempt = context->hasExempt && context->exemptKey == itemKey;

	for (const Condition *const *next = ConditionsOf(cost); *next != NULL; next++)
		if (!(exempt && (*next)->subject != ADMISSION_OF_ANSWER) && !(*next)->admits(context, itemKey))
			return false;
	return true;
}

/* Ask the conditions on a subject one by one. */
int
AdmissionTell(EngineContext *context, int64 itemKey, AdmissionSubject subject, AdmissionVerdict **verdicts)
{
	int			count = 0;

	*verdicts = palloc0_array(AdmissionVerdict, lengthof(conditions));
	for (int i = 0; i < lengthof(conditions); i++)
	{
		AdmissionVerdict *verdict = &(*verdicts)[count];

		if (conditions[i].subject != subject)
			continue;
		count++;
		verdict->gate = conditions[i].name;
		verdict->admits = conditions[i].admits(context, itemKey);
		if (conditions[i].tell)
			conditions[i].tell(context, itemKey, verdict);
		else
			verdict->detail = psprintf("%s by condition %s", verdict->admits ? "admitted" : "not admitted",
									   conditions[i].name);
	}
	return count;
}
