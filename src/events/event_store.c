/*
 * event_store.c
 *		What must be done for the events of people, and for all that comes with them.
 */
#include "postgres.h"

#include "events/event_store.h"

#include "access/relation.h"
#include "base/alone.h"
#include "base/spi_util.h"
#include "base/txid_snapshot.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/dedup.h"
#include "events/event_people.h"
#include "events/message_id.h"
#include "events/partition.h"
#include "events/tail_note.h"
#include "people/person_expiry.h"
#include "people/person_removal.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A walk, and whom it is for. */
typedef struct Walk
{
	PersonVisit visit;
	void	   *arg;
} Walk;

/* EventVisit: hand an event on. */
static void
HandOn(void *arg, const EventRow *row)
{
	Walk	   *walk = arg;

	walk->visit(walk->arg, row->userKey, row);
}

/* PersonWalk */
static void
WalkEvents(const KeySet *people, PersonVisit visit, void *arg, bool deletes)
{
	Walk		walk = {visit, arg};

	EventVisitPeople(people, HandOn, &walk, deletes);
}

/* event: each is deleted when all stores have seen it. */
static void *
BeginEvents(PersonRemoval *removal)
{
	removal->deletesEvents = true;
	return NULL;
}

static void
CountEvent(void *state, PersonTally *tally, const EventRow *row)
{
	tally->taken++;
}

/* Partitions that are nobody's day: no processor has counted what is in them. */
static void
PurgeForeignDays(void *state, PersonRemoval *removal)
{
	ListCell   *cell;

	foreach(cell, PartitionForeign())
	{
		SPIPlanPtr	plan = NULL;

		PersonRemovalDelete(removal, &plan,
							psprintf("DELETE FROM %s WHERE user_key = ANY ($1) RETURNING user_key",
									 (char *) lfirst(cell)));
		SPI_freeplan(plan);
	}
}

/* Run a statement about a person ($1), purposes ($2) and a time ($3). */
static void
Clear(SPIPlanPtr *plan, const char *sql, int64 userKey, int32 purposes, TimestampTz until)
{
	Oid			types[] = {INT8OID, INT4OID, TIMESTAMPTZOID};
	Datum		values[] = {
		Int64GetDatum(userKey),
		Int32GetDatum(purposes),
		TimestampTzGetDatum(until)
	};

	SpiUtilRunAsOwner(plan, sql, lengthof(types), types, values, NULL, false);
}

/* A change of a person's raw events; $1 is the user's key, $4 which of them are meant. */
typedef struct EventChange
{
	SPIPlanPtr *plan;			/* kept for days that have an index on people */
	const char *set;
	const char *condition;
	Oid			types[4];
	Datum		values[4];
} EventChange;

/* Note rows that have been changed: tableoid, ctid, user_key and txid of each, by table. */
static void
NoteChanged(uint64 count)
{
	TailEvent	event;
	Relation	partition = NULL;

	for (uint64 i = 0; i < count; i++)
	{
		bool		isNull;
		Oid			table = DatumGetObjectId(SpiUtilValue(i, 1, &isNull));
		ItemPointer tid = (ItemPointer) DatumGetPointer(SpiUtilValue(i, 2, &isNull));

		if (partition == NULL || RelationGetRelid(partition) != table)
		{
			if (partition != NULL)
				relation_close(partition, NoLock);
			partition = relation_open(table, NoLock);
		}
		event.block = ItemPointerGetBlockNumber(tid);
		event.offset = ItemPointerGetOffsetNumber(tid);
		event.userKey = DatumGetInt64(SpiUtilValue(i, 3, &isNull));
		event.transaction = (uint64) DatumGetInt64(SpiUtilValue(i, 4, &isNull)) & TXID_MASK;
		TailNoteAdd(partition, &event, 1);
	}
	if (partition != NULL)
		relation_close(partition, NoLock);
}

/* Change those that a further condition, on $4 (0: it is none), finds in a table; how many. */
static int64
ChangeIn(SPIPlanPtr *plan, const EventChange *change, const char *table, const char *further, Oid type, Datum value)
{
	EventChange run = *change;
	SpiUtilScope scope;
	uint64		changed;

	run.types[3] = type;
	run.values[3] = value;
	SpiUtilBegin(&scope);
	changed = SpiUtilRun(plan, *plan ? NULL :
						 psprintf("UPDATE personalize.%s SET %s WHERE user_key = $1 AND %s%s%s",
								  table, run.set, run.condition, further,
								  TailNoteWants() ? " RETURNING tableoid, ctid, user_key, txid" : ""),
						 OidIsValid(type) ? 4 : 3, run.types, run.values, NULL, false);
	if (TailNoteWants())
		NoteChanged(changed);
	SpiUtilEnd(&scope);
	return (int64) changed;
}

