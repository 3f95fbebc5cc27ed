/*
 * erasure_note.c
 *		Noting what a person has that may be nobody else's.
 *
 * Before anything of a person is deleted, the values of the dictionary and the
 * items known by an id only that the person's profile, sessions and raw events
 * name are written to _erasure_candidate.  erasure_sweep.c decides about them.
 * A withdrawal takes profile entries away like an erasure, so it notes, too.
 */
#include "postgres.h"

#include "erasure_sweep.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "consent.h"
#include "event.h"
#include "feature_value.h"
#include "key.h"
#include "keyed.h"
#include "personalize.h"
#include "profile_delta.h"
#include "session.h"
#include "spi_util.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What is noted of a person. */
typedef struct Note
{
	const SignalSet *signals;
	int32		bits;			/* purposes that go */
	HTAB	   *values;			/* of feature keys */
	HTAB	   *itemKeys;		/* of items that are known by an id only */
} Note;

/* Make a set of 64-bit keys. */
static HTAB *
MakeSet(const char *name, MemoryContext context)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(uint64),.hcxt = context};

	return hash_create(name, 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Note a value; SignalCount. */
static void
NoteValue(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	Note	   *note = arg;
	int			id = FeatureKeySignal(featureKey);
	const Signal *signal = id < note->signals->idLimit ? note->signals->byId[id] : NULL;

	if (signal != NULL && signal->path.kind != SIGNAL_KEY_ITEM &&
		(signal->purposes & note->bits) != 0 &&
		(FeatureKeyHash(featureKey) & FEATURE_VALUE_HASHED) != 0 &&
		featureKey != FeatureKeyMake(id, FEATURE_VALUE_NONE))
		(void) hash_search(note->values, &featureKey, HASH_ENTER, NULL);
}

/* Note an item that only its id is known of. */
static void
NoteItem(Note *note, int64 itemKey)
{
	if (!KeyIsNumber(itemKey))
		(void) hash_search(note->itemKeys, &itemKey, HASH_ENTER, NULL);
}

/* Note what the person's profile holds. */
static void
NoteProfile(Note *note, int64 userKey, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("profile", "profile_pkey", AccessShareLock);
	Datum		key = Int64GetDatum(userKey);
	TupleTableSlot *slot;
	bool		isNull;
	Datum		value;

	KeyedSeek(table, snapshot, 1, &key, BTEqualStrategyNumber);
	slot = KeyedNext(table, ForwardScanDirection);
	if (slot != NULL)
	{
		FeatureIterator iterator;
		Feature		feature;

		value = slot_getattr(slot, PROFILE_FEATURES, &isNull);
		if (!isNull)
		{
			FeatureIteratorBegin(&iterator, DatumGetFeatureStateP(value));
			while (FeatureIteratorNext(&iterator, &feature))
				NoteValue(note, feature.key, 0, NULL, 0);
		}
		value = slot_getattr(slot, PROFILE_RECENT, &isNull);
		if (!isNull)
		{
			ProfileRecent recent;

			ProfileRecentUnpack(DatumGetByteaPP(value), &recent);
			for (int i = 0; i < recent.count; i++)
				NoteItem(note, recent.items[i].itemKey);
		}
	}
	KeyedClose(table);
}

/* Note what the person's sessions hold. */
static void
NoteSessions(Note *note, int64 userKey, Snapshot snapshot)
{
	KeyedTable *table = KeyedOpen("session", "session_pkey", AccessShareLock);
	Datum		key = Int64GetDatum(userKey);
	TupleTableSlot *slot;

	KeyedSeek(table, snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		Session		session;

		SessionReadRow(slot, &session);
		for (int i = 0; i < session.itemCount; i++)
			NoteItem(note, session.items[i].itemKey);
	}
	KeyedClose(table);
}

/* Note what the person's raw events name. */
static void
NoteEvents(Note *note, int64 userKey, Snapshot snapshot)
{
	EventScanOptions options = {.snapshot = snapshot,.ofUser = true,.userKey = userKey,.allDays = true};
	ItemReader *items = ItemReaderBegin(snapshot);
	EventScan  *scan = EventScanBegin(&options);
	EventRow	row;

	while (EventScanNext(scan, &row))
	{
		const SignalEvent *event = SignalSetEvent(&note->signals, row.event);

		if (row.hasItem)
			NoteItem(note, row.itemKey);
		if (event != NULL && row.consent != 0)
			(void) SignalEvaluate(event, &row, items, NoteValue, note);
	}
	EventScanEnd(scan);
	ItemReaderEnd(items);
}

/* Write the noted candidates. */
static void
WriteNotes(Note *note)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {CHARARRAYOID, INT2ARRAYOID, INT8ARRAYOID};
	int			limit = hash_get_num_entries(note->values) + hash_get_num_entries(note->itemKeys);
	Datum	   *columns[3];
	Datum		values[3];
	HASH_SEQ_STATUS status;
	uint64	   *key;
	int			count = 0;
	SpiUtilScope scope;

	for (int i = 0; i < 3; i++)
		columns[i] = palloc(sizeof(Datum) * (limit + 1));
	hash_seq_init(&status, note->values);
	while ((key = hash_seq_search(&status)) != NULL)
	{
		columns[0][count] = CharGetDatum('v');
		columns[1][count] = Int16GetDatum(FeatureKeySignal(*key));
		columns[2][count++] = Int64GetDatum(FeatureKeyHash(*key));
	}
	hash_seq_init(&status, note->itemKeys);
	while ((key = hash_seq_search(&status)) != NULL)
	{
		columns[0][count] = CharGetDatum('i');
		columns[1][count] = Int16GetDatum(0);
		columns[2][count++] = Int64GetDatum((int64) *key);
	}
	if (count == 0)
		return;
	values[0] = PointerGetDatum(construct_array(columns[0], count, CHAROID, 1, true, TYPALIGN_CHAR));
	values[1] = PointerGetDatum(construct_array(columns[1], count, INT2OID, 2, true, TYPALIGN_SHORT));
	values[2] = PointerGetDatum(construct_array(columns[2], count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "INSERT INTO personalize._erasure_candidate (kind, signal, key, noted_at)"
			   " SELECT u.kind, u.signal, u.key, now() FROM unnest($1, $2, $3) AS u (kind, signal, key)"
			   " WHERE u.kind = 'v' OR EXISTS (SELECT FROM personalize.item i WHERE i.item_key = u.key AND " ERASURE_BARE_ITEM ")"
			   " OR EXISTS (SELECT FROM personalize._dictionary_log l WHERE l.kind = 'i' AND l.key = u.key)",
			   3, types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* Note what a person has that may be nobody else's. */
void
ErasureSweepNote(int64 userKey, int32 bits)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "personalize erasure notes",
												  ALLOCSET_DEFAULT_SIZES);
	Note		note = {.signals = SignalSetGet(),.bits = bits};
	Snapshot	snapshot;

	MemoryContextSwitchTo(context);
	note.values = MakeSet("personalize erasure values", context);
	note.itemKeys = MakeSet("personalize erasure items", context);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	NoteProfile(&note, userKey, snapshot);
	NoteSessions(&note, userKey, snapshot);
	NoteEvents(&note, userKey, snapshot);
	UnregisterSnapshot(snapshot);
	WriteNotes(&note);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Called once when the library is loaded. */
void
ErasureNoteInit(void)
{
	ConsentRegisterUncount(ErasureSweepNote);
}
