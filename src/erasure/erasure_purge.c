/*
 * erasure_purge.c
 *		Taking away what every table holds of people: the steps of an erasure.
 *
 * A step is one table, or some that belong together.  All steps see each raw event
 * of the people, in one shared scan, before it is deleted; then each step has its
 * turn, in an order that keeps what a later one still needs.
 */
#include "postgres.h"

#include "erasure/erasure_private.h"

#include "access/xact.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "erasure/erasure_sweep.h"
#include "events/dedup.h"
#include "events/event_people.h"
#include "events/message_id.h"
#include "events/partition.h"
#include "items/popular.h"
#include "neighbours/neighbour.h"
#include "people/consent.h"
#include "people/ledger.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "workers/processor.h"

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

/* The person with a key. */
static ErasurePerson *
FindPerson(Erasure *erasure, int64 userKey)
{
	ErasurePerson wanted = {.userKey = userKey};
	ErasurePerson *person = bsearch(&wanted, erasure->people, erasure->count,
									sizeof(ErasurePerson), ErasureComparePeople);

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

/* Partitions that are nobody's day: no processor has counted what is in them. */
static void
PurgeForeignDays(Erasure *erasure)
{
	ListCell   *cell;

	foreach(cell, PartitionForeign())
	{
		SPIPlanPtr	plan = NULL;

		DeleteRows(erasure, &plan,
				   psprintf("DELETE FROM %s WHERE user_key = ANY ($1) RETURNING user_key", (char *) lfirst(cell)),
				   ERASED_EVENTS);
		SPI_freeplan(plan);
	}
}

/* message_seen: what the events say of their messages finds these. */
static void
CollectMessage(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(MessageOwner),
	.hcxt = GetMemoryChunkContext(erasure)};
	MemoryContext caller;
	MessageOwner *owner;
	int64		probe;

	if (!row->hasMessage)
		return;
	caller = MemoryContextSwitchTo(control.hcxt);
	if (erasure->messages == NULL)
	{
		erasure->messages = hash_create("personalize messages", 256, &control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		KeySetInit(&erasure->probes, 256);
	}
	probe = MessageIdProbeOfKey(row->messageKey);
	owner = hash_search(erasure->messages, &probe, HASH_ENTER, NULL);
	owner->person = person;
	KeySetAdd(&erasure->probes, probe);
	MemoryContextSwitchTo(caller);
}

static void
CountMessage(void *arg, int64 probe)
{
	Erasure    *erasure = arg;
	MessageOwner *owner = hash_search(erasure->messages, &probe, HASH_FIND, NULL);

	owner->person->counts[ERASED_MESSAGES]++;
}

static void
PurgeMessages(Erasure *erasure)
{
	DedupChoice choice = {.probes = &erasure->probes,.erased = CountMessage,.arg = erasure};

	if (erasure->messages == NULL)
		return;
	DedupErase(&choice);
	hash_destroy(erasure->messages);
}

/*
 * Delete the rejected events of nobody that name the people's ids, wherever in
 * them: all payloads are read once (erasure_payload.c).
 */
static void
DeleteNaming(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTARRAYOID};
	Datum	   *ids = palloc_array(Datum, erasure->count);
	bool	   *nulls = palloc0_array(bool, erasure->count);
	int			lower = 1;
	Datum		values[1];
	SpiUtilScope scope;

	for (int i = 0; i < erasure->count; i++)
	{
		nulls[i] = erasure->people[i].userId == NULL;
		ids[i] = PointerGetDatum(erasure->people[i].userId);
	}
	values[0] = PointerGetDatum(construct_md_array(ids, nulls, 1, &erasure->count, &lower,
												   TEXTOID, -1, false, TYPALIGN_INT));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "WITH person AS MATERIALIZED (SELECT p.id, personalize.user_key(p.id) AS key, p.place FROM unnest($1) WITH ORDINALITY AS p (id, place)"
			   "  WHERE p.id IS NOT NULL),"
			   " named AS MATERIALIZED (SELECT r.ctid AS row, min(p.place) AS place"
			   "  FROM personalize.rejected_event AS r, LATERAL personalize._payload_names(r.payload) AS v"
			   "  JOIN person AS p ON p.key = personalize.user_key(v.name)"
			   "  WHERE r.user_key IS NULL AND r.payload IS NOT NULL"
			   /* most payloads do not contain the text of a single id anywhere */
			   "   AND (coalesce(strpos(lower(r.payload::text), (SELECT lower(substr(j, 2, length(j) - 2)) FROM to_json($1[1]) AS t,"
			   "     LATERAL (SELECT t::text AS j) AS u WHERE cardinality($1) = 1 AND octet_length(j) = length(j))) > 0, true)"
			   "   OR r.payload ? 'unreadable')"
			   "   AND (v.certain OR p.id !~ '^-?[0-9.]+$')"
			   "  GROUP BY r.ctid)"
			   " DELETE FROM personalize.rejected_event AS r USING named AS n"
			   "  WHERE r.ctid = n.row AND r.user_key IS NULL RETURNING n.place",
			   lengthof(types), types, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isNull;

		erasure->people[DatumGetInt64(SpiUtilValue(i, 1, &isNull)) - 1].counts[ERASED_REJECTED]++;
	}
	SpiUtilEnd(&scope);
}

/* rejected_event: the person's, and those of nobody that name the person's id. */
static void
PurgeRejected(Erasure *erasure)
{
	static SPIPlanPtr plan = NULL;

	DeleteRows(erasure, &plan,
			   "DELETE FROM personalize.rejected_event WHERE user_key = ANY ($1) RETURNING user_key",
			   ERASED_REJECTED);
	DeleteNaming(erasure);
}

/* profile: what it counted and no raw event tells of any more stays in anonymous sums. */
static void
CountProfiled(Erasure *erasure, ErasurePerson *person, const EventRow *row)
{
	int			shard = ShardOfKey(row->userKey);

	if ((row->consent & PURPOSE_PERSONALIZATION) == 0)
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
	{"event", BeginEvents, CountEvent, PurgeForeignDays},
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

/* Take away what every table holds of the people. */
void
ErasurePurge(Erasure *erasure)
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
