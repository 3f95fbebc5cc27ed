/*
 * compat.h
 *		The one place that knows which server version it is compiled for.
 *
 * Code elsewhere is written against the newest API; what an older server
 * lacks is emulated here.
 */
#ifndef PERSONALIZE_COMPAT_H
#define PERSONALIZE_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "nodes/tidbitmap.h"
#include "storage/block.h"
#include "storage/lock.h"

#if PG_VERSION_NUM < 150000
#error "personalize needs PostgreSQL 15 or newer"
#endif

/* The macros of variable-length data moved out of postgres.h in 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Down a B-tree to the first leaf page that may have a key, which is then pinned and locked; needs access/nbtree.h. */
#if PG_VERSION_NUM >= 170000
#define CompatBtreeSearch(index, key, leaf) _bt_search(index, NULL, key, leaf, BT_READ)
#elif PG_VERSION_NUM >= 160000
#define CompatBtreeSearch(index, key, leaf) _bt_search(index, NULL, key, leaf, BT_READ, NULL)
#else
#define CompatBtreeSearch(index, key, leaf) _bt_search(index, key, leaf, BT_READ, NULL)
#endif

/* The module magic carries name and version from 18 on. */
#if PG_VERSION_NUM >= 180000
#define PERSONALIZE_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "personalize", .version = PERSONALIZE_VERSION)
#else
#define PERSONALIZE_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* The library hides what the server does not call; that says so of itself from 16 on. */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_, funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_, funcname)(void) \
{ \
	static const Pg_finfo_record my_finfo = {1}; \
	return &my_finfo; \
} \
extern int	no_such_variable
#endif

/* What is grouped is a relation of its own from 18 on: the expression of its column, or NULL. */
#if PG_VERSION_NUM >= 180000
#define CompatGroupedExpression(entry, column) \
	((entry)->rtekind == RTE_GROUP ? (Node *) list_nth((entry)->groupexprs, (column) - 1) : NULL)
#else
#define CompatGroupedExpression(entry, column) \
	((void) (entry), (void) (column), (Node *) NULL)
#endif

/* An index scan takes a place for its statistics from 18 on. */
#if PG_VERSION_NUM < 180000
#define index_beginscan(table, index, snapshot, instrument, keys, orderBys) \
	index_beginscan(table, index, snapshot, keys, orderBys)
#define index_beginscan_bitmap(index, snapshot, instrument, keys) \
	index_beginscan_bitmap(index, snapshot, keys)
#endif

/* An update says which indexes need an entry, not just whether any does, from 16 on. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes CompatUpdateIndexes;
#define CompatUpdatesIndexes(update) ((update) != TU_None)
#define CompatUpdatesKeys(update) ((update) == TU_All)
#else
typedef bool CompatUpdateIndexes;
#define CompatUpdatesIndexes(update) (update)
#define CompatUpdatesKeys(update) (update)
#endif

/* Point all indexes at a row: those that a new version needs, or (update NULL) a new row. */
#if PG_VERSION_NUM >= 160000
#define CompatInsertIndexTuples(result, slot, estate, mayBeEqual, update) \
	ExecInsertIndexTuples(result, slot, estate, (update) != NULL, mayBeEqual, NULL, NIL, \
						  (update) != NULL && *(update) == TU_Summarizing)
#else
#define CompatInsertIndexTuples(result, slot, estate, mayBeEqual, update) \
	ExecInsertIndexTuples(result, slot, estate, (update) != NULL, mayBeEqual, NULL, NIL)
#endif

/* One function asks for the owner of any object from 16 on. */
#if PG_VERSION_NUM < 160000
#define object_ownercheck(catalog, object, role) \
	((catalog) == DatabaseRelationId ? pg_database_ownercheck(object, role) : \
	 pg_extension_ownercheck(object, role))
#endif

/* As whom a query reads a table, if not as the current user: in a list of its own from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "parser/parse_relation.h"
#define CompatCheckAsUser(query, entry) \
	((entry)->perminfoindex == 0 ? InvalidOid : \
	 getRTEPermissionInfo((query)->rteperminfos, entry)->checkAsUser)
#else
#define CompatCheckAsUser(query, entry) ((entry)->checkAsUser)
#endif

/* What a statement needs of relations is a list of its own from 16 on: for an ExecutorCheckPerms_hook. */
#if PG_VERSION_NUM >= 160000
typedef RTEPermissionInfo CompatPermission;
#define CompatPermissionParameters List *rangeTable, List *permissions, bool raises
#define CompatPermissionArguments rangeTable, permissions, raises
#else
typedef RangeTblEntry CompatPermission;
#define CompatPermissionParameters List *permissions, bool raises
#define CompatPermissionArguments permissions, raises
#endif

/* The physical name of a relation was renamed in 16. */
#if PG_VERSION_NUM >= 160000
#define CompatRelationLocator(relation) ((relation)->rd_locator)
#define CompatRelationFile(relation) ((relation)->rd_locator.relNumber)
#define CompatInitBufferTag(tag, relation, block) \
	InitBufferTag(tag, &(relation)->rd_locator, MAIN_FORKNUM, block)
#else
#define CompatRelationLocator(relation) ((relation)->rd_node)
#define CompatRelationFile(relation) ((relation)->rd_node.relNode)
#define CompatInitBufferTag(tag, relation, block) \
	INIT_BUFFERTAG(*(tag), (relation)->rd_node, MAIN_FORKNUM, block)
#define BufferTagsEqual(a, b) BUFFERTAGS_EQUAL(*(a), *(b))
#endif

