/*
 * event_type.c
 *		Names of event types and the numbers that stand for them in event.
 *
 * Each backend keeps the names it has met; a change of event_type or
 * event_alias anywhere empties that cache.  Names are the same whatever their
 * case and the blanks around them; of an alias and a name that are the same, the
 * alias counts, so that a slip of the pen that has been tracked can be given its
 * meaning.  A name that is met for the first time is registered at once, because its number goes into the row: registrants
 * take turns on one lock held to the end of their transaction, so two of them
 * cannot wait for each other.  It has no weight, and therefore counts nothing,
 * until somebody gives it one.
 */
#include "postgres.h"

#include "events/event.h"

#include "access/xact.h"
#include "base/id.h"
#include "base/lock.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_event_number);

/* event_type.name is no longer than this. */
#define MAX_NAME_BYTES 64

/* Names of the shop's own begin here. */
#define FIRST_OWN_TYPE 1000

typedef struct CachedType
{
	char		name[MAX_NAME_BYTES + 1];	/* hash key, NUL-padded */
	int16		event;
} CachedType;

static int	personalize_max_event_types = 1000;

static HTAB *typeCache = NULL;
static Oid	cachedTypeTable = InvalidOid;
static Oid	cachedAliasTable = InvalidOid;

/* Relcache callback: forget all names when either table changes. */
static void
ForgetTypes(Datum argument, Oid relationId)
{
	if (typeCache == NULL ||
		(OidIsValid(relationId) && relationId != cachedTypeTable &&
		 relationId != cachedAliasTable))
		return;
	hash_destroy(typeCache);
	typeCache = NULL;
}

/* Define the settings and watch the tables. */
void
EventTypeInit(void)
{
	DefineCustomIntVariable("personalize.max_event_types",
							"How many event names of its own a shop may use.",
							"A name that is tracked for the first time is added to event_type; the limit catches applications that put ids into names.",
							&personalize_max_event_types,
							1000, 0, 30000, PGC_SUSET, 0, NULL, NULL, NULL);
	RelationWatch(ForgetTypes);
}

/* The cache, made if it is empty. */
static HTAB *
TypeCache(void)
{
	HASHCTL		control;

	if (typeCache)
		return typeCache;
	cachedTypeTable = RelationFind("event_type", false);
	cachedAliasTable = RelationFind("event_alias", false);
	memset(&control, 0, sizeof(control));
	control.keysize = MAX_NAME_BYTES + 1;
	control.entrysize = sizeof(CachedType);
	control.hcxt = CacheMemoryContext;
	typeCache = hash_create("personalize event types", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return typeCache;
}

/* A name in lower case, as the indexes have it: ASCII in any locale, Turkish ones too, the rest by the database's. */
#define FOLDED(name) "lower(lower(" name " COLLATE \"C\") COLLATE \"default\")"

/* Read the number of a name or alias, as last committed; -1 if there is none. */
static int
ReadType(const char *name)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(name)};
	SpiUtilScope scope;
	int			event = -1;
	bool		isNull;

	/* others register names while this transaction keeps an older snapshot; a plan with workers takes no other */
	PushActiveSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan,
				   "SELECT event FROM personalize.event_alias WHERE " FOLDED("alias") " = " FOLDED("$1")
				   " UNION ALL SELECT event FROM personalize.event_type WHERE " FOLDED("name") " = " FOLDED("$1")
				   " LIMIT 1",
				   1, types, values, NULL, true) > 0)
		event = DatumGetInt16(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
	return event;
}

