/*
 * people_store.c
 *		What must be done for the tables that say who a person is.
 */
#include "postgres.h"

#include "people/people_store.h"

#include "base/dictionary.h"
#include "people/ledger.h"
#include "people/person_expiry.h"
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

/* _dictionary_log: the ids of people met for the first time. */
static void
PurgeLog(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						DICTIONARY_FORGET("u", "$1"));
}

/* identity: the other ids of the people; an id may be forgotten without the person in a restored database. */
static void
PurgeIdentities(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.identity WHERE user_key = ANY ($1) OR alias_key = ANY ($1)"
						" RETURNING CASE WHEN user_key = ANY ($1) THEN user_key ELSE alias_key END");
}

/* Ids of people who are gone themselves. */
static void
ExpireIdentities(PersonExpiry *expiry)
{
	PersonExpiryDelete(expiry, "identity",
					   "t.since < $1 AND NOT EXISTS (SELECT FROM personalize.subject s WHERE s.user_key = t.user_key)");
	PersonExpiryReport(expiry, "identity", expiry->removed);
}

static const PersonTaker identityTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeIdentities};
static const PersonExpiryStep identityExpiry[] = {{"ledger", 125, false, ExpireIdentities}, {NULL}};
static const PersonTaker ledgerTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeLedger};
static const PersonTaker subjectTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeSubjects};
static const PersonTaker logTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeLog};

#define SUBJECT_PEOPLE \
	"SELECT s.user_key, 0 AS purposes FROM personalize.subject AS s"
#define IDENTITY_PEOPLE \
	"SELECT i.user_key, 0 AS purposes FROM personalize.identity AS i" \
	" UNION ALL SELECT i.alias_key, 0 FROM personalize.identity AS i"
#define LEDGER_PEOPLE \
	"SELECT l.user_key, 0 AS purposes FROM personalize.consent_ledger AS l"
#define LOG_PEOPLE \
	"SELECT l.key AS user_key, 0 AS purposes FROM " DICTIONARY_LOGGED("u") " AS l"

/* Without these rows the people would be treated as if they had never spoken. */
#define SUBJECT_KEEPS \
	"SELECT s.user_key FROM personalize.subject AS s WHERE s.restricted <> 0 OR s.since IS NOT NULL" \
	" OR (s.decided & ~s.granted <> 0" \
	"  AND EXISTS (SELECT FROM personalize.purpose_default AS d WHERE d.answer = 'allowed'))"
#define LEDGER_KEEPS \
	"SELECT l.user_key FROM personalize.consent_ledger AS l WHERE greatest(l.recorded_at, l.effective_at) >= $1"

static const PersonExport subjectCopy = {
	.as = "subject",
	.query =
	"SELECT jsonb_build_object('user_id', s.user_id,"
	" 'granted', personalize_internal._purpose_names(s.granted), 'decided', personalize_internal._purpose_names(s.decided),"
	" 'restricted', personalize_internal._purpose_names(s.restricted), 'since', s.since)"
	" FROM personalize.subject s WHERE s.user_key = $1",
	.meaning = "the current state of your consent: purposes allowed, decided about, and restricted"
};

