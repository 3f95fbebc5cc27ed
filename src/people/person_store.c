/*
 * person_store.c
 *		What must be done for every table that holds data of people.
 *
 * Registrations are copied, so that what is said not to be needed can be NULL to
 * whoever loops over them.  A mistake in one is an error when the library is loaded.
 */
#include "postgres.h"

#include "people/person_store.h"

#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(personalize_person_stores);

#define MAX_STORES 64

/* The registrations. */
static PersonStore stores[MAX_STORES];
static int	storeCount;

/* What stands for nothing; never called. */
void
PersonStoreNone(void)
{
	elog(ERROR, "a store was asked for what it does not need");
}

/* Take one thing that a registration says, a pointer; refuse what a table of people leaves out. */
static void
TakePart(const PersonStore *store, const char *part, void *place)
{
	void	   *value;

	memcpy(&value, place, sizeof(value));
	if (value == NULL && store->content == NULL)
		elog(ERROR, "store \"%s\" does not say what its %s is", store->name, part);
	if (value == PERSON_STORE_NONE)
		memset(place, 0, sizeof(value));
}

/* Take a structure of pointers that a registration points to, all of which it must say. */
static void
TakeGroup(PersonStore *store, const char *part, void *place, Size size)
{
	PersonStore strict = {.name = store->name};
	char	   *group;

	TakePart(store, part, place);
	memcpy(&group, place, sizeof(group));
	if (group == NULL)
		return;
	group = memcpy(MemoryContextAlloc(TopMemoryContext, size), group, size);
	for (Size offset = 0; offset < size; offset += sizeof(void *))
		TakePart(&strict, part, group + offset);
	memcpy(place, &group, sizeof(group));
}

#define TakePartOf(store, part) TakePart(store, CppAsString(part), &(store)->part)
#define TakeGroupOf(store, part) TakeGroup(store, CppAsString(part), &(store)->part, sizeof(*(store)->part))

/* Take a registration, checking that it is complete. */
static void
TakeStore(PersonStore *store)
{
	if ((store->form == NULL) == (store->exempt == NULL))
		elog(ERROR, "store \"%s\" has not either a form or a reason to have none", store->name);
	TakePartOf(store, mask);
	TakePartOf(store, unanalyzed);
	TakePartOf(store, people);
	TakePartOf(store, keeps);
	TakeGroupOf(store, copy);
	TakePartOf(store, receipt);
	TakePartOf(store, receiptLeft);
	TakeGroupOf(store, forget);
	TakeGroupOf(store, withdraw);
	if (store->withdraw && store->withdraw->uncount)
		TakeGroup(store, "withdraw->uncount", (void *) &store->withdraw->uncount, sizeof(PersonTaker));
	TakeGroupOf(store, restriction);
	TakeGroupOf(store, correction);
	TakeGroupOf(store, names);
	TakeGroupOf(store, eventNames);
	TakeGroupOf(store, holds);
	TakeGroupOf(store, dictionary);
	TakePartOf(store, expiry);
}

/* Put a store in its place; two that take something away cannot have one. */
static void
InsertStore(const PersonStore *store)
{
	int			place = storeCount;
	bool		takes = store->forget || store->withdraw || store->restriction || store->correction;

	if (storeCount == MAX_STORES)
		elog(ERROR, "too many stores");
	while (place > 0 && stores[place - 1].rank > store->rank)
		place--;
	if (takes && (store->rank == 0 || (place > 0 && stores[place - 1].rank == store->rank)))
		elog(ERROR, "store \"%s\" has no rank of its own", store->name);
	memmove(&stores[place + 1], &stores[place], sizeof(PersonStore) * (storeCount - place));
	stores[place] = *store;
	storeCount++;
}

/* Remember tables. */
void
PersonStoreRegister(const PersonStore *registered, int count)
{
	for (int i = 0; i < count; i++)
	{
		PersonStore store = registered[i];

		TakeStore(&store);
		InsertStore(&store);
	}
}

/* All stores. */
const PersonStore *
PersonStores(int *count)
{
	*count = storeCount;
	return stores;
}

/* Set a column to a text, or to null. */
static void
SetText(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* _person_stores(): what SQL needs to know of them. */
Datum
personalize_person_stores(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < storeCount; i++)
	{
		const PersonStore *store = &stores[i];
		const PersonExport none = {NULL};
		const PersonExport *copy = store->copy ? store->copy : &none;
		Datum		values[8];
		bool		nulls[8];

		SetText(values, nulls, 0, store->name);
		SetText(values, nulls, 1, store->content);
		SetText(values, nulls, 2, store->mask);
		SetText(values, nulls, 3, store->unanalyzed);
		values[4] = Int32GetDatum(store->rank);
		nulls[4] = store->forget == NULL;
		SetText(values, nulls, 5, copy->as);
		SetText(values, nulls, 6, copy->query);
		SetText(values, nulls, 7, copy->meaning);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
