/*
 * table_cache.h
 *		A small table that every backend keeps as C structs until it changes.
 */
#ifndef PERSONALIZE_TABLE_CACHE_H
#define PERSONALIZE_TABLE_CACHE_H

#include "postgres.h"

#include "utils/relcache.h"
#include "utils/snapshot.h"

/* One table; its triggers must be _table_changed(). */
typedef struct TableCache
{
	const char *table;
	void	   *(*read) (Relation table, Snapshot snapshot);	/* in the context of what is kept */

	/* the cache's own */
	void	   *content;		/* NULL: nothing is kept */
	bool		holds;			/* nothing has changed since it was read */
	Oid			relationId;
	MemoryContext context;
	struct TableCache *next;
} TableCache;

/* Make a cache known, in an Init. */
extern void TableCacheRegister(TableCache *cache);

/*
 * What read made of the table as last committed, with what this transaction has changed.
 * It stays until the end of the transaction, whatever changes.
 */
extern const void *TableCacheGet(TableCache *cache);

#endif
