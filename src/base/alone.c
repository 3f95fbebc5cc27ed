/*
 * alone.c
 *		People whose events nobody else writes while something is done with them.
 */
#include "postgres.h"

#include "base/alone.h"

static int64 bothKeys[2];
static bool isAlone = false;
static uint64 number = 0;

/* Nobody else writes events of these people from now on. */
bool
AloneBegin(int64 userKey, int64 otherKey)
{
	if (isAlone)
		return false;
	bothKeys[0] = userKey;
	bothKeys[1] = otherKey;
	isAlone = true;
	number++;
	return true;
}

/* Others may again. */
void
AloneEnd(void)
{
	isAlone = false;
}

/* We have written events ourselves. */
void
AloneNoteWrites(void)
{
	number++;
}

/* A number that what is remembered of a person goes by; 0: nothing may be remembered. */
uint64
AloneWith(int64 userKey, const int64 **keys)
{
	*keys = bothKeys;
	return isAlone && (bothKeys[0] == userKey || bothKeys[1] == userKey) ? number : 0;
}