/* Change those of one day: those at rows, or all. */
static int64
ChangeDay(const EventChange *change, const EventDayRows *rows)
{
	Datum	   *tids = palloc_extended(sizeof(Datum) * Max(rows->count, 1), MCXT_ALLOC_HUGE);
	SPIPlanPtr	plan = NULL;
	int64		changed;

	for (int i = 0; i < rows->count; i++)
		tids[i] = PointerGetDatum(&rows->tids[i]);
	if (rows->indexed)
		changed = ChangeIn(&plan, change, rows->partition, "", InvalidOid, (Datum) 0);
	else
		changed = ChangeIn(&plan, change, rows->partition, " AND ctid = ANY ($4)", TIDARRAYOID,
						   PointerGetDatum(construct_array(tids, rows->count, TIDOID, sizeof(ItemPointerData),
														   false, TYPALIGN_SHORT)));
	SPI_freeplan(plan);
	return changed;
}

/*
 * Change a person's raw events; how many.  Days without an index are not left to SQL,
 * which would look at every row of theirs; partitions attached by hand are, with all
 * others, for they may be of a form and an owner of their own.
 */
static int64
ChangeEvents(const EventChange *change)
{
	TimestampTz before = DT_NOEND;
	List	   *days = NIL;
	ListCell   *cell;
	int64		changed;

	if (PartitionForeign() == NIL)
	{
		PushActiveSnapshot(GetLatestSnapshot());
		days = EventOpenRows(DatumGetInt64(change->values[0]), &before);
		PopActiveSnapshot();
	}
	changed = ChangeIn(change->plan, change, "event", " AND received_at < $4",
					   TIMESTAMPTZOID, TimestampTzGetDatum(before));
	foreach(cell, days)
		changed += ChangeDay(change, lfirst(cell));
	AloneNoteWrites();
	return changed;
}

/* Take purposes out of a person's raw events. */
static void
ClearEvents(int64 userKey, int32 purposes, TimestampTz until)
{
	static SPIPlanPtr plan = NULL;
	EventChange change = {
		.plan = &plan,
		.set = "consent = consent & ~$2",
		.condition = "consent & $2 <> 0 AND ts < $3",
		.types = {INT8OID, INT4OID, TIMESTAMPTZOID},
		.values = {Int64GetDatum(userKey), Int32GetDatum(purposes), TimestampTzGetDatum(until)}
	};

	(void) ChangeEvents(&change);
}

/* Raw events become another's, with their transactions, and remember the id they came under. */
static void
RekeyEvents(PersonMove *move)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr backPlan = NULL;
	EventChange change = {
		.plan = move->back ? &backPlan : &plan,
		.set = move->back ? "user_key = $2, alias_key = NULL" : "user_key = $2, alias_key = coalesce(alias_key, $3)",
		.condition = move->back ? "alias_key = $3" : "true",
		.types = {INT8OID, INT8OID, INT8OID},
		.values = {Int64GetDatum(move->from), Int64GetDatum(move->to), Int64GetDatum(move->alias)}
	};

	move->events = move->hasEvents ? ChangeEvents(&change) : 0;
}

/*
 * Rejected events become another's: going back, those that name the id, and those that
 * a processor has set aside of events that have gone back.
 */
