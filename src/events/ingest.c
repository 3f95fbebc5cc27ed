/*
 * ingest.c
 *		How events come in: one path behind track, ingest and inbox.
 *
 * A batch is written in this order, on which exactness rests:
 *
 *	1. the top-level transaction id is assigned, so that whoever reads the next
 *	   id afterwards knows that these events lie below it;
 *	2. the stripes of the users are locked shared, to the end of the transaction,
 *	   so that nothing is taken away from a person while events of hers are on
 *	   their way;
 *	3. a snapshot is taken, which therefore sees every withdrawal and erasure made
 *	   before;
 *	4. under it consent is looked up once a user, and decides what each message
 *	   may be used for;
 *	5. messages seen before are dropped;
 *	6. the rows are written.
 *
 * Nothing here updates a row in the order in which users happen to arrive: two
 * transactions that met them in opposite orders would wait for each other.  Ids
 * met for the first time, and consent that came with an event, are appended to
 * logs and folded later.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/grow.h"
#include "base/lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "base/txid.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "events/dedup.h"
#include "events/ingest.h"
#include "events/ingest_private.h"
#include "miscadmin.h"
#include "people/identity.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* What an event's own consent is worth where the ledger is silent. */
typedef enum EventConsent
{
	EVENT_CONSENT_GRANT,
	EVENT_CONSENT_REQUIRE_LEDGER
} EventConsent;

static const struct config_enum_entry eventConsentOptions[] = {
	{"grant", EVENT_CONSENT_GRANT, false},
	{"require_ledger", EVENT_CONSENT_REQUIRE_LEDGER, false},
	{NULL, 0, false}
};

/* What becomes of a statement of which a message is not acceptable. */
typedef enum OnBadRow
{
	ON_BAD_ROW_SET_ASIDE,
	ON_BAD_ROW_ERROR
} OnBadRow;

static const struct config_enum_entry onBadRowOptions[] = {
	{"set_aside", ON_BAD_ROW_SET_ASIDE, false},
	{"error", ON_BAD_ROW_ERROR, false},
	{NULL, 0, false}
};

int			personalize_max_future = 5 * 60 * 1000;
static int	personalize_dedup_window = 2 * 24 * 60;
static int	personalize_event_consent = EVENT_CONSENT_GRANT;
static int	personalize_on_bad_row = ON_BAD_ROW_SET_ASIDE;

/* Whether this session has been told that events are suppressed. */
static bool toldSuppressed = false;

PG_FUNCTION_INFO_V1(personalize_purge_message_seen);

/* A context that keeps half a megabyte when it is reset, so that the system need not find it anew. */
MemoryContext
IngestBulkContext(MemoryContext parent, const char *name)
{
	return AllocSetContextCreateInternal(parent, name, 512 * 1024, 512 * 1024, ALLOCSET_DEFAULT_MAXSIZE);
}

/* Begin a call. */
IngestBatch *
IngestBegin(const char *source, bool history)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "personalize ingest",
												  ALLOCSET_DEFAULT_SIZES);
	IngestBatch *batch = MemoryContextAllocZero(context, sizeof(IngestBatch));

	PreventCommandIfReadOnly(source);
	PreventCommandIfParallelMode(source);
	PreventCommandDuringRecovery(source);
	batch->source = source;
	batch->history = history;
	batch->raise = personalize_on_bad_row == ON_BAD_ROW_ERROR;
	batch->now = ClockNow();
	batch->context = context;
	batch->scratch = AllocSetContextCreate(context, "personalize ingest flush",
										   ALLOCSET_DEFAULT_SIZES);
	batch->messageCapacity = batch->rowCapacity = 8;
	batch->messages = MemoryContextAlloc(context, batch->messageCapacity * sizeof(PendingMessage));
	batch->rows = MemoryContextAlloc(context, batch->rowCapacity * sizeof(PendingRow));
	return batch;
}

/* Whether a rejected message is an error, whatever the setting says. */
void
IngestSetRaise(IngestBatch *batch, bool raise)
{
	batch->raise = raise;
}

