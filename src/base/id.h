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

/* True, as of almost all ids, if it is seen at once that it is tidy. */
static inline bool
IdIsSurelyTidy(const char *data, int length)
{
	unsigned char all = 0;

	if (length < 1 || data[0] == '{' || data[0] <= ' ' || data[length - 1] <= ' ')
		return false;
	for (int i = 0; i < length; i++)
		all |= (unsigned char) data[i];
	return (all & 0x80) == 0 && data[0] != 0x7f && data[length - 1] != 0x7f;
}

/* What its key is made from, in UTF-8: tidy, and a UUID in lower case. */
extern IdBytes IdCanonical(IdBytes id);

/* True if two ids are one, however they are written. */
extern bool IdIsSame(const text *left, const text *right);

#endif
