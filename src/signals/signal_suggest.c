/*
 * signal_suggest.c
 *		suggest_signals(): what might be counted, of what is tracked and not counted yet.
 *
 * The newest raw events are looked at once.  For each type of event and each of its
 * properties is noted how many people and events have it, whether it is a number, and how
 * many values it has.  What has few values that come again is worth a signal by value; a
 * number that has many is worth its sum; what is different in each event is an id, and is
 * left out.  Nothing is stored, and no value is told, only names of properties that
 * several people's events have.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "base/key.h"
#include "base/key_set.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "people/policy.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "signals/signal_internal.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_suggest_signals);

/* What fewer people have is not told of. */
#define MIN_PEOPLE 5

/* By value are counted at most so many different ones; of numbers fewer, for more are amounts. */
#define MAX_VALUES 512
#define MAX_NUMBERS 20

/* Of each at most so many are told apart: more are many. */
#define MAX_APART 10000

/* More properties than these are not looked at. */
#define MAX_PROPERTIES 2000
#define MAX_NAME_BYTES 64

/* What events are looked at for; the event's own value stands for a property. */
typedef enum SubjectKind
{
	SUBJECT_EVENT,				/* that it happens */
	SUBJECT_PROPERTY,
	SUBJECT_VALUE
} SubjectKind;

/* What was seen of an event type, or of one of its properties. */
typedef struct Subject
{
	struct
	{
		uint64		name;		/* of the property */
		int32		event;
		int32		kind;
	}			key;			/* hash key, first; no padding */
	char	   *name;			/* of the property */
	int64		events;
	int64		items;			/* events about an item */
	int64		categories;		/* events of which the item's category is known */
	int64		numbers;		/* events in which it is a number */
	KeySet		people;
	KeySet		values;
} Subject;

/* A look at events. */
typedef struct Look
{
	const SignalSet *set;
	HTAB	   *subjects;
	MemoryContext context;		/* of what they hold */
	int32		purpose;		/* in force */
	bool		hasCategory;	/* the event at hand */
} Look;

/* What is proposed. */
typedef struct Suggestion
{
	char	   *name;
	char	   *reason;
	char	   *call;
	const Subject *subject;
} Suggestion;

/* Note a key, unless there are many already. */
static void
Note(KeySet *set, int64 key)
{
	if (set->count < MAX_APART)
		(void) KeySetAdd(set, key);
}

/* Note something an event has; NULL if there is no room for another. */
static Subject *
NoteSubject(Look *look, const EventRow *row, SubjectKind kind, const char *name, int length)
{
	Subject		wanted = {.key = {.event = row->event,.kind = kind}};
	Subject    *subject;
	bool		found;

	wanted.key.name = (uint64) KeyFromBytes(name, length);
	subject = hash_search(look->subjects, &wanted.key,
						  hash_get_num_entries(look->subjects) < MAX_PROPERTIES ? HASH_ENTER : HASH_FIND, &found);
	if (subject == NULL)
		return NULL;
	if (!found)
	{
		MemoryContext caller = MemoryContextSwitchTo(look->context);

		subject->name = pnstrdup(name, length);
		subject->events = subject->items = subject->categories = subject->numbers = 0;
		KeySetInit(&subject->people, 8);
		KeySetInit(&subject->values, 8);
		MemoryContextSwitchTo(caller);
	}
	subject->events++;
	subject->items += row->hasItem;
	subject->categories += look->hasCategory;
	Note(&subject->people, row->userKey);
	return subject;
}

/* Note a value of a property. */
static void
NoteValue(Subject *subject, const JsonbValue *value)
{
	char	   *digits;

	if (value->type == jbvString && value->val.string.len > 0)
		Note(&subject->values, KeyFromBytes(value->val.string.val, value->val.string.len));
	else if (value->type == jbvBool)
		Note(&subject->values, value->val.boolean);
	else if (value->type == jbvNumeric && VARSIZE_ANY(value->val.numeric) <= SIGNAL_MAX_VALUE_BYTES)
	{
		digits = numeric_normalize(value->val.numeric);
		Note(&subject->values, KeyFromBytes(digits, strlen(digits)));
		pfree(digits);
	}
}