/* Append a row to the batch; the caller sets event and itemId. */
PendingRow *
IngestAddRow(IngestBatch *batch)
{
	PendingRow *row;

	GrowArray(batch->rows, batch->rowCount + 1, batch->rowCapacity, 8);
	row = &batch->rows[batch->rowCount++];
	row->message = batch->messageCount - 1;
	return row;
}

/* The purpose catalogue, read at first use. */
static PurposeCatalogue *
Purposes(IngestBatch *batch)
{
	if (batch->purposes == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(batch->context);

		batch->purposes = PurposeCatalogueRead(GetActiveSnapshot());
		MemoryContextSwitchTo(caller);
	}
	return batch->purposes;
}

/* Bit of a purpose; 0 for a name nobody knows. */
int32
IngestPurpose(IngestBatch *batch, const char *name, int length)
{
	return PurposeBit(Purposes(batch), name, length);
}

/* Bits of the purposes in a list written as text. */
int32
IngestPurposeList(IngestBatch *batch, const char *list, int length)
{
	return PurposeReadList(Purposes(batch), list, length);
}

/* Bits of the purposes in an array of names; what is unknown or null is not counted. */
int32
IngestPurposes(IngestBatch *batch, ArrayType *names)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int32		mask = 0;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *name;

		if (nulls[i])
			continue;
		name = DatumGetTextPP(elements[i]);
		mask |= IngestPurpose(batch, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	}
	return mask;
}

/* The user of a message, entered if it is the first one of hers. */
static int
FindUser(Flush *flush, KeySet *known, const PendingMessage *message)
{
	int			number = KeySetNumber(known, message->userKey);
	PendingUser *user = &flush->users[number];

	if (number == flush->userCount)
	{
		memset(user, 0, sizeof(PendingUser));
		user->state.userKey = message->userKey;
		user->id = message->userId;
		flush->userCount++;
	}
	return number;
}

/* Room for as many users as there are messages. */
static void
MakeRoomForUsers(IngestBatch *batch)
{
	MemoryContext caller;

	if (batch->messageCount <= batch->userCapacity)
	{
		KeySetClear(&batch->known);
		return;
	}
	caller = MemoryContextSwitchTo(batch->context);
	if (batch->users)
	{
		pfree(batch->users);
		keyset_destroy(batch->known.table);
	}
	batch->userCapacity = batch->messageCount;
	batch->users = palloc_extended(batch->userCapacity * sizeof(PendingUser), MCXT_ALLOC_HUGE);
	KeySetInit(&batch->known, batch->userCapacity);
	MemoryContextSwitchTo(caller);
}

/* Find the users of the batch. */
static void
CollectUsers(Flush *flush)
{
	IngestBatch *batch = flush->batch;

	MakeRoomForUsers(batch);
	flush->users = batch->users;
	flush->userOf = palloc_extended(batch->messageCount * sizeof(int), MCXT_ALLOC_HUGE);
	for (int i = 0; i < batch->messageCount; i++)
		flush->userOf[i] = batch->messages[i].hasUser ?
			FindUser(flush, &batch->known, &batch->messages[i]) : -1;
}

/* Lock the stripes of the users, in ascending order. */
static void
LockStripes(const Flush *flush)
{
	bool		needed[SHARD_COUNT] = {false};

	for (int i = 0; i < flush->userCount; i++)
		needed[ShardOfKey(flush->users[i].state.userKey)] = true;
	for (int stripe = 0; stripe < SHARD_COUNT; stripe++)
		if (needed[stripe])
			StripeLock(stripe, false);
}

/* Look up what the users allow. */
static void
ReadConsent(Flush *flush)
{
	PurposeCatalogue *purposes = Purposes(flush->batch);
	ConsentState **states = palloc(flush->userCount * sizeof(ConsentState *));

	for (int i = 0; i < flush->userCount; i++)
		states[i] = &flush->users[i].state;
	ConsentReadStates(states, flush->userCount, purposes->all, flush->snapshot);
}

