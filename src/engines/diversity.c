/*
 * diversity.c
 *		Items of a list that are not all alike.
 *
 * Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998, section 2): the next is
 * always the item with the most of (1 - d) * relevance - d * likeness, where d is the
 * parameter diversity, relevance the score as a part of the best one, and likeness that to
 * the chosen item it is most like; both are 0 to 1.
 *
 * How like two items are is the mean of what can be said of both: whether they share the
 * category, the brand, what part of their tags they share (Jaccard), and how heavy the one
 * is in the other's list of what people went to next to it, as a part of the heaviest
 * there.  Of a time in the past these lists are not known, and not asked.
 *
 * Caps are obeyed while choosing: an item of a category or brand that has had its number
 * is passed over.
 */
#include "postgres.h"

#include "engines/diversity.h"

#include <float.h>
#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "neighbours/knn.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* So many tags of an item are compared. */
#define MAX_TAGS 64

static EngineParameter parameters[] = {
	{.name = "diversity",.unit = "share",.minimum = 0,.maximum = 1,.standard = 0,
	.description = "how much it counts against an item that it is like those before it; 0: not at all, 1: nothing else counts"},
	{.name = "max_per_category",.unit = "items",.integer = true,.minimum = 0,.maximum = ENGINE_MAX_ITEMS,.standard = 0,
	.description = "the most items of one category in an answer; 0: any number"},
	{.name = "max_per_brand",.unit = "items",.integer = true,.minimum = 0,.maximum = ENGINE_MAX_ITEMS,.standard = 0,
	.description = "the most items of one brand in an answer; 0: any number"}
};
#define DIVERSITY (&parameters[0])
#define MAX_PER_CATEGORY (&parameters[1])
#define MAX_PER_BRAND (&parameters[2])

const EngineParameters DiversityParameters = {parameters, lengthof(parameters)};

/* What is known of an item that may be chosen.  Hashes are 0 where there is nothing. */
typedef struct Trait
{
	int			place;			/* in slate->taken */
	bool		chosen;
	uint64		category;
	uint64		brand;
	int			tagCount;
	uint64	   *tags;
	bool		hasPairs;
	int			pairCount;
	int64	   *pairKeys;		/* what people went to next to it */
	double	   *pairWeights;	/* as a part of the heaviest */
	int			sameCategory;	/* chosen items that share it */
	int			sameBrand;
	double		likeness;		/* to the chosen one it is most like */
} Trait;

/* True if the variant asks for any of it. */
bool
DiversityIsOn(const EngineContext *context)
{
	for (int i = 0; i < lengthof(parameters); i++)
		if (VariantGet(context->variant, &parameters[i]) > 0)
			return true;
	return false;
}

/* The hash of a text, not 0; 0 if there is none. */
static uint64
HashText(const text *value)
{
	return value == NULL ? 0 :
		hash_bytes_extended((const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), 0) | 1;
}

/* The hashes of different tags. */
static void
ReadTags(Trait *trait, ArrayType *array)
{
	Datum	   *tags;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &tags, &nulls, &count);
	trait->tags = palloc_array(uint64, Min(count, MAX_TAGS));
	for (int i = 0; i < count && trait->tagCount < MAX_TAGS; i++)
	{
		uint64		hash = nulls[i] ? 0 : HashText(DatumGetTextPP(tags[i]));
		int			known = 0;

		while (known < trait->tagCount && trait->tags[known] != hash)
			known++;
		if (!nulls[i] && known == trait->tagCount)
			trait->tags[trait->tagCount++] = hash;
	}
}

/* An item's list of pairs, unpacked: each is looked through for many others. */
static void
ReadPairs(EngineContext *context, Trait *trait, int64 itemKey)
{
	PairList	list;

	trait->hasPairs = KnnPairList(ContextKnn(context), itemKey, &list);
	if (!trait->hasPairs)
		return;
	trait->pairCount = list.count;
	trait->pairKeys = palloc_array(int64, Max(list.count, 1));
	trait->pairWeights = palloc_array(double, Max(list.count, 1));
	for (int i = 0; i < list.count; i++)
	{
		Pair		pair = PairListGet(&list, i);

		trait->pairKeys[i] = pair.itemKey;
		trait->pairWeights[i] = (double) pair.weight / Max(PairListGet(&list, 0).weight, 1);
	}
}

/* What is known of the taken items. */
static Trait *
ReadTraits(EngineContext *context, const Slate *slate, bool compare)
{
	Trait	   *traits = palloc0(sizeof(Trait) * Max(slate->takenCount, 1));

	for (int i = 0; i < slate->takenCount; i++)
	{
		int64		itemKey = slate->taken[i].itemKey;
		const ItemInfo *item = ItemReaderGet(context->items, itemKey);

		traits[i].place = i;
		if (item != NULL)
		{
			traits[i].category = HashText(item->category);
			traits[i].brand = HashText(item->brand);
			if (compare && item->tags != NULL)
				ReadTags(&traits[i], item->tags);
		}
		if (compare && !context->past)
			ReadPairs(context, &traits[i], itemKey);
	}
	return traits;
}

