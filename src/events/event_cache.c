/*
 * event_cache.c
 *		What is remembered of the pages of event.
 *
 * A reader that adds the un-rolled tail asks two questions every time: which
 * pages may hold it, and which of them hold events of this user.  The answers
 * change with the pages they were read from, and every change of a page moves
 * its LSN.  So they are kept with those LSNs and used while these are the same:
 * the pages of the BRIN index for the first question, the page itself for the
 * second.  Looking at an LSN takes a pin, a twentieth of reading the page.
 *
 * Runs found for an older position are a superset of those for a newer one, and
 * pages that were added since are always part of them.
 *
 * What is known of pages is in shared memory, for one page to eight shared buffers:
 * 0.5 % of what these take; without shared_preload_libraries each backend has some of
 * its own.  It is read without a lock: a version is odd while a page's is written, and
 * the same before and after.  Files that replace others have pages of other LSNs.
 */
#include "postgres.h"

#include "events/event_cache.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "base/page_place.h"
#include "base/relation.h"
#include "base/shared_memory.h"
#include "base/version.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define CACHED_PARTITIONS 4
#define MAX_CACHED_RUNS 16
#define LOCAL_PAGES 1024
#define LEAST_SHARED_PAGES 4096
#define BUFFERS_PER_PAGE 8
#define MAX_PAGE_USERS 160

/* Memory is asked for in pieces of so many bytes. */
#define CACHE_LINE 64

/* Runs of more pages than this are asked for again, but not all the time. */
#define FEW_BLOCKS 64
#define REFRESH_INTERVAL USECS_PER_SEC

/* The pages that may hold a tail. */
typedef struct CachedRuns
{
	Oid			index;			/* InvalidOid: unused */
	uint64		signature;		/* of the index's pages */
	int64		minTxid;
	BlockNumber blocks;			/* of the partition then */
	TimestampTz made;
	int			count;
	BlockRun	runs[MAX_CACHED_RUNS];
} CachedRuns;

/* Whose events are on a page: 16 bits of each key, by line pointer; all zeros: unused. */
typedef struct CachedPage
{
	pg_atomic_uint32 version;
	Oid			database;
	Oid			partition;
	BlockNumber block;
	XLogRecPtr	lsn;
	int			count;
	uint16		users[MAX_PAGE_USERS];
} CachedPage;

typedef struct EventCache
{
	CachedRuns	partitions[CACHED_PARTITIONS];
	int			nextPartition;	/* to be overwritten */
} EventCache;

static EventCache *cache = NULL;
static CachedRuns pendingRuns;

static CachedPage *pages = NULL;
static uint32 pageCount;

/* Relcache callback: files may have been replaced. */
static void
ForgetRelation(Datum argument, Oid relationId)
{
	if (cache == NULL)
		return;
	for (int i = 0; i < CACHED_PARTITIONS; i++)
	{
		if (!OidIsValid(relationId) || cache->partitions[i].index == relationId)
			cache->partitions[i].index = InvalidOid;
	}
}

/* Begin with no pages. */
static void
ClearPages(void *memory)
{
	memset(memory, 0, sizeof(CachedPage) * pageCount);
}

/* Watch for relations that change, and ask for shared memory. */
void
EventCacheInit(void)
{
	RelationWatch(ForgetRelation);
	pageCount = Max(NBuffers / BUFFERS_PER_PAGE, LEAST_SHARED_PAGES);
	SharedMemoryRegister("personalize event pages", mul_size(sizeof(CachedPage), pageCount),
						 (void **) &pages, ClearPages);
}

/* The cache, made when first needed. */
static EventCache *
Cache(void)
{
	if (cache == NULL)
		cache = MemoryContextAllocZero(CacheMemoryContext, sizeof(EventCache));
	return cache;
}

/* LSN of a page in a buffer that is pinned, and maybe locked. */
static XLogRecPtr
PageLsn(Buffer buffer)
{
	return BufferGetLSNAtomic(buffer);
}

