/*
 * bought.c
 *		What a person has bought lately, and does not buy again.
 *
 * Whoever has bought a drill needs no second one; coffee runs out.  Which is which says
 * the shop's own record: how many of those who bought an item of the category did so
 * again (repeat_purchase.c).
 */
#include "postgres.h"

#include "engines/bought.h"

#include "engines/visitor.h"
#include "items/repeat_purchase.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

/* What is lately where the call does not say. */
#define LATELY (90 * USECS_PER_DAY)

static EngineParameter learnedExclusion = {
	.name = "exclude_bought_learned",.unit = "0 or 1",.integer = true,.minimum = 0,.maximum = 1,.standard = 1,
	.description = "1: what the person bought lately of categories where nobody buys an item twice is left out; 0: it is not"
};
const EngineParameters BoughtParameters = {&learnedExclusion, 1};

/* An item that the person bought, or gave back. */
typedef struct BoughtItem
{
	int64		itemKey;		/* hash key */
	TimestampTz boughtAt;		/* last */
	TimestampTz refundedAt;
} BoughtItem;

/* Make an empty table of them. */
static HTAB *
MakeItems(void)
{
	HASHCTL		control = {
		.keysize = sizeof(int64),.entrysize = sizeof(BoughtItem),.hcxt = CurrentMemoryContext
	};

	return hash_create("personalize bought", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Called for each item the person has had to do with. */
static void
AddBought(void *arg, int64 itemKey, int16 event, TimestampTz ts)
{
	HTAB	  **items = arg;
	BoughtItem *item;
	bool		found;

	if (event != EVENT_TYPE_PURCHASE && event != EVENT_TYPE_REFUND)
		return;
	if (*items == NULL)
		*items = MakeItems();
	item = hash_search(*items, &itemKey, HASH_ENTER, &found);
	if (!found)
		item->boughtAt = item->refundedAt = DT_NOBEGIN;
	if (event == EVENT_TYPE_PURCHASE)
		item->boughtAt = Max(item->boughtAt, ts);
	else
		item->refundedAt = Max(item->refundedAt, ts);
}

/* What the person bought and gave back since then; NULL: nothing. */
static HTAB *
ReadBought(EngineContext *context, TimestampTz since, bool remembered)
{
	HTAB	   *items = NULL;

	VisitorVisitItems(context, since, remembered, AddBought, &items);
	return items;
}

/* True if people buy such items again. */
static bool
IsBoughtAgain(EngineContext *context, int64 itemKey)
{
	const ItemInfo *item = ItemReaderGet(context->items, itemKey);

	return RepeatPurchaseIsUsual(RepeatPurchaseRead(item ? item->category : NULL, context->snapshot));
}

/* Exclude what the person has bought. */
void
BoughtExclude(EngineContext *context, const Interval *interval)
{
	bool		learned = interval == NULL;
	HTAB	   *items;
	HASH_SEQ_STATUS status;
	BoughtItem *item;

	if (!context->visitor.personal ||
		(learned && (context->hasCandidates || VariantGet(context->variant, &learnedExclusion) == 0)))
		return;
	items = ReadBought(context, learned ? context->now - LATELY : VisitorSince(context, interval), learned);
	if (items == NULL)
		return;
	KeySetInit(&context->bought, hash_get_num_entries(items));
	hash_seq_init(&status, items);
	while ((item = hash_seq_search(&status)) != NULL)
		if (item->boughtAt > item->refundedAt && !(learned && IsBoughtAgain(context, item->itemKey)))
			KeySetAdd(&context->bought, item->itemKey);
}

/* When the person last bought an item. */
bool
BoughtAt(EngineContext *context, int64 itemKey, TimestampTz *ts)
{
	HTAB	   *items;
	BoughtItem *item;

	if (!context->visitor.personal)
		return false;
	items = ReadBought(context, context->now - LATELY, false);
	item = items ? hash_search(items, &itemKey, HASH_FIND, NULL) : NULL;
	if (item == NULL || item->boughtAt <= item->refundedAt)
		return false;
	*ts = item->boughtAt;
	return true;
}
