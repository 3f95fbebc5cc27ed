/*
 * keyed.h
 *		Packed rows read and written by key, straight through the table AM.
 */
#ifndef PERSONALIZE_KEYED_H
#define PERSONALIZE_KEYED_H

#include "postgres.h"

#include "access/genam.h"
#include "access/sdir.h"
#include "base/row_place.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* The most key columns a scan can fix or bound. */
#define KEYED_MAX_KEYS 5

/* A table and the one index that is searched. */
typedef struct KeyedTable KeyedTable;

/*
 * Open a table of the extension and its index, whose name must stay.  Everything it needs is
 * allocated in the current context, which must outlive it; contexts that are
 * current later may be reset freely.
 */
extern KeyedTable *KeyedOpen(const char *table, const char *index, LOCKMODE lockMode);

/* The same for reading; NULL: the table has no page, and so no row.  Quicker where that is usual. */
extern KeyedTable *KeyedOpenFilled(const char *table, const char *index);
extern void KeyedClose(KeyedTable *table);

/* The table itself. */
extern Relation KeyedRelation(KeyedTable *table);

/*
 * Look rows up whose first keyCount key columns are as given; the last of them
 * may be bounded instead: strategy is a BT...StrategyNumber.  Key columns are
 * bigint, timestamptz, integer, date, smallint or boolean.  The slot that KeyedNext returns lives
 * until the next call; NULL: no more.
 */
extern void KeyedSeek(KeyedTable *table, Snapshot snapshot, int keyCount,
					  const Datum *keys, StrategyNumber strategy);
extern TupleTableSlot *KeyedNext(KeyedTable *table, ScanDirection direction);

/*
 * Before the first search of a key whose rows are written again and again: of a row that was
 * found other versions are not looked at, of which an old snapshot may keep hundreds.  The
 * newest is what a search comes upon first that goes backward.
 */
extern void KeyedPassVersions(KeyedTable *table);

/* The row of a whole key, of which there is one, or NULL; as KeyedNext gives it. */
extern TupleTableSlot *KeyedSeekOne(KeyedTable *table, Snapshot snapshot, int keyCount, const Datum *keys);

/*
 * The same by the first column alone, a bigint, for keys of few rows that are asked for again
 * and again: where an index has them is remembered (leaf_find.h).
 */
extern void KeyedSeekFew(KeyedTable *table, Snapshot snapshot, int64 key);

/* That is about to be done for each of these keys: it is quicker when said before. */
extern void KeyedExpectFew(KeyedTable *table, const int64 *keys, int count);

/*
 * The row of a key that is one number, or NULL; as KeyedNext gives it.  Where it was
 * found is remembered (row_place.h): for rows that are asked for again and again.
 */
extern TupleTableSlot *KeyedFind(KeyedTable *table, Snapshot snapshot, int64 key);

/*
 * The same of a table whose first column is the key, for rows that are locked or changed
 * again and again, or lie beside such.
 */
extern TupleTableSlot *KeyedFindChanging(KeyedTable *table, Snapshot snapshot, int64 key);

/*
 * What is to be known of the row of a key without looking at it; false: that is not known.
 * KeyedKeepDigest says it of the row that KeyedFind has given.
 */
extern bool KeyedDigest(KeyedTable *table, Snapshot snapshot, int64 key, RowDigest *digest);
extern void KeyedKeepDigest(KeyedTable *table, Snapshot snapshot, int64 key, const RowDigest *digest);

/* Rows of these keys are about to be found: it is quicker for many when said before. */
extern void KeyedExpect(KeyedTable *table, const int64 *keys, int count);

/*
 * Lock the row that KeyedNext gave against changes, waiting for whoever is at it,
 * and give its latest version, which lives until the table is closed; NULL: it
 * is deleted.  An error above READ COMMITTED if it had to be waited for.
 */
extern TupleTableSlot *KeyedLockRow(KeyedTable *table, TupleTableSlot *row);

/*
 * Write under the current command id; nulls may be NULL.  tid is that of a row
 * KeyedNext gave.  A row of a key that is there already is an error, except for
 * KeyedTryInsert: it does not wait for whoever may be inserting the same and gives
 * false.
 */
extern void KeyedInsert(KeyedTable *table, const Datum *values, const bool *nulls);
extern bool KeyedTryInsert(KeyedTable *table, const Datum *values, const bool *nulls);
extern void KeyedUpdate(KeyedTable *table, ItemPointer tid, const Datum *values, const bool *nulls);
extern void KeyedDelete(KeyedTable *table, ItemPointer tid);

#endif
