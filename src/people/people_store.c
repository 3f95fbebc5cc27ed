/*
 * people_store.c
 *		What must be done for the tables that say who a person is.
 */
#include "postgres.h"

#include "people/people_store.h"

#include "people/ledger.h"
#include "people/person_removal.h"

/* consent_ledger: the proof stays, under the pseudonym. */
static void
PurgeLedger(void *state, PersonRemoval *removal)
{
	for (int i = 0; i < removal->count; i++)
		removal->people[i].tallies[removal->store].taken += LedgerErase(removal->people[i].userKey);
}

/* subject */
static void
PurgeSubjects(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.subject WHERE user_key = ANY ($1) RETURNING user_key");
}

static const PersonTaker ledgerTaker = {.finish = PurgeLedger};
static const PersonTaker subjectTaker = {.finish = PurgeSubjects};

static const PersonStore stores[] = {
	{
		.name = "consent_ledger",
		.rank = 100,
		.receipt = "decisions",
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &ledgerTaker,
		.withdraw = PERSON_STORE_NONE,
		.clear = PERSON_STORE_NONE,
		.purge = PERSON_STORE_NONE,
		.recount = PERSON_STORE_NONE
	},
	{
		.name = "subject",
		.rank = 110,
		.receipt = "subjects",
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &subjectTaker,
		.withdraw = PERSON_STORE_NONE,
		.clear = PERSON_STORE_NONE,
		.purge = PERSON_STORE_NONE,
		.recount = PERSON_STORE_NONE
	}
};

/* Register them. */
void
PeopleStoreInit(void)
{
	for (int i = 0; i < lengthof(stores); i++)
		PersonStoreRegister(&stores[i]);
}
