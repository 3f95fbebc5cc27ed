/*
 * erasure.c
 *		Forgetting people.
 *
 * The order of things, all in one transaction:
 *
 *	1. the people's stripes are locked exclusively: what was in flight is
 *	   committed or aborted, and nobody stores or counts anything of theirs;
 *	2. the cut-off is read: the next transaction id.  A snapshot's xmax would
 *	   not do, it can lie below the id of a transaction that still runs;
 *	3. tombstones are set, by which whoever comes later refuses their events;
 *	4. the steps below take away what every table holds of them, with one scan of
 *	   the raw events and one of the messages for all of them together;
 *	5. each person gets a receipt.
 *
 * What people have in common stays exact: counters are reduced event by event,
 * and lists of neighbours that had been cut are filled up again from the
 * sessions.  What cannot be taken out of a sum because the raw events were
 * dropped as too old stays, as a number that tells of nobody, and the receipt
 * says how many events that are.
 *
 * An id that nobody ever used is forgotten just the same: the answer tells
 * nothing about who was known, and what is still on its way to the database is
 * refused when it arrives.
 */
#include "postgres.h"

#include "erasure.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "compat.h"
#include "consent.h"
#include "consent_cache.h"
#include "dedup.h"
#include "erasure_candidate.h"
#include "erasure_sweep.h"
#include "event_people.h"
#include "fmgr.h"
#include "funcapi.h"
#include "item_stat.h"
#include "key.h"
#include "ledger.h"
#include "message_id.h"
#include "miscadmin.h"
#include "neighbour.h"
#include "personalize.h"
#include "popular.h"
#include "processor.h"
#include "purge_lock.h"
#include "secret.h"
#include "spi_util.h"
#include "tombstone.h"
#include "txid.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_forget);
PG_FUNCTION_INFO_V1(personalize_forget_many);
PG_FUNCTION_INFO_V1(personalize_erasure_receipt);

/* An erasure under way. */
typedef struct Erasure
{
	int			count;
	ErasurePerson *people;		/* by key */
	KeySet		keys;
	Snapshot	snapshot;
	TimestampTz now;
	int64		cutoff;
	bool		deletesEvents;
	HTAB	   *messages;		/* of MessageOwner; NULL: none */
	ItemStatUncount *uncount;
	ErasureCandidates *candidates;	/* NULL: not noted */
	TxidSnapshot *positions[EVENT_SHARDS];	/* of the profile processor */
} Erasure;

/* Whose a message is. */
typedef struct MessageOwner
{
	int64		probe;			/* hash key, first */
	ErasurePerson *person;
} MessageOwner;

/* One table, or what belongs together; any of the callbacks may be NULL. */
typedef struct ErasureStep
{
	const char *name;
	void		(*begin) (Erasure *erasure);
	void		(*event) (Erasure *erasure, ErasurePerson *person, const EventRow *row);
	void		(*finish) (Erasure *erasure);
} ErasureStep;

/* What receipts call their counts; those from PARTIAL_EVENTS on stand under "partial". */
static const char *const countNames[ERASURE_COUNTS] = {
	[ERASED_EVENTS] = "events",
	[ERASED_ITEM_COUNTS] = "item_counts",
	[ERASED_BASKETS] = "baskets",
	[ERASED_MESSAGES] = "messages",
	[ERASED_REJECTED] = "rejected_events",
	[ERASED_PROFILES] = "profiles",
	[ERASED_SESSIONS] = "sessions",
	[ERASED_PREFERENCES] = "preferences",
	[ERASED_LOG_ENTRIES] = "log_entries",
	[ERASED_DECISIONS] = "decisions",
	[ERASED_SUBJECTS] = "subjects",
	[PARTIAL_EVENTS] = "events",
	[PARTIAL_POSTINGS] = "postings"
};

/* Order people by key. */
static int
ComparePeople(const void *left, const void *right)
{
	int64		a = ((const ErasurePerson *) left)->userKey;
	int64		b = ((const ErasurePerson *) right)->userKey;

	return a < b ? -1 : a > b;
}

