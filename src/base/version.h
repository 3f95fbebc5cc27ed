/*
 * version.h
 *		Copies of shared memory that are taken without a lock.
 *
 * A place has a version, which is odd while somebody writes it.  Who reads copies the place
 * between VersionRead and VersionHolds, and believes the copy only if the version is even and
 * still the same.  Who finds somebody else writing writes nothing.
 */
#ifndef PERSONALIZE_VERSION_H
#define PERSONALIZE_VERSION_H

#include "postgres.h"

#include "port/atomics.h"

/* Begin to read. */
static inline uint32
VersionRead(pg_atomic_uint32 *version)
{
	uint32		read = pg_atomic_read_u32(version);

	pg_read_barrier();
	return read;
}

/* True if what was copied since is whole. */
static inline bool
VersionHolds(pg_atomic_uint32 *version, uint32 read)
{
	pg_read_barrier();
	return read % 2 == 0 && read == pg_atomic_read_u32(version);
}

/* Write from one field of a place to its end, unless somebody is at it. */
static inline void
VersionWrite(pg_atomic_uint32 *version, void *to, const void *from, Size size)
{
	uint32		before = pg_atomic_read_u32(version);

	if (before % 2 != 0 || !pg_atomic_compare_exchange_u32(version, &before, before + 1))
		return;
	pg_write_barrier();
	memcpy(to, from, size);
	pg_write_barrier();
	pg_atomic_write_u32(version, before + 2);
}

#endif							/* PERSONALIZE_VERSION_H */
