/*
 * person_store.c
 *		What must be done for every table that holds data of people.
 */
#include "postgres.h"

#include "people/person_store.h"

#define MAX_STORES 64

/* The registrations, by rank, with NULL for what is not needed. */
static PersonStore stores[MAX_STORES];
static int	storeCount;

/* What stands for nothing; never called. */
void
PersonStoreNone(void)
{
	elog(ERROR, "a store was asked for what it does not need");
}

/* Take one thing that a registration says, a pointer; refuse what it leaves out. */
static void
TakePart(const char *store, const char *part, void *place)
{
	void	   *value;

	memcpy(&value, place, sizeof(value));
	if (value == NULL)
		elog(ERROR, "store \"%s\" does not say what its %s is", store, part);
	if (value == PERSON_STORE_NONE)
		memset(place, 0, sizeof(value));
}

#define TakePartOf(store, part) TakePart((store)->name, CppAsString(part), &(store)->part)

/* Take a registration, checking that it is complete. */
static void
TakeStore(PersonStore *store)
{
	TakePartOf(store, receipt);
	TakePartOf(store, receiptLeft);
	TakePartOf(store, forget);
	TakePartOf(store, withdraw);
	TakePartOf(store, clear);
	TakePartOf(store, purge);
	TakePartOf(store, recount);
}

/* Remember a table. */
void
PersonStoreRegister(const PersonStore *store)
{
	PersonStore taken = *store;
	int			place = storeCount;

	if (storeCount == MAX_STORES)
		elog(ERROR, "too many stores");
	TakeStore(&taken);
	while (place > 0 && stores[place - 1].rank > taken.rank)
		place--;
	memmove(&stores[place + 1], &stores[place], sizeof(PersonStore) * (storeCount - place));
	stores[place] = taken;
	storeCount++;
}

/* All stores. */
const PersonStore *
PersonStores(int *count)
{
	*count = storeCount;
	return stores;
}
