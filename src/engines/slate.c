/*
 * slate.c
 *		The items of an answer while they are worked on.
 */
#include "postgres.h"

#include "engines/slate.h"

#include "engines/rules.h"
#include "miscadmin.h"

/* An empty slate. */
Slate *
SlateBegin(EngineContext *context)
{
	Slate	   *slate = palloc0(sizeof(Slate));

	slate->context = context;
	slate->taken = palloc_array(Candidate, context->n);
	return slate;
}

/* Add a candidate, unless a cheap rule speaks against it. */
void
SlatePropose(Slate *slate, const Candidate *candidate)
{
	if (!RulesAdmit(slate->context, candidate->itemKey, RULE_CHEAP))
		return;
	if (slate->count == slate->capacity)
	{
		slate->capacity = Max(64, 2 * slate->capacity);
		slate->candidates = slate->candidates == NULL ?
			palloc_array(Candidate, slate->capacity) :
			repalloc_huge(slate->candidates, sizeof(Candidate) * slate->capacity);
	}
	slate->candidates[slate->count++] = *candidate;
}

/* Order candidates by score, the best first; ties as they were given, then by key. */
static int
CompareCandidates(const void *left, const void *right)
{
	const Candidate *a = left;
	const Candidate *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->place != b->place)
		return a->place - b->place;
	return (a->itemKey > b->itemKey) - (a->itemKey < b->itemKey);
}

/* Order what is proposed by score. */
void
SlateSort(Slate *slate)
{
	qsort(slate->candidates, slate->count, sizeof(Candidate), CompareCandidates);
}

/* Take a candidate if the costly rules admit it. */
static void
Take(Slate *slate, const Candidate *candidate)
{
	EngineContext *context = slate->context;

	CHECK_FOR_INTERRUPTS();
	if (!RulesAdmit(context, candidate->itemKey, RULE_COSTLY))
		return;
	KeySetAdd(&context->shown, candidate->itemKey);
	slate->taken[slate->takenCount++] = *candidate;
}

/* Take what is proposed in its order, and forget the rest. */
void
SlateTake(Slate *slate)
{
	for (int i = 0; i < slate->count && !SlateIsFull(slate); i++)
		if (!KeySetHas(&slate->context->shown, slate->candidates[i].itemKey))
			Take(slate, &slate->candidates[i]);
	slate->count = 0;
}

/* Take a candidate if all rules admit it. */
void
SlateTakeOne(Slate *slate, const Candidate *candidate)
{
	if (!SlateIsFull(slate) && RulesAdmit(slate->context, candidate->itemKey, RULE_CHEAP))
		Take(slate, candidate);
}