/* The person with a key. */
static ErasurePerson *
FindPerson(Erasure *erasure, int64 userKey)
{
	ErasurePerson wanted = {.userKey = userKey};
	ErasurePerson *person = bsearch(&wanted, erasure->people, erasure->count,
									sizeof(ErasurePerson), ComparePeople);

	Assert(person != NULL);
	return person;
}

/*
 * Run a statement that deletes rows of the people, whose keys are $1, and count
 * the rows it returns: user_key comes first.
 */
static void
DeleteRows(Erasure *erasure, SPIPlanPtr *plan, const char *sql, ErasureCount kind)
{
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {KeySetArray(&erasure->keys)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(plan, sql, lengthof(types), types, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isNull;

		FindPerson(erasure, DatumGetInt64(SpiUtilValue(i, 1, &isNull)))->counts[kind]++;
	}
	SpiUtilEnd(&scope);
}

/* item_stat: subtract the events that were counted. */
static void
BeginItemCounts(Erasure *erasure)
{
	erasure->uncount = ItemStatUncountBegin(&erasure->keys);
}

static void
UncountEvent(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	person->counts[ERASED_ITEM_COUNTS] += ItemStatUncountAdd(erasure->uncount, row);
}

static void
FinishItemCounts(Erasure *erasure)
{
	ItemStatUncountEnd(erasure->uncount);
}

/* _basket: a basket has one owner. */
static void
PurgeBaskets(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;

	DeleteRows(erasure, &plan,
			   "DELETE FROM personalize._basket WHERE user_key = ANY ($1) RETURNING user_key",
			   ERASED_BASKETS);
}

/* event: each is deleted when all steps have seen it. */
static void
BeginEvents(Erasure *erasure)
{
	erasure->deletesEvents = true;
}

static void
CountEvent(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	person->counts[ERASED_EVENTS]++;
}

/* message_seen: what the events say of their messages finds these. */
static void
CollectMessage(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(MessageOwner)};
	MessageOwner *owner;
	int64		probe;

	if (!row->hasMessage)
		return;
	if (erasure->messages == NULL)
		erasure->messages = hash_create("personalize messages", 256, &control,
										HASH_ELEM | HASH_BLOBS);
	probe = MessageIdProbeOfKey(row->messageKey);
	owner = hash_search(erasure->messages, &probe, HASH_ENTER, NULL);
	owner->person = person;
}

static bool
HasMessage(void *arg, int64 probe)
{
	return hash_search(arg, &probe, HASH_FIND, NULL) != NULL;
}

static void
CountMessage(void *arg, int64 probe)
{
	MessageOwner *owner = hash_search(arg, &probe, HASH_FIND, NULL);

	owner->person->counts[ERASED_MESSAGES]++;
}

static void
PurgeMessages(Erasure *erasure)
{
	DedupChoice choice = {.has = HasMessage,.erased = CountMessage,.arg = erasure->messages};

	if (erasure->messages == NULL)
		return;
	DedupErase(&choice);
	hash_destroy(erasure->messages);
}