/* What an id of another's becomes: whose it is. */
static void
FollowIdentity(PendingMessage *message, const Person *person)
{
	message->hasAlias = true;
	message->aliasKey = message->userKey;
	message->userKey = person->userKey;
	message->userId = (IngestString) {VARDATA_ANY(person->userId), VARSIZE_ANY_EXHDR(person->userId)};
}

/*
 * Give the messages of ids that are others' to those; false: there are none.  The
 * stripe of an id is locked, so that it stays whose it is.
 */
static bool
FollowIdentities(Flush *flush)
{
	IngestBatch *batch = flush->batch;
	KeyedTable *identities;
	bool		any = false;

	for (int i = 0; i < flush->userCount && !any; i++)
		any = flush->users[i].state.personKey != flush->users[i].state.userKey;
	if (!any)
		return false;
	identities = IdentityOpen();
	/* what was remembered has expired since */
	if (identities == NULL)
		return false;
	for (int i = 0; i < batch->messageCount; i++)
	{
		PendingMessage *message = &batch->messages[i];
		Person		person;

		if (message->hasUser && !message->hasAlias &&
			IdentityRead(identities, message->userKey, flush->snapshot, &person))
			FollowIdentity(message, &person);
	}
	KeyedClose(identities);
	return true;
}

/* Why nothing may be done with a message. */
static IngestReason
WhySuppressed(const PendingMessage *message, const ConsentState *state, int32 allowed)
{
	if (message->speaks && message->spoken != 0 && state->decided == 0)
		return REASON_LEDGER_REQUIRED;
	if (message->speaks && (allowed != 0 || state->decided == 0))
		return REASON_EVENT_DENIES;
	return state->decided != 0 ? REASON_WITHDRAWN : REASON_UNDECIDED;
}

/*
 * What a message may be used for.  Both the ledger and the event speak: what
 * both allow.  Only the event: what it allows, which goes to the ledger, unless
 * the ledger is required to have spoken first.  Only the ledger: what it
 * allows.  Neither: the defaults.
 */
static void
ApplyConsent(Flush *flush)
{
	IngestBatch *batch = flush->batch;
	PurposeCatalogue *purposes = Purposes(batch);

	for (int i = 0; i < batch->messageCount; i++)
	{
		PendingMessage *message = &batch->messages[i];
		const ConsentState *state;
		int32		allowed;

		if (!message->hasUser)
			continue;
		state = &flush->users[flush->userOf[i]].state;
		if (state->forgotten || message->ts < state->since)
		{
			/* not even what is wrong with it may be kept */
			message->mask = 0;
			message->status = INGEST_SUPPRESSED;
			message->cause = REASON_ERASED;
			continue;
		}
		allowed = message->mask = ConsentAllowed(state, purposes);
		if (message->speaks)
		{
			message->mask = state->granted & message->spoken;
			if (personalize_event_consent == EVENT_CONSENT_GRANT)
				message->mask |= message->spoken & ~state->decided & purposes->all;
		}
		if (message->mask == 0 && message->status == INGEST_ACCEPTED)
		{
			message->status = INGEST_SUPPRESSED;
			message->cause = WhySuppressed(message, state, allowed);
		}
	}
}

/* Order messages by their ids, those of one id as they came. */
static int
CompareByMessage(const void *left, const void *right, void *argument)
{
	PendingMessage *messages = argument;
	int			a = *(const int *) left;
	int			b = *(const int *) right;
	int			order = memcmp(&messages[a].message, &messages[b].message, UUID_LEN);

	if (order != 0)
		return order;
	return a < b ? -1 : 1;
}