/* The part of all tags of two items that they share. */
static double
ShareOfTags(const Trait *a, const Trait *b)
{
	int			both = 0;

	for (int i = 0; i < a->tagCount; i++)
		for (int j = 0; j < b->tagCount; j++)
			both += a->tags[i] == b->tags[j];
	return (double) both / (a->tagCount + b->tagCount - both);
}

/* How heavy an item is in a list, as a part of the heaviest there. */
static double
WeightInList(const Trait *of, int64 itemKey)
{
	for (int i = 0; i < of->pairCount; i++)
		if (of->pairKeys[i] == itemKey)
			return of->pairWeights[i];
	return 0;
}

/* How like two items are: 0 to 1. */
static double
Likeness(const Slate *slate, const Trait *a, const Trait *b)
{
	double		sum = 0;
	int			known = 0;

	if (a->category != 0 && b->category != 0 && ++known)
		sum += a->category == b->category;
	if (a->brand != 0 && b->brand != 0 && ++known)
		sum += a->brand == b->brand;
	if (a->tagCount > 0 && b->tagCount > 0 && ++known)
		sum += ShareOfTags(a, b);
	if ((a->hasPairs || b->hasPairs) && ++known)
	{
		double		there = WeightInList(a, slate->taken[b->place].itemKey);
		double		back = WeightInList(b, slate->taken[a->place].itemKey);

		sum += Max(there, back);
	}
	return known == 0 ? 0 : sum / known;
}

/* Tell the others that an item has been chosen. */
static void
Choose(const Slate *slate, Trait *traits, Trait *chosen, bool compare)
{
	chosen->chosen = true;
	for (int i = 0; i < slate->takenCount; i++)
	{
		Trait	   *other = &traits[i];

		if (other->chosen)
			continue;
		other->sameCategory += chosen->category != 0 && other->category == chosen->category;
		other->sameBrand += chosen->brand != 0 && other->brand == chosen->brand;
		if (compare)
		{
			double		likeness = Likeness(slate, chosen, other);

			other->likeness = Max(other->likeness, likeness);
		}
	}
}

/* A score as a part of the top one; below 0 it is none, unless scores are logarithms. */
static double
RelevanceOf(const EngineContext *context, double score, double top)
{
	if (context->logScores)
		return exp(score - top);
	return top > 0 ? Max(score, 0) / top : 0;
}

/* The item to choose next; NULL: none may be. */
static Trait *
FindNext(const EngineContext *context, const Slate *slate, Trait *traits)
{
	double		diversity = VariantGet(context->variant, DIVERSITY);
	int			maxPerCategory = (int) VariantGet(context->variant, MAX_PER_CATEGORY);
	int			maxPerBrand = (int) VariantGet(context->variant, MAX_PER_BRAND);
	double		top = context->logScores ? -DBL_MAX : 0;
	double		most = 0;
	Trait	   *next = NULL;

	for (int i = 0; i < slate->takenCount; i++)
		top = Max(top, slate->taken[i].score);
	for (int i = 0; i < slate->takenCount; i++)
	{
		Trait	   *trait = &traits[i];
		double		relevance = RelevanceOf(context, slate->taken[i].score, top);
		double		worth = (1 - diversity) * relevance - diversity * trait->likeness;

		if (trait->chosen ||
			(maxPerCategory > 0 && trait->sameCategory >= maxPerCategory) ||
			(maxPerBrand > 0 && trait->sameBrand >= maxPerBrand))
			continue;
		if (next != NULL && (diversity == 0 || worth <= most))
			continue;
		next = trait;
		most = worth;
	}
	return next;
}

/* Put those that make the answer first. */
int
DiversityChoose(EngineContext *context, Slate *slate)
{
	bool		compare = VariantGet(context->variant, DIVERSITY) > 0;
	Candidate  *ordered;
	Trait	   *traits;
	Trait	   *next;
	int			count = 0;
	int			chosen;

	if (!DiversityIsOn(context))
		return Min(slate->takenCount, context->n);
	traits = ReadTraits(context, slate, compare);
	ordered = palloc_array(Candidate, Max(slate->takenCount, 1));
	while (count < context->n && (next = FindNext(context, slate, traits)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		ordered[count++] = slate->taken[next->place];
		Choose(slate, traits, next, compare);
	}
	chosen = count;
	for (int i = 0; i < slate->takenCount; i++)
		if (!traits[i].chosen)
			ordered[count++] = slate->taken[i];
	memcpy(slate->taken, ordered, sizeof(Candidate) * count);
	pfree(ordered);
	return chosen;
}