/* A number that changes whenever a page of the index does; 0: cannot be told. */
static uint64
IndexSignature(Relation index)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index);
	uint64		signature = blocks + 1;

	if (!RelationNeedsWAL(index))
		return 0;
	for (BlockNumber block = 0; block < blocks; block++)
	{
		Buffer		buffer = ReadBuffer(index, block);

		/* FNV-1a over words */
		signature = (signature ^ PageLsn(buffer)) * UINT64CONST(0x100000001b3);
		ReleaseBuffer(buffer);
	}
	return signature;
}

/* The remembered runs of an index, or NULL. */
static CachedRuns *
FindRuns(Oid index)
{
	for (int i = 0; i < CACHED_PARTITIONS; i++)
	{
		if (Cache()->partitions[i].index == index)
			return &cache->partitions[i];
	}
	return NULL;
}

/* True if asking the index again is worth it. */
static bool
IsWorthRefreshing(const CachedRuns *cached, BlockNumber blocks, int64 minTxid)
{
	BlockNumber pages = blocks - cached->blocks;

	if (minTxid == cached->minTxid)
		return false;
	for (int i = 0; i < cached->count; i++)
		pages += cached->runs[i].count;
	return pages > FEW_BLOCKS &&
		llabs(GetCurrentStatementStartTimestamp() - cached->made) > REFRESH_INTERVAL;
}

/* The pages that may hold txids from minTxid on; -1 if that is not known. */
int
EventCacheGetRuns(Relation brin, BlockNumber blocks, int64 minTxid, BlockRun **runs)
{
	CachedRuns *cached = FindRuns(RelationGetRelid(brin));
	int			count;

	if (cached == NULL || cached->minTxid > minTxid || cached->blocks > blocks ||
		IsWorthRefreshing(cached, blocks, minTxid) ||
		cached->signature != IndexSignature(brin))
		return -1;
	count = cached->count;
	*runs = palloc(sizeof(BlockRun) * (count + 1));
	memcpy(*runs, cached->runs, sizeof(BlockRun) * count);
	if (blocks == cached->blocks)
		return count;
	if (count > 0 && (*runs)[count - 1].start + (*runs)[count - 1].count == cached->blocks)
		(*runs)[count - 1].count += blocks - cached->blocks;
	else
	{
		(*runs)[count].start = cached->blocks;
		(*runs)[count++].count = blocks - cached->blocks;
	}
	return count;
}

/* The index is about to be asked. */
void
EventCacheBeginRuns(Relation brin, BlockNumber blocks, int64 minTxid)
{
	pendingRuns.index = RelationGetRelid(brin);
	pendingRuns.signature = IndexSignature(brin);
	pendingRuns.minTxid = minTxid;
	pendingRuns.blocks = blocks;
	pendingRuns.made = GetCurrentStatementStartTimestamp();
}

/* Remember what it said. */
void
EventCachePutRuns(Relation brin, const BlockRun *runs, int count)
{
	CachedRuns *cached = FindRuns(RelationGetRelid(brin));

	if (pendingRuns.signature == 0 || count > MAX_CACHED_RUNS ||
		pendingRuns.index != RelationGetRelid(brin))
		return;
	if (cached == NULL)
	{
		cached = &Cache()->partitions[cache->nextPartition];
		cache->nextPartition = (cache->nextPartition + 1) % CACHED_PARTITIONS;
	}
	*cached = pendingRuns;
	cached->count = count;
	memcpy(cached->runs, runs, sizeof(BlockRun) * count);
}

/* Sixteen bits of a user's key that its shard does not depend on. */
static inline uint16
UserBits(int64 userKey)
{
	return (uint16) (((uint64) userKey * UINT64CONST(0x9E3779B97F4A7C15)) >> 40);
}

/* The place of a page in the cache. */
static CachedPage *
PageSlot(Oid partition, BlockNumber block)
{
	if (pages == NULL)
	{
		pageCount = LOCAL_PAGES;
		pages = MemoryContextAllocZero(TopMemoryContext, sizeof(CachedPage) * pageCount);
	}
	return &pages[(block + partition * 389) % pageCount];
}

