/*
 * caps.c
 *		How many items of one category and of one brand a page may have.
 *
 * A page has some dozens of items, so what was counted is a list that is looked through.
 */
#include "postgres.h"

#include "engines/caps.h"

#include "base/grow.h"
#include "common/hashfn.h"

/* The kinds of which so many may be there. */
#define KINDS 2

/* An item that is counted: the hashes of its category and brand, 0: none. */
typedef struct Counted
{
	uint64		kinds[KINDS];
} Counted;

struct Caps
{
	int			most[KINDS];	/* 0: any number */
	int			count;
	int			capacity;
	Counted    *items;
};

/* Nothing is counted yet. */
Caps *
CapsBegin(int maxPerCategory, int maxPerBrand)
{
	Caps	   *caps = palloc0(sizeof(Caps));

	caps->most[0] = maxPerCategory;
	caps->most[1] = maxPerBrand;
	caps->capacity = 64;
	caps->items = palloc_array(Counted, caps->capacity);
	return caps;
}

/* The hash of a text, not 0; 0 if there is none. */
static uint64
HashText(const text *value)
{
	return value == NULL ? 0 :
		hash_bytes_extended((const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), 0) | 1;
}

/* What an item is counted as. */
static Counted
KindsOf(const ItemInfo *item)
{
	Counted		counted = {{0, 0}};

	if (item != NULL)
	{
		counted.kinds[0] = HashText(item->category);
		counted.kinds[1] = HashText(item->brand);
	}
	return counted;
}

/* True if one more may be there. */
bool
CapsHaveRoom(const Caps *caps, const ItemInfo *item)
{
	Counted		counted = KindsOf(item);

	for (int kind = 0; kind < KINDS; kind++)
	{
		int			same = 0;

		for (int i = 0; caps->most[kind] > 0 && counted.kinds[kind] != 0 && i < caps->count; i++)
			same += caps->items[i].kinds[kind] == counted.kinds[kind];
		if (caps->most[kind] > 0 && same >= caps->most[kind])
			return false;
	}
	return true;
}

/* Count an item. */
void
CapsCount(Caps *caps, const ItemInfo *item)
{
	GrowArray(caps->items, caps->count + 1, caps->capacity, 64);
	caps->items[caps->count++] = KindsOf(item);
}

/* How much was counted. */
int
CapsMark(const Caps *caps)
{
	return caps->count;
}

/* Forget what was counted since. */
void
CapsRewind(Caps *caps, int mark)
{
	Assert(mark <= caps->count);
	caps->count = mark;
}
