/*
 * relation.c
 *		The one place where tables of the extension are found.
 *
 * Everything that touches a table from C gets it here, so that the same code can
 * later run over local shards.  A call opens a dozen by name; what was found is
 * remembered until some relation or schema changes in the catalogue.
 */
#include "postgres.h"

#include "base/relation.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "commands/extension.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What was found lately, by name: there are fewer relations than slots. */
#define FOUND_SLOTS 256
#define FOUND_CHOICES 4
typedef struct FoundRelation
{
	NameData	name;
	Oid			id;				/* InvalidOid: empty */
	const RelationShape *shape; /* NULL: not known by the place of its columns */
	bool		checked;		/* it is what ours must be, and has not changed since */
} FoundRelation;

static FoundRelation foundRelations[FOUND_SLOTS];
static bool watching = false;
static uint64 generation = 1;

/* System cache callback: a relation or schema was made, renamed or dropped. */
static void
ForgetFound(Datum argument, int cacheId, uint32 hash)
{
	memset(foundRelations, 0, sizeof(foundRelations));
	generation++;
}

/* Changes whenever what was found may not hold any more. */
uint64
RelationGeneration(void)
{
	return generation;
}

/* Relation cache callback: a relation (InvalidOid: any) may have changed. */
static void
ForgetChecked(Datum argument, Oid relationId)
{
	for (int i = 0; i < FOUND_SLOTS; i++)
		if (foundRelations[i].id == relationId || !OidIsValid(relationId))
			foundRelations[i].checked = false;
}

/* The slot of a name: its own, or else one that it may have. */
static FoundRelation *
FoundSlot(const char *name)
{
	uint32		hash = 0;
	FoundRelation *first;

	for (const char *c = name; *c != '\0'; c++)
		hash = hash * 31 + (unsigned char) *c;
	first = &foundRelations[hash % (FOUND_SLOTS / FOUND_CHOICES) * FOUND_CHOICES];
	for (int i = 0; i < FOUND_CHOICES; i++)
		if (!OidIsValid(first[i].id) || strcmp(NameStr(first[i].name), name) == 0)
			return &first[i];
	return first;
}

/* Who is told when a relation's entry in the relation cache is forgotten. */
#define MAX_WATCHERS 24
static RelcacheCallbackFunction watchers[MAX_WATCHERS];
static int	watcherCount = 0;

/* Relation cache callback: tell everybody. */
static void
TellWatchers(Datum argument, Oid relationId)
{
	for (int i = 0; i < watcherCount; i++)
		watchers[i] (argument, relationId);
}

/* Be told when a relation, or (InvalidOid) any, may have changed. */
void
RelationWatch(RelcacheCallbackFunction watcher)
{
	if (watcherCount == MAX_WATCHERS)
		elog(ERROR, "too many relation watchers");
	if (watcherCount == 0)
		CacheRegisterRelcacheCallback(TellWatchers, (Datum) 0);
	watchers[watcherCount++] = watcher;
}

/* Look a relation up in the catalogue, and remember it in a slot. */
static Oid
LookUp(FoundRelation *slot, const char *name, bool missingOk)
{
	Oid			schemaId;
	Oid			relationId = InvalidOid;

	if (!watching)
	{
		CacheRegisterSyscacheCallback(RELOID, ForgetFound, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, ForgetFound, (Datum) 0);
		RelationWatch(ForgetChecked);
		watching = true;
	}
	schemaId = get_namespace_oid(PERSONALIZE_SCHEMA, true);
	if (OidIsValid(schemaId))
		relationId = get_relname_relid(name, schemaId);
	if (!OidIsValid(relationId) && !missingOk)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", PERSONALIZE_SCHEMA, name),
				 RelationExtensionExists() ?
				 errhint("It was dropped or renamed: make it again as the extension had it.") :
				 errhint("Run CREATE EXTENSION personalize in this database.")));
	if (OidIsValid(relationId))
	{
		namestrcpy(&slot->name, name);
		slot->id = relationId;
		slot->shape = RelationShapeOf(name);
		slot->checked = false;
	}
	return relationId;
}

/* What a slot has of a name, looked up if it has nothing. */
static Oid
FindInSlot(FoundRelation *slot, const char *name, bool missingOk)
{
	if (OidIsValid(slot->id) && strcmp(NameStr(slot->name), name) == 0)
		return slot->id;
	return LookUp(slot, name, missingOk);
}

/* OID of a table, index or view in the extension's schema. */
Oid
RelationFind(const char *name, bool missingOk)
{
	return FindInSlot(FoundSlot(name), name, missingOk);
}