/* True if a place is that of a page. */
static inline bool
IsPage(const CachedPage *cached, Oid partition, BlockNumber block)
{
	return cached->partition == partition && cached->block == block && cached->database == MyDatabaseId;
}

/* Copy what is known of a page; false: nothing, or not of how it is now. */
static bool
CopyPage(Relation partition, BlockNumber block, Buffer buffer, CachedPage *copy)
{
	CachedPage *cached = PageSlot(RelationGetRelid(partition), block);
	uint32		version = VersionRead(&cached->version);

	if (!IsPage(cached, RelationGetRelid(partition), block))
		return false;
	memcpy(copy, cached, offsetof(CachedPage, users));
	memcpy(copy->users, cached->users, sizeof(copy->users[0]) * Min((uint32) cached->count, MAX_PAGE_USERS));
	return VersionHolds(&cached->version, version) &&
		IsPage(copy, RelationGetRelid(partition), block) && copy->lsn == PageLsn(buffer);
}

/* Remember what was read of a page, unless somebody is at its place. */
static void
KeepPage(const CachedPage *made)
{
	CachedPage *cached = PageSlot(made->partition, made->block);

	VersionWrite(&cached->version, &cached->database, &made->database, sizeof(CachedPage) - offsetof(CachedPage, database));
}

/* Read whose events are on a page; the whole page if they are not too many. */
static void
ReadPageUsers(CachedPage *made, Relation partition, BlockNumber block, Buffer buffer, int keyOffset)
{
	Page		page = BufferGetPage(buffer);

	made->database = MyDatabaseId;
	made->partition = RelationGetRelid(partition);
	made->block = block;
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	made->lsn = PageGetLSN(page);
	made->count = PageGetMaxOffsetNumber(page);
	for (int i = 0; i < Min(made->count, MAX_PAGE_USERS); i++)
	{
		ItemId		item = PageGetItemId(page, i + 1);
		HeapTupleHeader header;
		int64		key;

		made->users[i] = 0;
		if (!ItemIdIsNormal(item))
			continue;
		/* what takes the time is waiting for memory */
		if (i + EVENT_FETCH_AHEAD < made->count)
			EventFetchKey(page, i + 1 + EVENT_FETCH_AHEAD, keyOffset);
		header = (HeapTupleHeader) PageGetItem(page, item);
		memcpy(&key, (char *) header + header->t_hoff + keyOffset, sizeof(key));
		made->users[i] = UserBits(key);
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (made->count <= MAX_PAGE_USERS && RelationNeedsWAL(partition) && !XLogRecPtrIsInvalid(made->lsn))
		KeepPage(made);
}

/* A page will be asked for a user. */
void
EventCacheExpect(Relation partition, BlockNumber block)
{
#ifdef __GNUC__
	const char *place = (const char *) PageSlot(RelationGetRelid(partition), block);

	PagePlaceFetchPage(partition, block);
	for (int offset = 0; offset < sizeof(CachedPage); offset += CACHE_LINE)
		__builtin_prefetch(place + offset);
#endif
}

/* The line pointers of a page that may be events of the user. */
int
EventCacheFindOnPage(Relation partition, BlockNumber block, Buffer buffer,
					 int64 userKey, int keyOffset, OffsetNumber *found, int *total)
{
	CachedPage	page;
	uint16		bits = UserBits(userKey);
	bool		any = false;
	int			known;
	int			count = 0;

	if (!CopyPage(partition, block, buffer, &page))
		ReadPageUsers(&page, partition, block, buffer, keyOffset);
	*total = page.count;
	known = Min(page.count, MAX_PAGE_USERS);
	/* most pages hold none: a loop without a branch says so quickly */
	for (int i = 0; i < known; i++)
		any |= page.users[i] == bits;
	for (int i = 0; any && i < known; i++)
	{
		if (page.users[i] == bits)
			found[count++] = i + 1;
	}
	for (int i = known; i < page.count; i++)
		found[count++] = i + 1;
	return count;
}