static void
RekeyRejected(PersonMove *move)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr backPlan = NULL;
	Oid			types[] = {INT8OID, INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(move->from), Int64GetDatum(move->to), Int64GetDatum(move->alias)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	if (move->back)
		SpiUtilRun(&backPlan,
				   "UPDATE personalize.rejected_event AS r SET user_key = $2 WHERE r.user_key = $1"
				   " AND (personalize.user_key(r.payload ->> 'user_id') = $3"
				   "  OR personalize_internal._processor_number(r.source) IS NOT NULL AND EXISTS ("
				   "   SELECT FROM personalize.event AS e WHERE e.user_key = $2 AND e.txid = r.txid"
				   "    AND e.ts = (r.payload ->> 'ts')::timestamptz AND e.event = (r.payload ->> 'event')::int2"
				   "    AND e.ordinal = (r.payload ->> 'ordinal')::int2))",
				   lengthof(types), types, values, NULL, false);
	else
		SpiUtilRun(&plan, "UPDATE personalize.rejected_event SET user_key = $2 WHERE user_key = $1",
				   2, types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* Whose messages are to be forgotten. */
typedef struct MessageRemoval
{
	MemoryContext context;
	HTAB	   *owners;			/* of MessageOwner; NULL: none */
	KeySet		probes;			/* the same messages, quicker to ask */
	KeySet		keys;			/* what their events say */
} MessageRemoval;

/* Whose a message is. */
typedef struct MessageOwner
{
	int64		probe;			/* hash key, first */
	PersonTally *tally;
} MessageOwner;

/* message_seen: what the events say of their messages finds these. */
static void *
BeginMessages(PersonRemoval *removal)
{
	MessageRemoval *messages = palloc0(sizeof(MessageRemoval));

	messages->context = removal->context;
	return messages;
}

static void
CollectMessage(void *state, PersonTally *tally, const EventRow *row)
{
	MessageRemoval *messages = state;
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(MessageOwner),
	.hcxt = messages->context};
	MemoryContext caller;
	MessageOwner *owner;
	int64		probe;

	if (!row->hasMessage)
		return;
	caller = MemoryContextSwitchTo(messages->context);
	if (messages->owners == NULL)
	{
		messages->owners = hash_create("personalize messages", 256, &control,
									   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		KeySetInit(&messages->probes, 256);
		KeySetInit(&messages->keys, 256);
	}
	probe = MessageIdProbeOfKey(row->messageKey);
	owner = hash_search(messages->owners, &probe, HASH_ENTER, NULL);
	owner->tally = tally;
	KeySetAdd(&messages->probes, probe);
	KeySetAdd(&messages->keys, row->messageKey);
	MemoryContextSwitchTo(caller);
}

static void
CountMessage(void *arg, int64 probe)
{
	MessageRemoval *messages = arg;
	MessageOwner *owner = hash_search(messages->owners, &probe, HASH_FIND, NULL);

	owner->tally->taken++;
}

static void
PurgeMessages(void *state, PersonRemoval *removal)
{
	MessageRemoval *messages = state;
	DedupChoice choice = {.keys = &messages->keys,.probes = &messages->probes,.erased = CountMessage,.arg = messages};

	if (messages->owners == NULL)
		return;
	DedupErase(&choice);
	hash_destroy(messages->owners);
}

/*
 * Delete the rejected events of nobody that name the people's ids, wherever in
 * them: all payloads are read once (payload_name.c).
 */
static void
DeleteNaming(PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTARRAYOID};
	Datum	   *ids = palloc_array(Datum, removal->count);
	bool	   *nulls = palloc0_array(bool, removal->count);
	int			lower = 1;
	Datum		values[1];
	SpiUtilScope scope;

	for (int i = 0; i < removal->count; i++)
	{
		nulls[i] = removal->people[i].userId == NULL;
		ids[i] = PointerGetDatum(removal->people[i].userId);
	}
	values[0] = PointerGetDatum(construct_md_array(ids, nulls, 1, &removal->count, &lower,
												   TEXTOID, -1, false, TYPALIGN_INT));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "WITH person AS MATERIALIZED (SELECT p.id, personalize.user_key(p.id) AS key, p.place FROM unnest($1) WITH ORDINALITY AS p (id, place)"
			   "  WHERE p.id IS NOT NULL),"
			   " named AS MATERIALIZED (SELECT r.ctid AS row, min(p.place) AS place"
			   "  FROM personalize.rejected_event AS r, LATERAL personalize_internal._payload_names(r.payload) AS v"
			   "  JOIN person AS p ON p.key = personalize.user_key(v.name)"
			   "  WHERE r.user_key IS NULL AND r.payload IS NOT NULL"
			   /* most payloads do not contain the text of a single id anywhere */
			   "   AND (coalesce(strpos(lower(r.payload::text), (SELECT lower(substr(j, 2, length(j) - 2)) FROM to_json($1[1]) AS t,"
			   "     LATERAL (SELECT t::text AS j) AS u WHERE cardinality($1) = 1 AND octet_length(j) = length(j))) > 0, true)"
			   /* a text in a text may have it written otherwise */
			   "   OR r.payload ? 'unreadable' OR strpos(r.payload::text, E'\\\\\\\\') > 0)"
			   "   AND (v.certain OR p.id !~ '^-?[0-9.]+$')"
			   "  GROUP BY r.ctid)"
			   " DELETE FROM personalize.rejected_event AS r USING named AS n"
			   "  WHERE r.ctid = n.row AND r.user_key IS NULL RETURNING n.place",
			   lengthof(types), types, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isNull;

		removal->people[DatumGetInt64(SpiUtilValue(i, 1, &isNull)) - 1].tallies[removal->store].taken++;
	}
	SpiUtilEnd(&scope);
}

/* rejected_event: the person's, and those of nobody that name the person's id. */
static void
PurgeRejected(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.rejected_event WHERE user_key = ANY ($1) RETURNING user_key");
	DeleteNaming(removal);
}