/* Drop messages seen before, in the batch or before it. */
static void
DropDuplicates(IngestBatch *batch)
{
	int		   *order = palloc(batch->messageCount * sizeof(int));
	int			count = 0;
	int			distinct = 0;
	const pg_uuid_t **ids;
	bool	   *seen;

	for (int i = 0; i < batch->messageCount; i++)
		if (batch->messages[i].status == INGEST_ACCEPTED && batch->messages[i].hasMessageId)
			order[count++] = i;
	if (count == 0)
		return;
	qsort_arg(order, count, sizeof(int), CompareByMessage, batch->messages);
	for (int i = 0; i < count; i++)
	{
		PendingMessage *message = &batch->messages[order[i]];

		if (distinct > 0 &&
			memcmp(&batch->messages[order[distinct - 1]].message, &message->message, UUID_LEN) == 0)
			message->status = INGEST_DUPLICATE;
		else
			order[distinct++] = order[i];
	}

	ids = palloc(distinct * sizeof(pg_uuid_t *));
	seen = palloc(distinct * sizeof(bool));
	for (int i = 0; i < distinct; i++)
		ids[i] = &batch->messages[order[i]].message;
	DedupEnter(ids, distinct, batch->now,
			   batch->now - personalize_dedup_window * (int64) USECS_PER_MINUTE, seen);
	for (int i = 0; i < distinct; i++)
		if (seen[i])
			batch->messages[order[i]].status = INGEST_DUPLICATE;
}

/* Note which users have events that are stored, and what these bring to the ledger. */
static void
MarkUsers(Flush *flush)
{
	const IngestBatch *batch = flush->batch;

	for (int i = 0; i < batch->messageCount; i++)
	{
		const PendingMessage *message = &batch->messages[i];
		PendingUser *user;

		if (message->status != INGEST_ACCEPTED)
			continue;
		user = &flush->users[flush->userOf[i]];
		user->accepted = true;
		if (message->speaks)
			user->grant |= message->mask & ~user->state.decided;
	}
}

/* Say that events of a person who was forgotten are not stored. */
static void
TellErased(const char *user)
{
	ereport(WARNING,
			(errmsg("events of user %s are not stored: the person was erased", user),
			 errdetail("Events older than the return of a person who comes back are refused, too."),
			 errhint("If the person comes back, call SELECT personalize.grant_consent(%s, ARRAY['analytics', 'personalization', 'recommendations'], 'source of the permission'). This warning is given once a session.",
					 user)));
}

/* Say once a session that events are not stored, and what would change it. */
static void
TellSuppressed(const Flush *flush)
{
	IngestBatch *batch = flush->batch;

	for (int i = 0; i < batch->messageCount && !toldSuppressed; i++)
	{
		const PendingMessage *message = &batch->messages[i];
		PurposeCatalogue *purposes = Purposes(batch);
		char	   *user;

		if (message->status != INGEST_SUPPRESSED)
			continue;
		toldSuppressed = true;
		user = quote_literal_cstr(pnstrdup(message->userId.data, message->userId.length));
		if (message->cause == REASON_ERASED)
		{
			TellErased(user);
			continue;
		}
		ereport(WARNING,
				(errmsg("events of user %s are not stored: no purpose is allowed", user),
				 errdetail("Missing purposes: %s.", PurposeFormatMask(purposes->all, purposes)),
				 errhint("With the person's permission call SELECT personalize.grant_consent(%s, ARRAY['analytics', 'personalization', 'recommendations'], 'source of the permission'). SELECT * FROM personalize.why_suppressed(%s) tells more. This warning is given once a session.",
						 user, user)));
	}
}

/* Count what became of the messages. */
static void
CountMessages(IngestBatch *batch)
{
	int64		reasons[INGEST_REASON_COUNT] = {0};

	for (int i = 0; i < batch->messageCount; i++)
	{
		const PendingMessage *message = &batch->messages[i];

		batch->counts.of[message->status]++;
		if (message->status == INGEST_ACCEPTED)
			reasons[REASON_STORED]++;
		else if (message->status == INGEST_DUPLICATE)
			reasons[REASON_SEEN_BEFORE]++;
		else
			reasons[message->cause]++;
	}
	for (int reason = 0; reason < INGEST_REASON_COUNT; reason++)
		batch->counts.reasons[reason] += reasons[reason];
	IngestStatAdd(reasons);
}