/* rejected_event: the person's, and those of nobody that name the person's id. */
static void
PurgeRejected(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr namingPlan = NULL;
	const Oid	types[] = {TEXTOID};
	SpiUtilScope scope;

	DeleteRows(erasure, &plan,
			   "DELETE FROM personalize.rejected_event WHERE user_key = ANY ($1) RETURNING user_key",
			   ERASED_REJECTED);
	SpiUtilBegin(&scope);
	for (int i = 0; i < erasure->count; i++)
	{
		ErasurePerson *person = &erasure->people[i];
		Datum		values[] = {PointerGetDatum(person->userId)};

		/* a number means something else nearly everywhere, but not under user_id */
		if (person->userId != NULL)
			person->counts[ERASED_REJECTED] +=
				SpiUtilRun(&namingPlan,
						   "DELETE FROM personalize.rejected_event"
						   " WHERE user_key IS NULL AND payload IS NOT NULL"
						   " AND (jsonb_path_exists(payload, '$.**.user_id.** ? (@ == $id)', jsonb_build_object('id', $1))"
						   "  OR $1 !~ '^[0-9.]+$'"
						   "  AND jsonb_path_exists(payload, '$.** ? (@ == $id)', jsonb_build_object('id', $1))"
						   "  OR $1 ~ '^[0-9]{1,18}$'"
						   "  AND jsonb_path_exists(payload, '$.**.user_id.** ? (@ == $id)', jsonb_build_object('id', $1::numeric)))",
						   lengthof(types), types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
}

/* profile: what it counted and no raw event tells of any more stays in anonymous sums. */
static void
CountProfiled(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	int			shard = EventShard(row->userKey);

	if ((row->consent & CONSENT_PERSONALIZATION) == 0)
		return;
	if (erasure->positions[shard] == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(GetMemoryChunkContext(erasure));

		erasure->positions[shard] = ProcessorPosition(PROCESSOR_PROFILE, shard, erasure->snapshot);
		MemoryContextSwitchTo(caller);
	}
	if (TxidIsSeen(row->txid, erasure->positions[shard]))
		person->counts[PARTIAL_EVENTS]--;
}

static void
PurgeProfiles(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {KeySetArray(&erasure->keys)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "DELETE FROM personalize.profile WHERE user_key = ANY ($1) RETURNING user_key, events",
			   lengthof(types), types, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isNull;
		ErasurePerson *person = FindPerson(erasure, DatumGetInt64(SpiUtilValue(i, 1, &isNull)));

		person->counts[ERASED_PROFILES]++;
		person->counts[PARTIAL_EVENTS] += DatumGetInt64(SpiUtilValue(i, 2, &isNull));
	}
	SpiUtilEnd(&scope);
	for (int i = 0; i < erasure->count; i++)
		erasure->people[i].counts[PARTIAL_EVENTS] = Max(0, erasure->people[i].counts[PARTIAL_EVENTS]);
}

/* session, posting and their total. */
static void
SeeSession(void *arg, const Session *session)
{
	Erasure    *erasure = arg;

	FindPerson(erasure, session->userKey)->counts[ERASED_SESSIONS]++;
	if (erasure->candidates)
		ErasureCandidatesAddSession(erasure->candidates, session);
}

static void
PurgeSessions(Erasure *erasure)
{
	SessionIndexLosses losses = NeighbourErase(&erasure->keys, SeeSession, erasure);

	for (int i = 0; i < erasure->count; i++)
		erasure->people[i].counts[PARTIAL_POSTINGS] = losses.missing;
}

/* preference */
static void
PurgePreferences(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;

	DeleteRows(erasure, &plan,
			   "DELETE FROM personalize.preference WHERE user_key = ANY ($1) RETURNING user_key",
			   ERASED_PREFERENCES);
}

/* _dictionary_log: the ids of people met for the first time. */
static void
PurgeLog(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;

	DeleteRows(erasure, &plan,
			   "DELETE FROM personalize._dictionary_log WHERE kind = 'u' AND key = ANY ($1) RETURNING key",
			   ERASED_LOG_ENTRIES);
}

/* consent_ledger: the proof stays, under the pseudonym. */
static void
PurgeLedger(Erasure *erasure)
{
	for (int i = 0; i < erasure->count; i++)
		erasure->people[i].counts[ERASED_DECISIONS] += LedgerErase(erasure->people[i].userKey);
}

/* subject */
static void
PurgeSubjects(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;

	DeleteRows(erasure, &plan,
			   "DELETE FROM personalize.subject WHERE user_key = ANY ($1) RETURNING user_key",
			   ERASED_SUBJECTS);
}

/* _popular: lists made from counters that were reduced. */
static void
RefreshPopular(Erasure *erasure)
{
	int64		events = 0;

	for (int i = 0; i < erasure->count; i++)
		events += erasure->people[i].counts[ERASED_ITEM_COUNTS];
	if (events > 0)
		PopularSpoil();
}

/* feature_value, item: what nobody else has; decided at once if that is quick. */
static void
BeginCandidates(Erasure *erasure)
{
	erasure->candidates = ErasureCandidatesBegin(&erasure->keys, -1);
}

static void
AddCandidates(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	ErasureCandidatesAddEvent(erasure->candidates, row);
}

static void
FinishCandidates(Erasure *erasure)
{
	if (ErasureCandidatesEnd(erasure->candidates) > 0 && ErasureSweepIsCheap())
		(void) ErasureSweep(false);
}

/*
 * All steps, in the order in which rows are locked: everybody who forgets takes
 * it.  Counters come before the rejected events that say what was not counted.
 */
static const ErasureStep steps[] = {
	{"item_stat", BeginItemCounts, UncountEvent, FinishItemCounts},
	{"_basket", NULL, NULL, PurgeBaskets},
	{"event", BeginEvents, CountEvent, NULL},
	{"message_seen", NULL, CollectMessage, PurgeMessages},
	{"rejected_event", NULL, NULL, PurgeRejected},
	{"profile", NULL, CountProfiled, PurgeProfiles},
	{"session", NULL, NULL, PurgeSessions},
	{"preference", NULL, NULL, PurgePreferences},
	{"_dictionary_log", NULL, NULL, PurgeLog},
	{"consent_ledger", NULL, NULL, PurgeLedger},
	{"subject", NULL, NULL, PurgeSubjects},
	{"_popular", NULL, NULL, RefreshPopular},
	{"_erasure_candidate", BeginCandidates, AddCandidates, FinishCandidates}
};

/* A step to be left out, so that tests can show that they notice: set by the compiler. */
#ifndef PERSONALIZE_SKIP_PURGE
#define PERSONALIZE_SKIP_PURGE -1
#endif
#define IsSkipped(step) ((step) == PERSONALIZE_SKIP_PURGE)

/* Called for each event of one of the people. */
static void
VisitEvent(void *arg, const EventRow *row)
{
	Erasure    *erasure = arg;
	ErasurePerson *person = FindPerson(erasure, row->userKey);

	for (int i = 0; i < lengthof(steps); i++)
		if (steps[i].event && !IsSkipped(i))
			steps[i].event(erasure, person, row);
}

/* Run the steps. */
static void
RunSteps(Erasure *erasure)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	erasure->snapshot = GetActiveSnapshot();
	for (int i = 0; i < lengthof(steps); i++)
		if (steps[i].begin && !IsSkipped(i))
			steps[i].begin(erasure);
	EventVisitPeople(&erasure->keys, VisitEvent, erasure, erasure->deletesEvents);
	for (int i = 0; i < lengthof(steps); i++)
		if (steps[i].finish && !IsSkipped(i))
			steps[i].finish(erasure);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/* The counts of a person as JSON. */
static char *
FormatCounts(const ErasurePerson *person)
{
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < ERASURE_COUNTS; i++)
		appendStringInfo(&json, "%s\"%s\": " INT64_FORMAT,
						 i == 0 ? "{" : i == PARTIAL_EVENTS ? ", \"partial\": {" : ", ",
						 countNames[i], person->counts[i]);
	appendStringInfoString(&json, "}}");
	return json.data;
}

/* A random uuid: version 4. */
static void
MakeReceipt(pg_uuid_t *receipt)
{
	if (!pg_strong_random(receipt->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	receipt->data[6] = (receipt->data[6] & 0x0f) | 0x40;
	receipt->data[8] = (receipt->data[8] & 0x3f) | 0x80;
}

/* Set the tombstones. */
static void
SetTombstones(Erasure *erasure)
{
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	for (int i = 0; i < erasure->count; i++)
	{
		ErasurePerson *person = &erasure->people[i];

		person->pseudonym = SecretPseudonym(person->userKey);
		ConsentCacheNoteChange(person->userKey);
		TombstoneSet(person->pseudonym, erasure->now, erasure->cutoff);
	}
	SpiUtilEnd(&scope);
}

/* Write the receipts. */
static void
WriteReceipts(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {UUIDOID, INT8OID, TIMESTAMPTZOID, INT8OID, PG_LSNOID, TEXTOID};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	for (int i = 0; i < erasure->count; i++)
	{
		ErasurePerson *person = &erasure->people[i];
		Datum		values[6];

		MakeReceipt(&person->receipt);
		values[0] = UUIDPGetDatum(&person->receipt);
		values[1] = Int64GetDatum(person->pseudonym);
		values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[3] = Int64GetDatum(erasure->cutoff);
		values[4] = LSNGetDatum(GetXLogInsertRecPtr());
		values[5] = CStringGetTextDatum(FormatCounts(person));
		SpiUtilRun(&plan,
				   "INSERT INTO personalize.erasure (receipt, pseudonym, requested_at, cutoff, lsn, counts)"
				   " VALUES ($1, $2, $3, $4, $5, $6::jsonb)",
				   lengthof(types), types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
}

/* Refuse where something could be missed. */
static void
CheckMayForget(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
	PurgeCheckReadCommitted(function);
	if (TxidHasWrittenEvents())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that has written events", function),
				 errhint("COMMIT first.")));
}

/* Sort people and drop repetitions; returns how many are left. */
static int
SortPeople(ErasurePerson *people, int count)
{
	int			distinct = 0;

	qsort(people, count, sizeof(ErasurePerson), ComparePeople);
	for (int i = 0; i < count; i++)
		if (i == 0 || people[i].userKey != people[distinct - 1].userKey)
			people[distinct++] = people[i];
	return distinct;
}

/* Forget people in this transaction. */
int
ErasureForget(ErasurePerson *people, int count)
{
	bool		stripes[EVENT_SHARDS] = {false};
	Erasure    *erasure = palloc0(sizeof(Erasure));

	erasure->people = people;
	erasure->count = SortPeople(people, count);
	KeySetInit(&erasure->keys, erasure->count);
	for (int i = 0; i < erasure->count; i++)
	{
		KeySetAdd(&erasure->keys, people[i].userKey);
		stripes[EventShard(people[i].userKey)] = true;
	}
	PurgeLockStripes(stripes, "nobody is forgotten");
	erasure->cutoff = TxidNext();
	erasure->now = ClockNow();
	SetTombstones(erasure);
	RunSteps(erasure);
	WriteReceipts(erasure);
	return erasure->count;
}

/* forget(user_id) → receipt. */
Datum
personalize_forget(PG_FUNCTION_ARGS)
{
	ErasurePerson person = {0};
	text	   *userId;
	pg_uuid_t  *receipt = palloc(sizeof(pg_uuid_t));

	CheckMayForget("forget()");
	userId = KeyIdArgument(fcinfo, 0, "user_id");
	person.userId = userId;
	person.userKey = KeyFromText(userId);
	(void) ErasureForget(&person, 1);
	*receipt = person.receipt;
	PG_RETURN_UUID_P(receipt);
}

/* forget_many(user_ids) → (user_id, receipt). */
Datum
personalize_forget_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *array;
	Datum	   *ids;
	bool	   *nulls;
	int			count;
	ErasurePerson *people;

	CheckMayForget("forget_many()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("user_ids must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	array = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &ids, &nulls, &count);
	if (count == 0)
		return (Datum) 0;
	people = palloc0_array(ErasurePerson, count);
	for (int i = 0; i < count; i++)
	{
		people[i].userId = KeyCheckId(ids[i], nulls[i], "an element of user_ids");
		people[i].userKey = KeyFromText(people[i].userId);
	}
	count = ErasureForget(people, count);
	for (int i = 0; i < count; i++)
	{
		Datum		values[] = {PointerGetDatum(people[i].userId), UUIDPGetDatum(&people[i].receipt)};
		bool		isNull[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, isNull);
	}
	return (Datum) 0;
}

/* erasure_receipt(receipt) → (id, requested_at, stage, counts). */
Datum
personalize_erasure_receipt(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {UUIDOID};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		argument[] = {PG_GETARG_DATUM(0)};
	SpiUtilScope scope;

	InitMaterializedSRF(fcinfo, 0);
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT receipt, requested_at, stage, counts FROM personalize.erasure"
			   " WHERE $1 IS NULL OR receipt = $1 ORDER BY requested_at DESC, receipt",
			   lengthof(types), types, argument, PG_ARGISNULL(0) ? "n" : " ", true);
	if (SPI_processed == 0 && !PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("receipt \"%s\" does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, argument[0])))));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		values[4];
		bool		nulls[4];

		for (int i = 0; i < lengthof(values); i++)
			values[i] = SpiUtilValue(row, i + 1, &nulls[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SpiUtilEnd(&scope);
	return (Datum) 0;
}