/*
 * Take purposes out of a person's rejected events.  What a processor has set aside
 * tells the time of its event; what was never taken in is not worth guessing.
 */
static void
ClearRejected(int64 userKey, int32 purposes, TimestampTz until)
{
	static SPIPlanPtr plan = NULL;

	Clear(&plan,
		  "UPDATE personalize.rejected_event SET consent = consent & ~$2,"
		  " payload = CASE WHEN consent & ~$2 <> 0 THEN payload END"
		  " WHERE user_key = $1 AND consent & $2 <> 0"
		  " AND coalesce(CASE WHEN personalize_internal._processor_number(source) IS NOT NULL"
		  "  THEN (payload ->> 'ts')::timestamptz < $3 END, true)",
		  userKey, purposes, until);
}

/*
 * What item_stat has set aside tells a withdrawal that the raw event was not
 * counted: it stays as long as that.
 */
static void
ExpireRejected(PersonExpiry *expiry)
{
	PersonExpiryDelete(expiry, "rejected_event",
					   "t.rejected_at < $1 AND NOT (t.source = 'item_stat' AND t.payload ? 'received_at' AND EXISTS ("
					   "SELECT FROM personalize._event_day d WHERE d.day ="
					   " ((t.payload ->> 'received_at')::timestamptz AT TIME ZONE 'UTC')::date))");
	PersonExpiryReport(expiry, "rejected_event", expiry->removed);
}

/* Message ids outside the dedup window, which is their time. */
static void
ExpireMessages(PersonExpiry *expiry)
{
	SpiUtilScope scope;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (expiry->dryRun)
		SPI_execute("SELECT count(*) FROM personalize.message_seen WHERE received_at <"
					" personalize_internal._now() - current_setting('personalize.dedup_window')::interval", false, 0);
	else
		SPI_execute("SELECT personalize_internal._purge_message_seen()", false, 0);
	expiry->removed = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	expiry->passed = true;
	PersonExpiryReport(expiry, "message_seen", expiry->removed);
}

static const PersonTaker eventTaker = {.begin = BeginEvents,.event = CountEvent,.finish = PurgeForeignDays};
static const PersonTaker messageTaker = {.begin = BeginMessages,.event = CollectMessage,.finish = PurgeMessages};
static const PersonTaker rejectedTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeRejected};

static const PersonWithdrawal eventWithdrawal = {
	.uncount = PERSON_NONE,.clear = ClearEvents,.purge = PERSON_NONE,.recount = PERSON_NONE
};
static const PersonWithdrawal rejectedWithdrawal = {
	.uncount = PERSON_NONE,.clear = ClearRejected,.purge = PERSON_NONE,.recount = PERSON_NONE
};

static const PersonMoving eventMoving = {
	.missing = PERSON_NONE,.leave = PERSON_NONE,.rekey = RekeyEvents,.settle = PERSON_NONE
};
static const PersonMoving rejectedMoving = {
	.missing = PERSON_NONE,.leave = PERSON_NONE,.rekey = RekeyRejected,.settle = PERSON_NONE
};

#define EVENT_PEOPLE \
	"SELECT e.user_key, e.consent AS purposes FROM personalize.event AS e"
#define REJECTED_PEOPLE \
	"SELECT r.user_key, r.consent AS purposes FROM personalize.rejected_event AS r WHERE r.user_key IS NOT NULL"