/* Give a new name a number; it has no weight unless it was defined. */
static int
RegisterType(const char *name, bool defined)
{
	static SPIPlanPtr numberPlan = NULL;
	static SPIPlanPtr insertPlan = NULL;
	const Oid	types[] = {INT4OID, TEXTOID, BOOLOID};
	Datum		values[3];
	SpiUtilScope scope;
	int			event;
	bool		isNull;

	NamesLock();
	event = ReadType(name);
	if (event >= 0)
		return event;

	values[0] = Int32GetDatum(FIRST_OWN_TYPE);
	values[1] = CStringGetTextDatum(name);
	values[2] = BoolGetDatum(defined);
	PushActiveSnapshot(GetLatestSnapshot());
	SpiUtilBegin(&scope);
	SpiUtilRun(&numberPlan,
			   "SELECT CASE WHEN max(t.event) < 32767 THEN greatest($1, 1 + max(t.event)) ELSE (SELECT min(n) FROM generate_series($1, 32767) AS n"
			   "  WHERE NOT EXISTS (SELECT FROM personalize.event_type o WHERE o.event = n)) END,"
			   " count(*) FILTER (WHERE NOT t.builtin)"
			   " FROM personalize.event_type t",
			   1, types, values, NULL, true);
	if (DatumGetInt64(SpiUtilValue(0, 2, &isNull)) >= personalize_max_event_types)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("event \"%s\" would be one name more than personalize.max_event_types (%d) allows",
						name, personalize_max_event_types),
				 errhint("Put ids and other values into properties, not into the event's name, or raise the setting.")));
	event = DatumGetInt32(SpiUtilValue(0, 1, &isNull));
	values[0] = Int32GetDatum(event);
	SpiUtilRun(&insertPlan, "INSERT INTO personalize.event_type (event, name, weight)"
			   " VALUES ($1, $2, CASE WHEN $3 THEN 1 END)",
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
	/* also empties this backend's cache if the transaction is rolled back */
	CacheInvalidateRelcacheByRelid(RelationFind("event_type", false));
	return event;
}

/* The name, tidy as ids are, NUL-padded; false if nothing or too much is left. */
static bool
GetKey(const char *name, int length, char *key)
{
	IdBytes		tidy = IdTidy((IdBytes) {name, length});
	bool		fits = tidy.length > 0 && tidy.length <= MAX_NAME_BYTES;

	memset(key, 0, MAX_NAME_BYTES + 1);
	if (fits)
		memcpy(key, tidy.data, tidy.length);
	if (tidy.made)
		pfree(tidy.made);
	return fits;
}

/* Number of an event type by name or alias. */
static int
LookUp(const char *name, int length, bool create, bool defined)
{
	char		key[MAX_NAME_BYTES + 1];
	CachedType *entry;
	int			event;

	if (!GetKey(name, length, key))
		return -1;
	entry = hash_search(TypeCache(), key, HASH_FIND, NULL);
	if (entry)
		return entry->event;

	event = ReadType(key);
	if (event < 0)
		return create ? RegisterType(key, defined) : -1;
	entry = hash_search(TypeCache(), key, HASH_ENTER, NULL);
	entry->event = (int16) event;
	return event;
}

/* Number of an event type by name or alias; -1 if unknown. */
int
EventTypeLookup(const char *name, int length)
{
	return LookUp(name, length, false, false);
}

/* The same; a name that is tracked for the first time is registered. */
int
EventTypeMeet(const char *name, int length)
{
	return LookUp(name, length, true, false);
}

/* The same; a name that somebody defines counts like a view. */
int
EventTypeDefine(const char *name, int length)
{
	return LookUp(name, length, true, true);
}

/* _event_number(name) → event_type.event. */
Datum
personalize_event_number(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	int			event = EventTypeLookup(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (event < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT16((int16) event);
}

/* Name of an event type, palloc'd in the caller's context; NULL if unknown. */
char *
EventTypeName(int16 event)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT2OID};
	Datum		values[] = {Int16GetDatum(event)};
	MemoryContext caller = CurrentMemoryContext;
	SpiUtilScope scope;
	char	   *name = NULL;
	bool		isNull;

	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan, "SELECT name FROM personalize.event_type WHERE event = $1",
				   1, types, values, NULL, true) > 0)
	{
		Datum		found = SpiUtilValue(0, 1, &isNull);

		name = MemoryContextStrdup(caller, TextDatumGetCString(found));
	}
	SpiUtilEnd(&scope);
	return name;
}
