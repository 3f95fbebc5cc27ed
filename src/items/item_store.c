/*
 * item_store.c
 *		What must be done about people for the tables of items and their statistics.
 */
#include "postgres.h"

#include "items/item_store.h"

#include "items/item_stat.h"
#include "items/popular.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "workers/processor.h"

/* item_stat: subtract the events that were counted. */
static void *
BeginCounts(PersonRemoval *removal)
{
	if ((removal->purposes & PURPOSE_ANALYTICS) == 0)
		return NULL;
	return ItemStatUncountBegin(&removal->keys);
}

static void
UncountEvent(void *state, PersonTally *tally, const EventRow *row)
{
	if (state)
		tally->taken += ItemStatUncountAdd(state, row);
}

static void
FinishCounts(void *state, PersonRemoval *removal)
{
	if (state)
		ItemStatUncountEnd(state);
}

/* Count what is left of a person after a withdrawal that came late. */
static void
RecountPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_ANALYTICS) != 0)
		ProcessorRecount(PROCESSOR_ITEM_STAT, userKey);
}

/* _basket: a basket has one owner. */
static void
PurgeBaskets(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	if ((removal->purposes & PURPOSE_ANALYTICS) != 0)
		PersonRemovalDelete(removal, &plan,
							"DELETE FROM personalize._basket WHERE user_key = ANY ($1) RETURNING user_key");
}

/* _popular: lists made from counters that were reduced. */
static void
RefreshPopular(void *state, PersonRemoval *removal)
{
	if (PersonRemovalTotal(removal, "item_stat") > 0)
		PopularSpoil();
}

static const PersonTaker countTaker = {.begin = BeginCounts,.event = UncountEvent,.finish = FinishCounts};
static const PersonTaker basketTaker = {.finish = PurgeBaskets};
static const PersonTaker popularTaker = {.finish = RefreshPopular};

static const PersonStore stores[] = {
	{
		.name = "item_stat",
		.rank = 10,
		.receipt = "item_counts",
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &countTaker,
		.withdraw = &countTaker,
		.clear = PERSON_STORE_NONE,
		.purge = PERSON_STORE_NONE,
		.recount = RecountPerson
	},
	{
		.name = "_basket",
		.rank = 20,
		.receipt = "baskets",
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &basketTaker,
		.withdraw = &basketTaker,
		.clear = PERSON_STORE_NONE,
		.purge = PERSON_STORE_NONE,
		.recount = PERSON_STORE_NONE
	},
	{
		.name = "_popular",
		.rank = 120,
		.receipt = PERSON_STORE_NONE,
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &popularTaker,
		.withdraw = &popularTaker,
		.clear = PERSON_STORE_NONE,
		.purge = PERSON_STORE_NONE,
		.recount = PERSON_STORE_NONE
	}
};

/* Register them. */
void
ItemStoreInit(void)
{
	for (int i = 0; i < lengthof(stores); i++)
		PersonStoreRegister(&stores[i]);
}
