/*
 * signal_store.c
 *		What must be done for the definitions of signals and for the dictionary.
 *
 * A text of the dictionary may be known of one person only.  What rows and events
 * name are features; a value counts as named by a raw event if the event, counted
 * again, would count it: the signals themselves are asked.
 */
#include "postgres.h"

#include "signals/signal_store.h"

#include "events/event_store.h"
#include "items/item.h"
#include "signals/value_key.h"

/* Tell of a feature that somebody has. */
void
SignalNameFeature(const SignalSet *signals, uint64 featureKey, const PersonNames *names)
{
	int			id = FeatureKeySignal(featureKey);
	const Signal *signal = id < signals->idLimit ? signals->byId[id] : NULL;
	PersonValue value = {.featureKey = featureKey};

	if (signal != NULL)
	{
		value.purposes = signal->purposes;
		value.isItem = signal->path.kind == SIGNAL_KEY_ITEM;
		value.isFiled = (FeatureKeyHash(featureKey) & FEATURE_VALUE_HASHED) != 0 &&
			FeatureKeyHash(featureKey) != FEATURE_VALUE_NONE;
	}
	names->value(names->arg, &value);
}

/* What reads the values of events. */
typedef struct EventNaming
{
	const SignalSet *signals;
	ItemReader *items;
	const PersonNames *names;	/* of the event at hand */
} EventNaming;

static void *
BeginNaming(Snapshot snapshot)
{
	EventNaming *naming = palloc0(sizeof(EventNaming));

	naming->signals = SignalSetGet();
	naming->items = ItemReaderBegin(snapshot);
	return naming;
}

/* A value that an event counts for a signal; SignalCount. */
static void
NameValue(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	EventNaming *naming = arg;

	SignalNameFeature(naming->signals, featureKey, naming->names);
}

/* Tell of the values that an event counts; anyway: also under purposes it has lost. */
static void
NameEvent(void *state, const PersonNames *names, const EventRow *row, bool anyway)
{
	EventNaming *naming = state;
	EventRow	full = *row;
	const SignalEvent *event;

	if (!names->values || (row->consent == 0 && !anyway))
		return;
	event = SignalSetEvent(&naming->signals, row->event);
	if (event == NULL)
		return;
	naming->names = names;
	if (!anyway)
	{
		(void) SignalEvaluate(event, row, naming->items, NameValue, naming);
		return;
	}
	full.consent = -1;
	SignalEvaluateAnyway(event, &full, naming->items, NameValue, naming);
}

static void
EndNaming(void *state)
{
	EventNaming *naming = state;

	ItemReaderEnd(naming->items);
}

static const PersonEventNaming eventNaming = {.begin = BeginNaming,.event = NameEvent,.end = EndNaming};

static const PersonDictionary values = {
	.kind = "v",
	.unclaimed = "SELECT 'v'::\"char\" AS kind, v.signal, v.value_key AS key FROM personalize.feature_value v",
	.drop = "DELETE FROM personalize.feature_value v USING unnest($1, $2) AS k (signal, value_key)"
	" WHERE v.signal = k.signal AND v.value_key = k.value_key"
};

static const PersonExport valueCopy = {.as = "profile",.query = PERSON_NONE,.meaning = PERSON_NONE};

static const PersonStore stores[] = {
	{
		.name = "feature_value",
		.form = PERSON_STORE_PLAIN("feature_value"),
		.unanalyzed = "value",
		.copy = &valueCopy,
		.eventNames = &eventNaming,
		.dictionary = &values,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_RECEIPT |
		PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_HOLDS | PERSON_NO_EXPIRY
	},
	{
		.name = "signal",
		.content = "definitions",
		.form =
		"SELECT to_jsonb(s) || jsonb_build_object('events', (SELECT jsonb_agg(" EVENT_NAME_SQL("e.event") " ORDER BY e.place)"
		" FROM unnest(s.events) WITH ORDINALITY AS e (event, place))) FROM personalize.signal s"
	},
	{
		.name = "signal_state",
		.content = "definitions",
		.form = "SELECT to_jsonb(s) - 'complete_since' FROM personalize.signal_state s"
	}
};

/* Register them. */
void
SignalStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
