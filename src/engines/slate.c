/*
 * slate.c
 *		The items of an answer while they are worked on.
 */
#include "postgres.h"

#include "engines/slate.h"

#include "engines/admission.h"
#include "engines/rule.h"
#include "miscadmin.h"

/* An empty slate. */
Slate *
SlateBegin(EngineContext *context)
{
	Slate	   *slate = palloc0(sizeof(Slate));

	slate->context = context;
	slate->room = context->n;
	slate->taken = palloc_array(Candidate, context->n);
	return slate;
}

/* Make room for more to be taken. */
void
SlateWiden(Slate *slate, int room)
{
	if (room <= slate->room)
		return;
	slate->room = room;
	slate->taken = repalloc_array(slate->taken, Candidate, room);
}

/* Multiply a score. */
void
CandidateBoost(Candidate *candidate, double factor)
{
	if (factor == 1)
		return;
	candidate->boost *= factor;
	candidate->score = candidate->score >= 0 ? candidate->score * factor : candidate->score / factor;
}

/* Add a candidate, unless a cheap condition speaks against it. */
void
SlatePropose(Slate *slate, const Candidate *candidate)
{
	if (!Admits(slate->context, candidate->itemKey, ADMISSION_CHEAP))
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

/* Order candidates by score, the best first; ties by key. */
static int
CompareCandidates(const void *left, const void *right)
{
	const Candidate *a = left;
	const Candidate *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return (a->itemKey > b->itemKey) - (a->itemKey < b->itemKey);
}

/* Order what is proposed by score. */
void
SlateSort(Slate *slate)
{
	qsort(slate->candidates, slate->count, sizeof(Candidate), CompareCandidates);
}

/* Order what is taken by score, the best first; ties as they were taken. */
static int
CompareTaken(const void *left, const void *right)
{
	const Candidate *a = left;
	const Candidate *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->place - b->place;
}

/* Give what is taken its ranks. */
void
SlateRankTaken(Slate *slate, bool boosted)
{
	for (int i = 0; i < slate->takenCount; i++)
		slate->taken[i].place = i;
	if (boosted)
		qsort(slate->taken, slate->takenCount, sizeof(Candidate), CompareTaken);
	for (int i = 0; i < slate->takenCount; i++)
		slate->taken[i].place = i + 1;
}

/* Take a candidate if the costly conditions admit it. */
static void
Take(Slate *slate, const Candidate *candidate)
{
	EngineContext *context = slate->context;

	CHECK_FOR_INTERRUPTS();
	if (!Admits(context, candidate->itemKey, ADMISSION_COSTLY))
		return;
	KeySetAdd(&context->shown, candidate->itemKey);
	slate->taken[slate->takenCount++] = *candidate;
}

/* Take what is proposed in its order. */
void
SlateTake(Slate *slate)
{
	for (; slate->next < slate->count && !SlateIsFull(slate); slate->next++)
		if (!KeySetHas(&slate->context->shown, slate->candidates[slate->next].itemKey))
			Take(slate, &slate->candidates[slate->next]);
}

/* Take a candidate if all conditions admit it. */
void
SlateTakeOne(Slate *slate, const Candidate *candidate)
{
	Candidate	boosted = *candidate;

	if (SlateIsFull(slate) || !Admits(slate->context, candidate->itemKey, ADMISSION_CHEAP))
		return;
	CandidateBoost(&boosted, RuleFactor(slate->context, candidate->itemKey));
	Take(slate, &boosted);
}