/* Lock who is in the batch, and see what they allow. */
static void
BeginFlush(Flush *flush)
{
	flush->userCount = 0;
	CollectUsers(flush);
	LockStripes(flush);
	flush->snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(flush->snapshot);
	ReadConsent(flush);
}

/* Look no longer as of then. */
static void
EndSnapshot(const Flush *flush)
{
	PopActiveSnapshot();
	UnregisterSnapshot(flush->snapshot);
}

/* Write the batch. */
static void
WriteBatch(IngestBatch *batch)
{
	Flush		flush = {.batch = batch};

	flush.txid = TxidForEvents();
	BeginFlush(&flush);
	if (FollowIdentities(&flush))
	{
		EndSnapshot(&flush);
		BeginFlush(&flush);
	}
	ApplyConsent(&flush);
	DropDuplicates(batch);
	MarkUsers(&flush);
	IngestWrite(&flush);
	CountMessages(batch);
	EndSnapshot(&flush);
	CommandCounterIncrement();
	TellSuppressed(&flush);
}

/* From so many messages in one flush on, there will be more flushes. */
#define BULK_MESSAGES 500

/* Empty the memory of a flush; where more will come, the next one finds it still there. */
static void
ResetScratch(IngestBatch *batch)
{
	if (batch->bulk || batch->messageCount < BULK_MESSAGES)
	{
		MemoryContextReset(batch->scratch);
		return;
	}
	MemoryContextDelete(batch->scratch);
	batch->scratch = IngestBulkContext(batch->context, "personalize ingest flush");
	batch->bulk = true;
}

/* Write what was added, or raise what is wrong with it. */
void
IngestFlush(IngestBatch *batch)
{
	MemoryContext caller;

	if (batch->messageCount == 0)
		return;
	if (batch->raise)
		IngestRaiseRejected(batch);
	caller = MemoryContextSwitchTo(batch->scratch);
	WriteBatch(batch);
	MemoryContextSwitchTo(caller);
	ResetScratch(batch);
	batch->messageCount = batch->rowCount = 0;
	memset(batch->knownEvents, 0, sizeof(batch->knownEvents));
	batch->now = ClockNow();
}

/* What became of the messages. */
IngestCounts
IngestEnd(IngestBatch *batch)
{
	IngestCounts counts = batch->counts;

	IngestTellSummary(batch);
	MemoryContextDelete(batch->context);
	return counts;
}

/* _purge_message_seen() → rows removed. */
Datum
personalize_purge_message_seen(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	Oid			types[] = {TIMESTAMPTZOID};
	Datum		values[1];
	uint64		removed;

	values[0] = TimestampTzGetDatum(ClockNow() - personalize_dedup_window * (int64) USECS_PER_MINUTE);
	removed = SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.message_seen WHERE received_at < $1",
								lengthof(types), types, values, NULL, false);
	PG_RETURN_INT64((int64) removed);
}

/* Define the settings. */
void
IngestInit(void)
{
	DefineCustomIntVariable("personalize.dedup_window",
							"Time within which a message_id counts once.",
							NULL, &personalize_dedup_window, 2 * 24 * 60, 1, 366 * 24 * 60,
							PGC_SUSET, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomEnumVariable("personalize.event_consent",
							 "What consent given with an event is worth where the ledger is silent.",
							 "grant: it counts and goes to the ledger; require_ledger: it does not count.",
							 &personalize_event_consent, EVENT_CONSENT_GRANT, eventConsentOptions,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.max_future",
							"Furthest an event's time may lie ahead of the server's clock.",
							NULL, &personalize_max_future, 5 * 60 * 1000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomEnumVariable("personalize.on_bad_row",
							 "What becomes of a statement of which an event is not acceptable.",
							 "set_aside: it goes to rejected_event, the others are stored; error: the statement fails.",
							 &personalize_on_bad_row, ON_BAD_ROW_SET_ASIDE, onBadRowOptions,
							 PGC_USERSET, 0, NULL, NULL, NULL);
}