/* Note a property: a scalar, or each scalar of an array. */
static void
NoteProperty(Look *look, const EventRow *row, const char *name, int length, const JsonbValue *value)
{
	Subject    *subject;

	if (value->type == jbvNull || length == 0 || length > MAX_NAME_BYTES || memchr(name, '.', length) != NULL ||
		(value->type == jbvBinary && !JsonContainerIsArray(value->val.binary.data)))
		return;
	subject = NoteSubject(look, row, SUBJECT_PROPERTY, name, length);
	if (subject == NULL)
		return;
	subject->numbers += value->type == jbvNumeric;
	if (value->type != jbvBinary)
		NoteValue(subject, value);
	else
		for (uint32 i = 0; i < Min(JsonContainerSize(value->val.binary.data), SIGNAL_MAX_VALUES); i++)
			NoteValue(subject, getIthJsonbValueFromContainer(value->val.binary.data, i));
}

/* True if the category of an event's item is known, as signals look for it. */
static bool
HasCategory(const EventRow *row, ItemReader *items)
{
	const ItemInfo *item = row->hasItem ? ItemReaderGet(items, row->itemKey) : NULL;
	JsonbValue	value;

	return (item != NULL && item->category != NULL) || EventProperty(row, "category", &value);
}

/* Look at an event. */
static void
LookAt(void *arg, const EventRow *row, ItemReader *items)
{
	Look	   *look = arg;
	int32		needed = PURPOSE_PERSONALIZATION | look->purpose;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if ((row->consent & needed) != needed || (needed & RestrictionOf(row->userKey)) != 0 ||
		SignalSetEvent(&look->set, row->event) == NULL)
		return;
	look->hasCategory = HasCategory(row, items);
	(void) NoteSubject(look, row, SUBJECT_EVENT, "", 0);
	if (row->value != NULL)
	{
		Subject    *subject = NoteSubject(look, row, SUBJECT_VALUE, "value", strlen("value"));
		JsonbValue	number = {.type = jbvNumeric,.val.numeric = row->value};

		if (subject != NULL)
		{
			subject->numbers++;
			NoteValue(subject, &number);
		}
	}
	if (row->properties == NULL || !JB_ROOT_IS_OBJECT(row->properties))
		return;
	iterator = JsonbIteratorInit(&row->properties->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		JsonbValue	member;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &member, true);
		NoteProperty(look, row, value.val.string.val, value.val.string.len, &member);
	}
}

/* True if most of its events are about an item. */
static bool
IsAboutItems(const Subject *subject)
{
	return subject->items * 2 > subject->events;
}

/* True if no other type of event feeds a signal. */
static bool
IsAlone(const SignalSet *set, const Signal *signal)
{
	int			count = 0;

	for (int event = 0; event < set->eventLimit; event++)
		for (int i = 0; i < set->events[event].useCount; i++)
			count += set->events[event].uses[i].signal == signal;
	return count == 1;
}

/* True if the event's value is made of a property of this name. */
static bool
IsValueName(const char *name)
{
	return strcmp(name, "value") == 0 || strcmp(name, "price") == 0;
}

/* True if a signal that the event feeds counts the subject already. */
static bool
Counts(const SignalSet *set, const Signal *signal, const Subject *subject)
{
	const SignalPath *path = &signal->path;

	if (subject->key.kind == SUBJECT_VALUE)
		return signal->factor == SIGNAL_FACTOR_VALUE ||
			(signal->factor == SIGNAL_FACTOR_PROPERTY && IsValueName(signal->factorProperty));
	if (subject->key.kind == SUBJECT_PROPERTY)
		return (signal->factor == SIGNAL_FACTOR_PROPERTY && strcmp(signal->factorProperty, subject->name) == 0) ||
			(path->kind == SIGNAL_KEY_PROPERTY && strcmp(path->property, subject->name) == 0);
	/* purchases are worth a signal of their own, others one that they may share */
	if (subject->key.event == EVENT_TYPE_PURCHASE)
		return IsAlone(set, signal);
	return IsAboutItems(subject) || path->kind == SIGNAL_KEY_NONE || path->kind == SIGNAL_KEY_PROPERTY;
}

