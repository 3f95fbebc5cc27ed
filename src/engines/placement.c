/*
 * placement.c
 *		Items that rules give a place: slots for promotions, and pins.
 *
 * Who places an item wants it seen whatever its score, and however many there are of its
 * kind; but what the caller, the person, the catalogue or a rule excludes is not placed.
 * Promotions come first, spread evenly over the answer, pins last, so that they stand where
 * they are put.  An item that is in the answer anyway counts as a promotion where it is.
 */
#include "postgres.h"

#include "engines/placement.h"

#include <math.h>

#include "engines/admission.h"
#include "engines/answer.h"
#include "engines/rule.h"
#include "miscadmin.h"

static Reason byRule = {"rule", REASON_OF_RULE, 9};

/* A rule and those of its items that may be placed. */
typedef struct PlacedRule
{
	const Rule *rule;
	int			count;
	int64	   *items;
	int		   *places;			/* of pins */
} PlacedRule;

struct Placement
{
	EngineContext *context;
	int			ruleCount;
	PlacedRule *rules;			/* the highest priority first */

	/* while the answer is made */
	int			count;
	Candidate  *list;			/* the answer so far */
	int			restCount;
	Candidate  *rest;			/* what else was taken, best first */
};

/* Make the reason known. */
void
PlacementInit(void)
{
	ReasonRegister(&byRule);
}

/* Those items of a rule that may be in the answer. */
static void
AdmitItems(EngineContext *context, PlacedRule *placed, const Rule *rule)
{
	placed->rule = rule;
	placed->items = palloc_array(int64, Max(rule->itemCount, 1));
	placed->places = palloc_array(int, Max(rule->itemCount, 1));
	for (int i = 0; i < rule->itemCount; i++)
	{
		int64		itemKey = rule->itemKeys[i];

		CHECK_FOR_INTERRUPTS();
		if (!Admits(context, itemKey, ADMISSION_CHEAP) || !Admits(context, itemKey, ADMISSION_COSTLY))
			continue;
		ContextKeepId(context, rule->items[i]);
		placed->places[placed->count] = rule->place + placed->count;
		placed->items[placed->count++] = itemKey;
	}
}

/* The items that rules name and that may be in the answer. */
Placement *
PlacementBegin(EngineContext *context)
{
	Placement  *placement;

	if (RuleCount(context, RULE_SLOTS) + RuleCount(context, RULE_PIN) == 0)
		return NULL;
	placement = palloc0(sizeof(Placement));
	placement->context = context;
	placement->rules = palloc0(sizeof(PlacedRule) * context->rules->count);
	for (int i = 0; i < context->rules->count; i++)
	{
		const Rule *rule = context->rules->rules[i];

		if (rule->kind == RULE_SLOTS || rule->kind == RULE_PIN)
			AdmitItems(context, &placement->rules[placement->ruleCount++], rule);
	}
	return placement;
}

/* The place of an item in a list; -1: it is not there. */
static int
FindItem(const Candidate *list, int count, int64 itemKey)
{
	for (int i = 0; i < count; i++)
		if (list[i].itemKey == itemKey)
			return i;
	return -1;
}

/* Take an item out of a list. */
static Candidate
TakeOut(Candidate *list, int *count, int place)
{
	Candidate	candidate = list[place];

	(*count)--;
	memmove(list + place, list + place + 1, sizeof(Candidate) * (*count - place));
	return candidate;
}

/* An item for a rule to place: as it was found, or new. */
static Candidate
PlaceItem(Placement *placement, const Rule *rule, int64 itemKey)
{
	Candidate	candidate = {.itemKey = itemKey,.boost = 1};
	int			place = FindItem(placement->list, placement->count, itemKey);

	if (place >= 0)
		candidate = TakeOut(placement->list, &placement->count, place);
	else if ((place = FindItem(placement->rest, placement->restCount, itemKey)) >= 0)
		candidate = TakeOut(placement->rest, &placement->restCount, place);
	candidate.reason = &byRule;
	candidate.rule = rule->name;
	candidate.found = NULL;
	candidate.category = NULL;
	return candidate;
}

/* True if an item of the answer must make no room: a rule wants it, or something has put it there. */
static bool
IsKept(Placement *placement, const Rule *rule, const Candidate *candidate)
{
	return candidate->rule != NULL || candidate->explored || RuleIsAbout(placement->context, rule, candidate->itemKey);
}