static const PersonExport eventCopy = {
	.as = "events",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object("
	" 'ts', e.ts, 'received_at', e.received_at, 'event', coalesce(t.name, e.event::text),"
	" 'item_id', personalize_internal._item_name(e.item_key), 'ordinal', e.ordinal, 'slot', e.slot, 'value', e.value,"
	" 'session_key', e.session_key, 'request_key', e.request_key, 'request_origin', e.request_origin, 'message_key', e.message_key,"
	" 'purposes', personalize_internal._purpose_names(e.consent),"
	" 'in_profile', coalesce(personalize_internal._txid_seen(e.txid, seen.asof), false)))"
	" || CASE WHEN e.properties IS NULL THEN '{}' ELSE jsonb_build_object('properties', e.properties) END"
	" ORDER BY e.ts, e.txid, e.sequence NULLS FIRST, e.ordinal), '[]')"
	" FROM personalize.event e LEFT JOIN personalize.event_type t ON t.event = e.event"
	" LEFT JOIN personalize.processor_position seen ON seen.processor = 1 AND seen.shard = personalize_internal._event_shard($1)"
	" WHERE e.user_key = $1",
	.meaning = "what you did, each with the purposes it may be used for; in_profile: it is counted in profile; keys are hashes of the ids the shop gave; the last ones may wait to be counted"
};

static const PersonExport rejectedCopy = {
	.as = "rejected_events",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('rejected_at', r.rejected_at, 'source', r.source, 'reason', r.reason,"
	" 'purposes', personalize_internal._purpose_names(r.consent), 'payload', r.payload) ORDER BY r.rejected_at), '[]')"
	" FROM personalize.rejected_event r"
	" WHERE r.user_key = $1 OR personalize.user_key(r.payload ->> 'user_id') = $1",
	.meaning = "what was sent about you and could not be stored or counted, with the reason"
};

static const PersonExport messageCopy = {
	.as = "messages_remembered",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('message', m.message, 'received_at', m.received_at)"
	" ORDER BY m.message), '[]')"
	" FROM personalize.message_seen m"
	" WHERE personalize_internal._message_probe(m.message) IN (SELECT personalize_internal._message_probe(e.message_key)"
	" FROM personalize.event e WHERE e.user_key = $1 AND e.message_key IS NOT NULL)",
	.meaning = "ids of messages that were received lately, so that none counts twice"
};

static const PersonExpiryStep messageExpiry[] = {{"message", 10, true, ExpireMessages}, {NULL}};
static const PersonExpiryStep rejectedExpiry[] = {{"rejected", 20, false, ExpireRejected}, {NULL}};

static const PersonStore stores[] = {
	{
		.name = "event",
		.form =
		"SELECT jsonb_build_object('day', (e.received_at AT TIME ZONE 'UTC')::date, 'ts', e.ts,"
		" 'user', e.user_key, 'consent', e.consent, 'event', n.name,"
		" 'ordinal', e.ordinal, 'item', e.item_key, 'session', e.session_key,"
		" 'request', e.request_key, 'message', e.message_key, 'slot', e.slot,"
		" 'value', e.value, 'properties', e.properties)"
		" FROM personalize.event e LEFT JOIN personalize.event_type n USING (event)",
		.mask = "consent, user_key",
		.unanalyzed = "user_key,session_key,request_key,message_key,request_origin,properties",
		.people = EVENT_PEOPLE,
		.keeps = EVENT_PEOPLE,
		.copy = &eventCopy,
		.rank = 30,
		.receipt = "events",
		.forget = &eventTaker,
		.withdraw = &eventWithdrawal,
		.moving = &eventMoving,
		.none = PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY |
		PERSON_NO_EXPIRY
	},
	{
		.name = "message_seen",
		.form = "SELECT to_jsonb(m.message) FROM personalize.message_seen m",
		.unanalyzed = "message",
		.copy = &messageCopy,
		.rank = 40,
		.receipt = "messages",
		.forget = &messageTaker,
		.expiry = messageExpiry,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_RECEIPT_LEFT |
		PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION | PERSON_NO_NAMES |
		PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	},
	{
		.name = "rejected_event",
		.form =
		"SELECT jsonb_build_object('user', r.user_key, 'consent', r.consent, 'source', r.source,"
		" 'reason', r.reason, 'payload', CASE WHEN personalize_internal._processor_number(r.source) IS NOT NULL"
		" THEN r.payload - 'txid' - 'received_at' ELSE r.payload END) FROM personalize.rejected_event r",
		.mask = "consent, user_key",
		.unanalyzed = "user_key,payload",
		.people = REJECTED_PEOPLE,
		.keeps = REJECTED_PEOPLE,
		.copy = &rejectedCopy,
		.rank = 50,
		.receipt = "rejected_events",
		.forget = &rejectedTaker,
		.withdraw = &rejectedWithdrawal,
		.expiry = rejectedExpiry,
		.moving = &rejectedMoving,
		.none = PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY
	},
	{
		.name = "event_type",
		.content = "definitions",
		.form = "SELECT to_jsonb(t) - 'event' FROM personalize.event_type t"
	},
	{
		.name = "event_alias",
		.content = "definitions",
		.form =
		"SELECT jsonb_build_object('alias', a.alias, 'event', " EVENT_NAME_SQL("a.event") ","
		" 'builtin', a.builtin) FROM personalize.event_alias a"
	},
	{
		.name = "_event_day",
		.content = "positions",
		.exempt = "days that have a partition, which may be empty"
	},
	{
		.name = "_gone",
		.content = "positions",
		.exempt = "up to when retention has removed events and sessions"
	}
};

/* Register them, and who walks over the events. */
void
EventStoreInit(void)
{
	PersonRegisterWalk(WalkEvents);
	PersonStoreRegister(stores, lengthof(stores));
}
