/*
 * event_type.c
 *		Names of event types and the numbers that stand for them in event.
 *
 * Each backend keeps the names it has met; a change of event_type or
 * event_alias anywhere empties that cache.  A name that is met for the first
 * time is registered at once, because its number goes into the row: registrants
 * take turns on one lock held to the end of their transaction, so two of them
 * cannot wait for each other.
 */
#include "postgres.h"

#include "event.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "lock.h"
#include "relation.h"
#include "spi_util.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

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

	/* others register names while this transaction keeps an older snapshot */
	PushActiveSnapshot(GetLatestSnapshot());
	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan,
				   "SELECT event FROM personalize.event_type WHERE name = $1"
				   " UNION ALL SELECT event FROM personalize.event_alias WHERE alias = $1"
				   " LIMIT 1",
				   1, types, values, NULL, true) > 0)
		event = DatumGetInt16(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
	return event;
}

/* Give a new name a number. */
static int
RegisterType(const char *name)
{
	static SPIPlanPtr numberPlan = NULL;
	static SPIPlanPtr insertPlan = NULL;
	const Oid	types[] = {INT4OID, TEXTOID};
	Datum		values[2];
	SpiUtilScope scope;
	int			event;
	bool		isNull;

	NamesLock();
	event = ReadType(name);
	if (event >= 0)
		return event;

	values[0] = Int32GetDatum(FIRST_OWN_TYPE);
	values[1] = CStringGetTextDatum(name);
	PushActiveSnapshot(GetLatestSnapshot());
	SpiUtilBegin(&scope);
	SpiUtilRun(&numberPlan,
			   "SELECT greatest($1, 1 + coalesce(max(t.event), 0)),"
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
	SpiUtilRun(&insertPlan, "INSERT INTO personalize.event_type (event, name) VALUES ($1, $2)",
			   lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
	/* also empties this backend's cache if the transaction is rolled back */
	CacheInvalidateRelcacheByRelid(RelationFind("event_type", false));
	return event;
}

/* Number of an event type by name or alias; -1 if unknown and not to be created. */
int
EventTypeLookup(const char *name, int length, bool create)
{
	char		key[MAX_NAME_BYTES + 1] = {0};
	CachedType *entry;
	int			event;

	if (length < 1 || length > MAX_NAME_BYTES)
		return -1;
	memcpy(key, name, length);
	entry = hash_search(TypeCache(), key, HASH_FIND, NULL);
	if (entry)
		return entry->event;

	event = ReadType(key);
	if (event < 0)
		return create ? RegisterType(key) : -1;
	entry = hash_search(TypeCache(), key, HASH_ENTER, NULL);
	entry->event = (int16) event;
	return event;
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
