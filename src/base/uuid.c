/*
 * uuid.c
 *		UUIDs.
 */
#include "postgres.h"

#include "base/uuid.h"

/* The value of a hexadecimal digit; -1 if it is none. */
static inline int
HexDigit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Read a uuid in its usual form, hyphens and all. */
bool
UuidParse(const char *string, int length, pg_uuid_t *uuid)
{
	const char *c = string;

	if (length != UUID_TEXT_LENGTH)
		return false;
	for (int i = 0; i < UUID_LEN; i++)
	{
		int			high;
		int			low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *c++ != '-')
			return false;
		high = HexDigit(*c++);
		low = HexDigit(*c++);
		if (high < 0 || low < 0)
			return false;
		uuid->data[i] = (unsigned char) (high << 4 | low);
	}
	return true;
}
