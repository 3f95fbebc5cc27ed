/*
 * topk.c
 *		The best k of many.
 *
 * Quickselect with a median of three (Hoare's FIND, CACM 4(7), 1961), then a
 * sort of the k that are left: linear in the number of candidates.
 */
#include "postgres.h"

#include "base/topk.h"

/* True if a comes before b. */
static inline bool
IsBetter(const TopkEntry *a, const TopkEntry *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->tie < b->tie;
}

/* Exchange two entries. */
static inline void
Swap(TopkEntry *a, TopkEntry *b)
{
	TopkEntry	saved = *a;

	*a = *b;
	*b = saved;
}

/* Put the median of the first, middle and last entry into the middle. */
static TopkEntry
Median(TopkEntry *entries, int low, int high)
{
	int			middle = low + (high - low) / 2;

	if (IsBetter(&entries[middle], &entries[low]))
		Swap(&entries[middle], &entries[low]);
	if (IsBetter(&entries[high], &entries[low]))
		Swap(&entries[high], &entries[low]);
	if (IsBetter(&entries[high], &entries[middle]))
		Swap(&entries[high], &entries[middle]);
	return entries[middle];
}

/* Move the best k entries to the front. */
void
TopkSelect(TopkEntry *entries, int count, int k)
{
	int			low = 0;
	int			high = count - 1;

	if (k <= 0 || k >= count)
		return;
	while (low < high)
	{
		TopkEntry	pivot = Median(entries, low, high);
		int			left = low;
		int			right = high;

		while (left <= right)
		{
			while (IsBetter(&entries[left], &pivot))
				left++;
			while (IsBetter(&pivot, &entries[right]))
				right--;
			if (left <= right)
				Swap(&entries[left++], &entries[right--]);
		}
		if (k - 1 <= right)
			high = right;
		else if (k - 1 >= left)
			low = left;
		else
			return;
	}
}

/* Order entries, the best first. */
static inline int
CompareEntries(const TopkEntry *a, const TopkEntry *b)
{
	if (IsBetter(a, b))
		return -1;
	return IsBetter(b, a) ? 1 : 0;
}

/* Sort entries, with the comparison inlined. */
#define ST_SORT SortEntries
#define ST_ELEMENT_TYPE TopkEntry
#define ST_COMPARE(a, b) CompareEntries(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Move the best k entries to the front, best first. */
int
TopkSort(TopkEntry *entries, int count, int k)
{
	k = Min(k, count);
	TopkSelect(entries, count, k);
	if (k > 1)
		SortEntries(entries, k);
	return k;
}
