/*
 * admission.c
 *		What may be in an answer.
 *
 * An item comes back once, not if the caller excludes it, only if it is a candidate
 * where candidates are given, if the catalogue does not say otherwise, if the person
 * has not said not to want it, and if rules and the filter agree.  These conditions are asked in this
 * order; the cheap ones when an item is proposed, the costly ones when it is about to
 * be taken.
 */
#include "postgres.h"

#include "engines/admission.h"

#include "engines/rule.h"

/* A condition. */
typedef struct Condition
{
	const char *name;
	AdmissionCost cost;
	bool		(*admits) (EngineContext *context, int64 itemKey);
} Condition;

/* Each item comes back once. */
static bool
IsNew(EngineContext *context, int64 itemKey)
{
	return !KeySetHas(&context->shown, itemKey);
}

/* Not what the caller has excluded, or what was seen. */
static bool
IsNotExcluded(EngineContext *context, int64 itemKey)
{
	return !KeySetHas(&context->excluded, itemKey);
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
	return context->filter == NULL || ContextFilterAgrees(context, context->filter, itemKey);
}

static const Condition conditions[] = {
	{"once", ADMISSION_CHEAP, IsNew},
	{"exclude", ADMISSION_CHEAP, IsNotExcluded},
	{"candidates", ADMISSION_CHEAP, IsCandidate},
	{"hidden", ADMISSION_CHEAP, IsWanted},
	{"available", ADMISSION_COSTLY, IsOffered},
	{"hidden kind", ADMISSION_COSTLY, IsOfWantedKind},
	{"rules", ADMISSION_COSTLY, RuleAdmits},
	{"filter", ADMISSION_COSTLY, FilterAgrees}
};

/* True if the conditions of this cost admit the item. */
bool
Admits(EngineContext *context, int64 itemKey, AdmissionCost cost)
{
	for (int i = 0; i < lengthof(conditions); i++)
		if (conditions[i].cost == cost && !conditions[i].admits(context, itemKey))
			return false;
	return true;
}