/* Whether a lock is held, or a stronger one, is one question from 17 on. */
#if PG_VERSION_NUM < 170000
#define LockHeldByMe(tag, mode, orStronger) \
	((orStronger) ? LockOrStrongerHeldByMe(tag, mode) : LockHeldByMe(tag, mode))
#endif

/* How many values ANALYZE keeps is no longer in a copy of the column from 17 on. */
#if PG_VERSION_NUM >= 170000
#define CompatStatisticsBegin(statistics) ((statistics)->attstattarget = -1)
#else
#define CompatStatisticsBegin(statistics) \
	((statistics)->attr = palloc0(sizeof(FormData_pg_attribute)), (statistics)->attr->attstattarget = -1)
#endif

/* The view that an entry of a range table is, planned as a subquery: of its own from 16 on. */
#if PG_VERSION_NUM >= 160000
#define CompatViewOf(entry) ((entry)->relid)
#else
#define CompatViewOf(entry) ((entry)->subquery->rtable == NIL ? InvalidOid : \
	linitial_node(RangeTblEntry, (entry)->subquery->rtable)->relkind == RELKIND_VIEW ? \
	linitial_node(RangeTblEntry, (entry)->subquery->rtable)->relid : InvalidOid)
#endif

/* True if the current user may call a function; needs catalog/pg_proc.h, miscadmin.h and utils/acl.h. */
#if PG_VERSION_NUM >= 160000
#define CompatMayExecute(function) (object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK)
#else
#define CompatMayExecute(function) (pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* True if it may put files into a tablespace; needs catalog/pg_tablespace.h and the same. */
#if PG_VERSION_NUM >= 160000
#define CompatMayCreateIn(tablespace) \
	(object_aclcheck(TableSpaceRelationId, tablespace, GetUserId(), ACL_CREATE) == ACLCHECK_OK)
#else
#define CompatMayCreateIn(tablespace) (pg_tablespace_aclcheck(tablespace, GetUserId(), ACL_CREATE) == ACLCHECK_OK)
#endif

/* Walking the pages of a bitmap. */
typedef struct CompatBitmapIterator
{
#if PG_VERSION_NUM >= 180000
	TBMPrivateIterator *iterator;
#else
	TBMIterator *iterator;
#endif
} CompatBitmapIterator;

/* Start walking a bitmap. */
static inline void
CompatBitmapBegin(CompatBitmapIterator *walk, TIDBitmap *bitmap)
{
#if PG_VERSION_NUM >= 180000
	walk->iterator = tbm_begin_private_iterate(bitmap);
#else
	walk->iterator = tbm_begin_iterate(bitmap);
#endif
}

/* The next page, in order; false at the end. */
static inline bool
CompatBitmapNext(CompatBitmapIterator *walk, BlockNumber *block)
{
#if PG_VERSION_NUM >= 180000
	TBMIterateResult result;

	if (!tbm_private_iterate(walk->iterator, &result))
		return false;
	*block = result.blockno;
#else
	TBMIterateResult *result = tbm_iterate(walk->iterator);

	if (result == NULL)
		return false;
	*block = result->blockno;
#endif
	return true;
}

/* Stop walking. */
static inline void
CompatBitmapEnd(CompatBitmapIterator *walk)
{
#if PG_VERSION_NUM >= 180000
	tbm_end_private_iterate(walk->iterator);
#else
	tbm_end_iterate(walk->iterator);
#endif
}

/* Where a bitmap scan counts its pages for EXPLAIN. */
#if PG_VERSION_NUM >= 180000
#define CompatForgetPages(scan) ((scan)->stats.exact_pages = (scan)->stats.lossy_pages = 0)
#else
#define CompatForgetPages(scan) ((scan)->exact_pages = (scan)->lossy_pages = 0)
#endif

/* Index access methods keep state between the insertions of a statement from 17 on. */
#if PG_VERSION_NUM >= 170000
#define CompatIndexInsertCleanup(index, info) index_insert_cleanup(index, info)
#else
#define CompatIndexInsertCleanup(index, info) ((void) (info))
#endif

/* What a backend is doing is asked for by another name from 16 on. */
#if PG_VERSION_NUM >= 160000
#define CompatLocalBackend(index) pgstat_get_local_beentry_by_index(index)
#else
#define CompatLocalBackend(index) pgstat_fetch_stat_local_beentry(index)
#endif

/* Generated columns of a replica identity must be published from 18 on; needs catalog/pg_publication.h. */
#if PG_VERSION_NUM >= 180000
#define CompatPublishesGenerated(published) ((published)->gencols_valid_for_update && (published)->gencols_valid_for_delete)
#else
#define CompatPublishesGenerated(published) ((void) (published), true)
#endif

/* What an operator compares is told by another name from 18 on. */
#if PG_VERSION_NUM >= 180000
#define get_op_btree_interpretation(operator) get_op_index_interpretation(operator)
#endif

/* What never returns is said in front of the declaration from 18 on. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* The process of a transaction; NULL if it has ended or is a prepared one. */
#if PG_VERSION_NUM >= 170000
#include "storage/procarray.h"
#define CompatVirtualTransactionProc(vxid) ProcNumberGetProc((vxid).procNumber)
#else
#include "storage/sinvaladt.h"
#define CompatVirtualTransactionProc(vxid) BackendIdGetProc((vxid).backendId)
#endif

/* This backend's own number of its transaction. */
#if PG_VERSION_NUM >= 170000
#define MyLocalTransactionId() (MyProc->vxid.lxid)
#else
#define MyLocalTransactionId() (MyProc->lxid)
#endif

#endif
