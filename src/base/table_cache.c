/*
 * table_cache.c
 *		A small table that every backend keeps as C structs until it changes.
 *
 * Triggers on the table send a relcache invalidation, which reaches every backend, those
 * of standbys too, when the change is committed, and the one that has changed it at once,
 * and again if it is rolled back.  The table is then read anew when it is next asked for.
 */
#include "postgres.h"

#include "base/table_cache.h"

#include "access/table.h"
#include "base/relation.h"
#include "commands/trigger.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_table_changed);

static TableCache *caches = NULL;

/* Relcache callback: a table changed, or all may have. */
static void
Forget(Datum argument, Oid relationId)
{
	for (TableCache *cache = caches; cache != NULL; cache = cache->next)
		if (!OidIsValid(relationId) || relationId == cache->relationId)
			cache->holds = false;
}

/* Make a cache known. */
void
TableCacheRegister(TableCache *cache)
{
	if (caches == NULL)
		RelationWatch(Forget);
	cache->next = caches;
	caches = cache;
}

/* Let go of what is kept, when nobody in this transaction can be at it any more. */
static void
Release(TableCache *cache)
{
	cache->content = NULL;
	if (cache->context != NULL)
		MemoryContextSetParent(cache->context, TopTransactionContext);
	cache->context = NULL;
}

/* What is made of the table. */
const void *
TableCacheGet(TableCache *cache)
{
	Relation	table;
	Snapshot	snapshot;
	MemoryContext caller;

	if (cache->content != NULL && cache->holds && cache->relationId == RelationFind(cache->table, false))
		return cache->content;
	/* before the snapshot, so that whatever it does not show is announced later */
	table = RelationOpenTable(cache->table, AccessShareLock);
	Release(cache);
	cache->relationId = RelationGetRelid(table);
	cache->holds = true;
	snapshot = RegisterSnapshot(GetCatalogSnapshot(cache->relationId));
	cache->context = AllocSetContextCreate(CacheMemoryContext, "personalize table cache", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(cache->context);
	cache->content = cache->read(table, snapshot);
	MemoryContextSwitchTo(caller);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
	return cache->content;
}

/* Trigger _table_changed(): tell every backend that the table changed. */
Datum
personalize_table_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_table_changed must be called as a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
