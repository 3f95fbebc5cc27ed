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

/* The registrations. */
static PersonStore stores[PERSON_STORES_MAX];
static int	storeCount;

/* What stands for nothing; never called. */
void
PersonStoreNone(void)
{
	elog(ERROR, "a store was asked for what it does not need");
}

/* Refuse a registration that leaves out what a table of people must say, or says it twice over. */
static void
CheckPart(const PersonStore *store, const char *part, const void *value, bool none)
{
	if (value == NULL && !none && store->content == NULL)
		elog(ERROR, "store \"%s\" does not say what its %s is", store->name, part);
	if (value != NULL && none)
		elog(ERROR, "store \"%s\" says what its %s is, and that it has none", store->name, part);
}

/* Copy a structure of pointers that a registration points to, all of which it must say. */
static void *
CopyGroup(const PersonStore *store, const char *part, const void *group, Size size)
{
	void	  **members;

	if (group == NULL)
		return NULL;
	members = memcpy(MemoryContextAlloc(TopMemoryContext, size), group, size);
	for (Size i = 0; i < size / sizeof(void *); i++)
	{
		if (members[i] == NULL)
			elog(ERROR, "store \"%s\" does not say all of its %s", store->name, part);
		if (members[i] == PERSON_NONE)
			members[i] = NULL;
	}
	return members;
}

#define TakePart(store, part, flag) \
	CheckPart(store, CppAsString(part), (store)->part, ((store)->none & (flag)) != 0)
#define TakeGroup(store, part, flag) \
	(TakePart(store, part, flag), \
	 (store)->part = CopyGroup(store, CppAsString(part), (store)->part, sizeof(*(store)->part)))

/* Take a registration, checking that it is complete. */
static void
TakeStore(PersonStore *store)
{
	if ((store->form == NULL) == (store->exempt == NULL))
		elog(ERROR, "store \"%s\" has not either a form or a reason to have none", store->name);
	TakePart(store, mask, PERSON_NO_MASK);
	TakePart(store, unanalyzed, PERSON_NO_UNANALYZED);
	TakePart(store, people, PERSON_NO_PEOPLE);
	TakePart(store, keeps, PERSON_NO_KEEPS);
	TakeGroup(store, copy, PERSON_NO_COPY);
	TakePart(store, receipt, PERSON_NO_RECEIPT);
	TakePart(store, receiptLeft, PERSON_NO_RECEIPT_LEFT);
	TakeGroup(store, forget, PERSON_NO_FORGET);
	TakeGroup(store, withdraw, PERSON_NO_WITHDRAW);
	if (store->withdraw)
		((PersonWithdrawal *) store->withdraw)->uncount =
			CopyGroup(store, "withdraw->uncount", store->withdraw->uncount, sizeof(PersonTaker));
	TakeGroup(store, restriction, PERSON_NO_RESTRICTION);
	TakeGroup(store, correction, PERSON_NO_CORRECTION);
	TakeGroup(store, moving, PERSON_NO_MOVING);
	TakeGroup(store, names, PERSON_NO_NAMES);
	TakeGroup(store, eventNames, PERSON_NO_EVENT_NAMES);
	TakeGroup(store, holds, PERSON_NO_HOLDS);
	TakeGroup(store, dictionary, PERSON_NO_DICTIONARY);
	TakePart(store, expiry, PERSON_NO_EXPIRY);
}

/* Put a store in its place; two that take something away cannot have one. */
static void
InsertStore(const PersonStore *store)
{
	int			place = storeCount;
	bool		takes = store->forget || store->withdraw || store->restriction || store->correction || store->moving;

	if (storeCount == PERSON_STORES_MAX)
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
