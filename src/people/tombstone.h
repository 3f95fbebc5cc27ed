/*
 * tombstone.h
 *		Who was forgotten, and who of them has come back.
 */
#ifndef PERSONALIZE_TOMBSTONE_H
#define PERSONALIZE_TOMBSTONE_H

#include "postgres.h"

#include "base/keyed.h"
#include "datatype/timestamp.h"

/* What a tombstone says. */
typedef struct Tombstone
{
	TimestampTz forgottenAt;
	bool		returned;		/* by an explicit grant */
} Tombstone;

/* Open the tombstones for looking people up; NULL if there are none.  Close it with KeyedClose. */
extern KeyedTable *TombstoneOpen(void);

/* Read a person's tombstone; false if there is none. */
extern bool TombstoneRead(KeyedTable *tombstones, int64 userKey, Snapshot snapshot,
						  Tombstone *tombstone);

/* True if a person was forgotten and is not back. */
extern bool TombstoneStands(int64 userKey, Snapshot snapshot, Tombstone *tombstone);

/* The same as of now, whatever the transaction's snapshot sees. */
extern bool TombstoneStandsNow(int64 userKey, Tombstone *tombstone);

/* Set a tombstone, or set it anew; the caller is alone with the person and has begun SpiUtil. */
extern void TombstoneSet(int64 pseudonym, TimestampTz forgottenAt, int64 cutoff);

/* Say that a person for whom a tombstone stands has come back; the caller has begun SpiUtil. */
extern void TombstoneLift(int64 userKey, TimestampTz since);

#endif