static const PersonExport identityCopy = {
	.as = "identities",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('user_id', i.alias_id, 'since', i.since, 'source', i.source,"
	" 'held', personalize_internal._export_held(i.alias_key, i.alias_id) - 'identities'::text)"
	" ORDER BY i.since, i.alias_id), '[]')"
	" FROM personalize.identity i WHERE i.user_key = $1",
	.meaning = "your other ids, since when each is yours; held: what is known under it alone, as its own decisions"
};

static const PersonExport consentCopy = {
	.as = "consents",
	.query =
	"SELECT personalize.consent_proof($2::personalize.entity_id)",
	.meaning = "every decision about consent with the hashes that prove it unchanged"
};

static const PersonExport logCopy = {
	.as = "ids_to_be_filed",
	.query =
	"SELECT coalesce(jsonb_agg(DISTINCT l.id), '[]')"
	" FROM " DICTIONARY_LOGGED("u") " AS l WHERE l.key = $1",
	.meaning = "your id, if it has not reached subject yet"
};

/* Those of base too, which knows of no people. */
static const PersonStore stores[] = {
	{
		.name = "subject",
		.form =
		/* since is set for those who came back after an erasure */
		"SELECT to_jsonb(s) - 'since' FROM personalize.subject s",
		.mask = "granted & ~restricted, decided | restricted",
		.unanalyzed = "user_key,user_id",
		.people = SUBJECT_PEOPLE,
		.keeps = SUBJECT_KEEPS,
		.copy = &subjectCopy,
		.rank = 110,
		.receipt = "subjects",
		.forget = &subjectTaker,
		.none = PERSON_NO_MOVING | PERSON_NO_RECEIPT_LEFT | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS |
		PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "identity",
		/* places tell in which order ids were joined, which makes no difference */
		.form = "SELECT to_jsonb(i) - '{since,place}'::text[] FROM personalize.identity i",
		.unanalyzed = "alias_key,user_key,alias_id,user_id",
		.people = IDENTITY_PEOPLE,
		.copy = &identityCopy,
		.rank = 105,
		.receipt = "identities",
		.forget = &identityTaker,
		.expiry = identityExpiry,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_KEEPS | PERSON_NO_RECEIPT_LEFT |
		PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION | PERSON_NO_NAMES |
		PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	},
	{
		.name = "consent_ledger",
		.form =
		"SELECT jsonb_build_object('user', l.user_key, 'place', row_number() OVER ("
		"  PARTITION BY l.user_key ORDER BY l.effective_at, l.recorded_at, l.purposes, l.granted),"
		" 'purposes', l.purposes, 'granted', l.granted, 'source', l.source, 'basis', l.basis,"
		" 'notice', l.notice_version, 'evidence', l.evidence_digest)"
		" FROM personalize.consent_ledger l WHERE NOT l.erased",
		.unanalyzed = "user_key,evidence_digest",
		.people = LEDGER_PEOPLE " WHERE NOT l.erased",
		.keeps = LEDGER_KEEPS,
		.copy = &consentCopy,
		.rank = 100,
		.receipt = "decisions",
		.forget = &ledgerTaker,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_RECEIPT_LEFT | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS |
		PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "_dictionary_log",
		.form =
		"SELECT DISTINCT jsonb_build_object('user', l.key, 'id', l.id)"
		" FROM " DICTIONARY_LOGGED("u") " AS l",
		.unanalyzed = "key,id",
		.people = LOG_PEOPLE,
		.keeps = LOG_PEOPLE,
		.copy = &logCopy,
		.rank = 90,
		.receipt = "log_entries",
		.forget = &logTaker,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_RECEIPT_LEFT | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS |
		PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "_ledger_pruned",
		.exempt = "random numbers: hashes of entries that retention took out of consent_ledger",
		.unanalyzed = "hash",
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_COPY |
		PERSON_NO_RECEIPT | PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW |
		PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES |
		PERSON_NO_HOLDS | PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "purpose",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("purpose")
	},
	{
		.name = "purpose_default",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("purpose_default")
	},
	{
		.name = "purpose_role",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("purpose_role")
	},
	{
		.name = "consent_mapping",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("consent_mapping")
	},
	{
		.name = "refused_id",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("refused_id")
	},
	{
		.name = "_secret",
		.exempt = "the key of the pseudonyms, which is random",
		.unanalyzed = "secret",
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_COPY |
		PERSON_NO_RECEIPT | PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW |
		PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES |
		PERSON_NO_HOLDS | PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "_incarnation",
		.content = "positions",
		.exempt = "transaction ids: the lives of this database"
	}
};

/* Register them. */
void
PeopleStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