/* True if the subject is counted already. */
static bool
IsCounted(const SignalSet *set, const Subject *subject)
{
	const SignalEvent *event = &set->events[subject->key.event];

	for (int i = 0; i < event->useCount; i++)
		if (Counts(set, event->uses[i].signal, subject))
			return true;
	return false;
}

/* True if it is an amount: a number in nearly all events, of many values. */
static bool
IsAmount(const Subject *subject)
{
	return subject->key.kind == SUBJECT_VALUE ||
		(subject->numbers * 10 >= subject->events * 9 && subject->values.count > MAX_NUMBERS);
}

/* True if a property's name says that it names something. */
static bool
IsNamedId(const char *name)
{
	int			length = strlen(name);

	return (length >= 2 && pg_strcasecmp(name + length - 2, "id") == 0) ||
		(length >= 3 && pg_strcasecmp(name + length - 3, "key") == 0);
}

/* True if a property is what the event's value was made of, which stands for it. */
static bool
IsOfValue(const Look *look, const Subject *subject)
{
	Subject		wanted = {.key = {.event = subject->key.event,.kind = SUBJECT_VALUE}};

	wanted.key.name = (uint64) KeyFromBytes("value", strlen("value"));
	return IsValueName(subject->name) && hash_search(look->subjects, &wanted.key, HASH_FIND, NULL) != NULL;
}

/* True if a subject is worth a signal. */
static bool
IsWorth(const Look *look, const Subject *subject)
{
	const SignalSet *set = look->set;

	if (subject->people.count < MIN_PEOPLE || IsCounted(set, subject))
		return false;
	if (subject->key.kind == SUBJECT_EVENT)
		return true;
	if (subject->values.count < 2 || IsNamedId(subject->name) ||
		(subject->key.kind == SUBJECT_PROPERTY && IsOfValue(look, subject)))
		return false;
	/* of what is no amount, values that come again */
	return IsAmount(subject) || (subject->values.count <= MAX_VALUES && subject->values.count * 2 <= subject->events);
}

/* True if a signal, or one that is proposed, has a name. */
static bool
IsTaken(const SignalSet *set, const char *name, const Suggestion *suggestions, int count)
{
	for (int i = 0; i < set->count; i++)
		if (strcmp(set->signals[i].name, name) == 0)
			return true;
	for (int i = 0; i < count; i++)
		if (strcmp(suggestions[i].name, name) == 0)
			return true;
	return false;
}

/* A name for the signal of a subject that nothing else has. */
static char *
ChooseName(const SignalSet *set, const Subject *subject, const Suggestion *suggestions, int count)
{
	const char *event = set->events[subject->key.event].name;
	char	   *base = subject->key.kind == SUBJECT_EVENT ? pstrdup(event) : psprintf("%s_%s", event, subject->name);
	char	   *name;

	base[pg_mbcliplen(base, strlen(base), NAMEDATALEN - 7)] = '\0';
	name = base;
	for (int number = 2; IsTaken(set, name, suggestions, count); number++)
		name = psprintf("%s_%d", base, number);
	return name;
}

/* The weights of a signal that counts each event of a type as 1, as a literal. */
static char *
WeightsLiteral(const char *event)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, event);
	appendStringInfoString(&json, ": 1}");
	return quote_literal_cstr(json.data);
}

