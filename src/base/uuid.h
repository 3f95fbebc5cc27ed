/*
 * uuid.h
 *		UUIDs.
 */
#ifndef PERSONALIZE_UUID_H
#define PERSONALIZE_UUID_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

/* Length of a UUID's text. */
#define UUID_TEXT_LENGTH 36

/* Read one in its usual form, hyphens and all; false if it is none. */
extern bool UuidParse(const char *string, int length, pg_uuid_t *uuid);

/* A random UUID, palloc'd: the server's gen_random_uuid(). */
static inline pg_uuid_t *
UuidRandom(void)
{
	LOCAL_FCINFO(call, 0);

	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetUUIDP(gen_random_uuid(call));
}

#endif
