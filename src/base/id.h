/*
 * id.h
 *		The one reader of ids.
 */
#ifndef PERSONALIZE_ID_H
#define PERSONALIZE_ID_H

#include "postgres.h"

/* Bytes of an id, not NUL-terminated. */
typedef struct IdBytes
{
	const char *data;
	int			length;
	char	   *made;			/* what was palloc'd for them, or NULL */
} IdBytes;

/* An id as it is kept: without blanks around it, composed. */
extern IdBytes IdTidy(IdBytes id);

/* What its key is made from, in UTF-8: tidy, and a UUID in lower case. */
extern IdBytes IdCanonical(IdBytes id);

/* True if two ids are one, however they are written. */
extern bool IdIsSame(const text *left, const text *right);

/* True if the bytes are a UUID of 36 characters. */
extern bool IdIsUuid(IdBytes id);

#endif