/* Propose to count a subject. */
static void
Propose(const SignalSet *set, const Subject *subject, Suggestion *suggestion)
{
	const char *event = set->events[subject->key.event].name;
	char	   *path = subject->key.kind == SUBJECT_VALUE ? "value" : psprintf("properties.%s", subject->name);
	const char *keyPath = subject->categories * 2 > subject->events ? "item.category" :
		IsAboutItems(subject) ? "item" : "none";
	const char *more = "";

	suggestion->subject = subject;
	if (subject->key.kind == SUBJECT_EVENT)
		suggestion->reason = subject->key.event == EVENT_TYPE_PURCHASE ?
			psprintf("no signal counts event \"%s\" alone", event) : psprintf("no signal counts event \"%s\"", event);
	else if (IsAmount(subject))
	{
		suggestion->reason = psprintf("%s of event \"%s\" is a number that no signal sums", path, event);
		more = psprintf(", value_path => %s, aggregates => '{count,sum,min,max,first,last}'", quote_literal_cstr(path));
	}
	else
	{
		suggestion->reason = psprintf("no signal counts the values of %s of event \"%s\"", path, event);
		keyPath = path;
	}
	suggestion->call = psprintf("SELECT personalize.create_signal(%s, ARRAY[%s], %s, %s%s)", quote_literal_cstr(suggestion->name),
								quote_literal_cstr(event), quote_literal_cstr(keyPath), WeightsLiteral(event), more);
}

/* Order subjects: those of most people, then of most events, then by what they are. */
static int
CompareSubjects(const void *left, const void *right)
{
	const Subject *a = *(Subject *const *) left;
	const Subject *b = *(Subject *const *) right;

	if (a->people.count != b->people.count)
		return b->people.count - a->people.count;
	if (a->events != b->events)
		return a->events > b->events ? -1 : 1;
	if (a->key.event != b->key.event)
		return a->key.event - b->key.event;
	if (a->key.kind != b->key.kind)
		return a->key.kind - b->key.kind;
	return strcmp(a->name, b->name);
}

/* Return what is proposed. */
static void
PutSuggestions(Look *look, ReturnSetInfo *output)
{
	Subject   **subjects = palloc_array(Subject *, hash_get_num_entries(look->subjects) + 1);
	Suggestion *suggestions;
	HASH_SEQ_STATUS sequence;
	Subject    *subject;
	int			count = 0;

	hash_seq_init(&sequence, look->subjects);
	while ((subject = hash_seq_search(&sequence)) != NULL)
		if (IsWorth(look, subject))
			subjects[count++] = subject;
	qsort(subjects, count, sizeof(Subject *), CompareSubjects);
	suggestions = palloc_array(Suggestion, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		Datum		values[7];
		bool		nulls[7] = {false};

		suggestions[i].name = ChooseName(look->set, subjects[i], suggestions, i);
		Propose(look->set, subjects[i], &suggestions[i]);
		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(suggestions[i].name);
		values[2] = CStringGetTextDatum(suggestions[i].reason);
		values[3] = Int64GetDatum(subjects[i]->people.count);
		values[4] = Int64GetDatum(subjects[i]->events);
		nulls[5] = subjects[i]->key.kind == SUBJECT_EVENT;
		values[5] = Int64GetDatum(subjects[i]->values.count);
		values[6] = CStringGetTextDatum(suggestions[i].call);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
}

/* suggest_signals(sample, purpose): what is tracked and not counted yet, as calls that count it. */
Datum
personalize_suggest_signals(PG_FUNCTION_ARGS)
{
	HASHCTL		control = {
		.keysize = sizeof(((Subject *) NULL)->key),.entrysize = sizeof(Subject),.hcxt = CurrentMemoryContext
	};
	EventScanOptions options = {.snapshot = GetActiveSnapshot(),.allDays = true};
	int64		sample = SignalSampleArgument(fcinfo, 0);
	Look		look = {.set = SignalSetGet(),.context = CurrentMemoryContext};

	look.purpose = PolicyPurpose(PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (look.purpose == 0)
		return (Datum) 0;
	look.subjects = hash_create("personalize suggestions", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	SignalSampleVisit(&options, sample, LookAt, &look);
	PutSuggestions(&look, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