/* True if the relation, which is open, is the one in the slot and was checked. */
static inline bool
IsChecked(const FoundRelation *slot, Relation relation)
{
	return slot->checked && slot->id == RelationGetRelid(relation);
}

/* Open a table of the extension. */
Relation
RelationOpenTable(const char *name, LOCKMODE lockMode)
{
	FoundRelation *slot = FoundSlot(name);
	Oid			relationId = FindInSlot(slot, name, false);
	const RelationShape *shape = slot->shape;
	Relation	relation = relation_open(relationId, lockMode);

	if (IsChecked(slot, relation))
		return relation;
	if (shape != NULL)
		RelationCheckShape(relation, shape);
	slot->checked = slot->id == relationId;
	return relation;
}

/* Indexes of ours that hold some rows only, and how many columns are read of them. */
static const struct
{
	const char *name;
	int			columns;
}			partialIndexes[] = {
	{"_event_day_open", 1}, {"exposure_outcome_attributed_to_idx", 2}, {"item_category_created_at_idx", 3},
	{"item_created_at_idx", 3}, {"subject_restricted_idx", 1}
};

/* The number of columns that an index must have; 0: it must hold all rows. */
static int
PartialColumns(const char *name)
{
	for (int i = 0; i < lengthof(partialIndexes); i++)
		if (strcmp(partialIndexes[i].name, name) == 0)
			return partialIndexes[i].columns;
	return 0;
}

/* True if an index of this name finds what ours is made to find. */
static bool
IndexWorks(Relation index, Relation table, const char *name)
{
	const FormData_pg_index *form = index->rd_index;

	if (index->rd_rel->relkind != RELKIND_INDEX || form->indrelid != RelationGetRelid(table) ||
		!form->indisvalid || !form->indisready || !form->indislive)
		return false;
	for (int i = 0; i < form->indnkeyatts; i++)
		if (form->indkey.values[i] == InvalidAttrNumber)
			return false;
	if (form->indnatts < PartialColumns(name))
		return false;
	return PartialColumns(name) > 0 || heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

/* Open an index of a table. */
Relation
RelationOpenIndex(Relation table, const char *name, LOCKMODE lockMode)
{
	FoundRelation *slot = FoundSlot(name);
	Relation	index = relation_open(FindInSlot(slot, name, false), lockMode);

	if (IsChecked(slot, index) && index->rd_index->indrelid == RelationGetRelid(table))
		return index;
	if (!IndexWorks(index, table, name))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" does not find the rows of table \"%s\"",
						name, RelationGetRelationName(table)),
				 errhint("REINDEX it, or make it again as the extension had it.")));
	slot->checked = slot->id == RelationGetRelid(index);
	return index;
}

/*
 * Such an index without a lock.  Whoever makes it anew keeps writers of the table away until
 * everybody has been told: who has a snapshot that sees what was written after that hears of it
 * here.  To drop it a lock on the table is needed, or all that are held on it are waited for.
 */
Relation
RelationKnowIndex(KnownIndex *known, Relation table, const char *name)
{
	const FoundRelation *slot;

	AcceptInvalidationMessages();
	if (known->index != NULL && known->generation == generation && known->index->rd_isvalid)
		return known->index;
	RelationForgetIndex(known);
	slot = FoundSlot(name);
	if (!slot->checked || strcmp(NameStr(slot->name), name) != 0)
		return NULL;
	known->generation = generation;
	known->index = RelationIdGetRelation(slot->id);
	if (known->index == NULL ||
		(IsChecked(slot, known->index) && known->index->rd_index->indrelid == RelationGetRelid(table)))
		return known->index;
	RelationForgetIndex(known);
	return NULL;
}

/* Close it. */
void
RelationForgetIndex(KnownIndex *known)
{
	if (known->index != NULL)
		RelationClose(known->index);
	known->index = NULL;
}

/* The OID of such an index. */
Oid
RelationIndex(Relation table, const char *name)
{
	Relation	index = RelationOpenIndex(table, name, AccessShareLock);
	Oid			indexId = RelationGetRelid(index);

	relation_close(index, AccessShareLock);
	return indexId;
}

/* True if the extension is installed in this database. */
bool
RelationExtensionExists(void)
{
	return OidIsValid(get_extension_oid("personalize", true));
}

/* True if the extension's SQL version in this database is the library's. */
bool
RelationVersionMatches(void)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		matches = false;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("personalize"));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isNull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(catalog), &isNull);

		matches = !isNull && strcmp(TextDatumGetCString(version), PERSONALIZE_VERSION) == 0;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return matches;
}

/* OID of the extension's owner role. */
Oid
RelationOwner(void)
{
	return get_role_oid(PERSONALIZE_OWNER, false);
}