/* Find up to so many items to promote that are not in the answer. */
static int
FindPromotions(Placement *placement, const PlacedRule *placed, int wanted, Candidate *promotions)
{
	int			count = 0;

	for (int i = 0; i < placed->count && count < wanted; i++)
		if (FindItem(placement->list, placement->count, placed->items[i]) < 0)
			promotions[count++] = PlaceItem(placement, placed->rule, placed->items[i]);
	for (int i = 0; placed->rule->filter != NULL && i < placement->restCount && count < wanted;)
	{
		if (RuleIsAbout(placement->context, placed->rule, placement->rest[i].itemKey))
			promotions[count++] = PlaceItem(placement, placed->rule, placement->rest[i].itemKey);
		else
			i++;
	}
	return count;
}

/* Put promotions into the answer, evenly spread: the i-th of p at place i * length / p. */
static void
Spread(Placement *placement, const Candidate *promotions, int count)
{
	int			length = placement->count + count;
	Candidate  *spread = palloc_array(Candidate, length);
	int			next = 0;
	int			old = 0;

	for (int i = 0; i < length; i++)
	{
		if (next < count && i + 1 >= (int64) (next + 1) * length / count)
			spread[i] = promotions[next++];
		else
			spread[i] = placement->list[old++];
	}
	memcpy(placement->list, spread, sizeof(Candidate) * length);
	placement->count = length;
	pfree(spread);
}

/* Fill a rule's share of the answer. */
static void
FillSlots(Placement *placement, const PlacedRule *placed)
{
	int			n = placement->context->n;
	int			missing = Max(1, (int) rint(placed->rule->share * n));
	int			room = n - placement->count;
	Candidate  *promotions = palloc_array(Candidate, n);
	int			count;

	for (int i = 0; i < placement->count; i++)
	{
		missing -= RuleIsAbout(placement->context, placed->rule, placement->list[i].itemKey);
		room += !IsKept(placement, placed->rule, &placement->list[i]);
	}
	count = FindPromotions(placement, placed, Min(missing, room), promotions);
	for (int i = placement->count - 1; i >= 0 && placement->count + count > n; i--)
		if (!IsKept(placement, placed->rule, &placement->list[i]))
			TakeOut(placement->list, &placement->count, i);
	if (count > 0)
		Spread(placement, promotions, count);
	pfree(promotions);
}

/* Give pins their places, or the next that is free; of rules that want the same, the higher. */
static void
PinItems(Placement *placement)
{
	int			n = placement->context->n;
	Candidate  *answer = palloc_array(Candidate, n);
	bool	   *pinned = palloc0(sizeof(bool) * n);
	int			pins = 0;
	int			count = 0;
	int			next = 0;

	for (int r = 0; r < placement->ruleCount; r++)
	{
		const PlacedRule *placed = &placement->rules[r];

		for (int i = 0; placed->rule->kind == RULE_PIN && i < placed->count; i++)
		{
			int			place = placed->places[i] - 1;
			bool		known = false;

			for (int p = 0; p < n && !known; p++)
				known = pinned[p] && answer[p].itemKey == placed->items[i];
			while (place < n && pinned[place])
				place++;
			if (known || place >= n)
				continue;
			answer[place] = PlaceItem(placement, placed->rule, placed->items[i]);
			pinned[place] = true;
			pins++;
		}
	}
	for (int i = placement->count - 1; i >= 0 && placement->count + pins > n; i--)
		if (!placement->list[i].explored)
			TakeOut(placement->list, &placement->count, i);
	/* where the list ends early, what is pinned beyond moves up */
	for (int p = 0; p < n; p++)
	{
		if (pinned[p])
			answer[count++] = answer[p];
		else if (next < placement->count)
			answer[count++] = placement->list[next++];
	}
	placement->list = answer;
	placement->count = count;
}

/* Make the answer. */
void
PlacementFinish(Placement *placement, Slate *slate, int chosen)
{
	int			n = placement->context->n;

	placement->count = chosen;
	placement->list = palloc_array(Candidate, n);
	memcpy(placement->list, slate->taken, sizeof(Candidate) * chosen);
	placement->restCount = slate->takenCount - chosen;
	placement->rest = slate->taken + chosen;
	for (int i = 0; i < placement->ruleCount; i++)
		if (placement->rules[i].rule->kind == RULE_SLOTS)
			FillSlots(placement, &placement->rules[i]);
	PinItems(placement);
	memcpy(slate->taken, placement->list, sizeof(Candidate) * placement->count);
	slate->takenCount = placement->count;
}
