/*
 * slate.c
 *		The items of an answer while they are worked on.
 */
#include "postgres.h"

#include "engines/slate.h"

#include <math.h>

#include "base/grow.h"
#include "engines/admission.h"
#include "engines/caps.h"
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
CandidateBoost(const EngineContext *context, Candidate *candidate, double factor, BoostBy by)
{
	double		before = candidate->score;

	if (factor == 1)
		return;
	candidate->boost *= factor;
	if (context->logScores)
		candidate->score = before + log(factor);
	else
		candidate->score = before >= 0 ? before * factor : before / factor;
	candidate->raised[by] += candidate->score - before;
}

/* Add a candidate, unless a cheap condition speaks against it. */
void
SlatePropose(Slate *slate, const Candidate *candidate)
{
	if (!Admits(slate->context, candidate->itemKey, ADMISSION_CHEAP))
		return;
	GrowArray(slate->candidates, slate->count + 1, slate->capacity, 64);
	slate->candidates[slate->count++] = *candidate;
}

/* Order candidates by score, the best first; ties as they were given, then by key. */
static inline int
CompareCandidates(const Candidate *a, const Candidate *b)
{
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->given != b->given)
		return a->given - b->given;
	return (a->itemKey > b->itemKey) - (a->itemKey < b->itemKey);
}

/* Sort candidates, which are large: qsort() would move them byte by byte. */
#define ST_SORT SortCandidates
#define ST_ELEMENT_TYPE Candidate
#define ST_COMPARE(a, b) CompareCandidates(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Order what is proposed by score. */
void
SlateSort(Slate *slate)
{
	SortCandidates(slate->candidates, slate->count);
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
	if (context->caps != NULL)
		CapsCount(context->caps, ItemReaderGet(context->items, candidate->itemKey));
	slate->taken[slate->takenCount++] = *candidate;
}

/* So many more are looked at than there is room for: some are not offered. */
#define TAKE_MORE 8

/* Say which items are about to be looked at. */
static void
ExpectCandidates(const Slate *slate)
{
	int			count = Min(slate->count - slate->next, slate->room - slate->takenCount + TAKE_MORE);
	int64	   *keys;

	if (SlateIsFull(slate) || count <= 1)
		return;
	keys = palloc_array(int64, count);
	for (int i = 0; i < count; i++)
		keys[i] = slate->candidates[slate->next + i].itemKey;
	ItemReaderExpectOffered(slate->context->items, keys, count);
	pfree(keys);
}

/* Take what is proposed in its order. */
void
SlateTake(Slate *slate)
{
	ExpectCandidates(slate);
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
	CandidateBoost(slate->context, &boosted, RuleFactor(slate->context, candidate->itemKey), BOOST_RULES);
	Take(slate, &boosted);
}

/* True if one of these is the item. */
static bool
IsAmong(const Candidate *list, int count, int64 itemKey)
{
	for (int i = 0; i < count; i++)
		if (list[i].itemKey == itemKey)
			return true;
	return false;
}

/* Let up to so many of the answer's last items follow it instead; returns how many are left. */
static int
LeaveAnswer(Slate *slate, int chosen, int leave, const KeySet *kept)
{
	for (int i = chosen - 1; i >= 0 && leave > 0; i--)
	{
		Candidate	leaving = slate->taken[i];

		if (KeySetHas(kept, leaving.itemKey))
			continue;
		memmove(&slate->taken[i], &slate->taken[i + 1], sizeof(Candidate) * (chosen - i - 1));
		slate->taken[--chosen] = leaving;
		leave--;
	}
	return chosen;
}

/* Let the answer end with these. */
int
SlateEndWith(Slate *slate, int chosen, const Candidate *ending, int count, const KeySet *kept)
{
	int			n = slate->context->n;
	int			rest;
	double		below;

	chosen = LeaveAnswer(slate, chosen, chosen + count - n, kept);
	count = Min(count, n - chosen);
	rest = chosen;
	for (int i = chosen; i < slate->takenCount; i++)
		if (!IsAmong(ending, count, slate->taken[i].itemKey))
			slate->taken[rest++] = slate->taken[i];
	slate->taken = repalloc_array(slate->taken, Candidate, Max(slate->room, rest + count));
	memmove(&slate->taken[chosen + count], &slate->taken[chosen], sizeof(Candidate) * (rest - chosen));
	slate->takenCount = rest + count;
	below = chosen > 0 ? slate->taken[chosen - 1].score : 1;
	for (int i = 0; i < count; i++)
	{
		slate->taken[chosen + i] = ending[i];
		slate->taken[chosen + i].score = below / (i + 2);
	}
	return chosen + count;
}
