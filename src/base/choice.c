/*
 * choice.c
 *		What a name may be, and what to say when it is none of those there are.
 */
#include "postgres.h"

#include "base/choice.h"

#include "compat.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

/* Longer names are not compared. */
#define MAX_COMPARED 63

/* Longer ones are cut in messages. */
#define MAX_SHOWN 80

/* True if somebody may name something so. */
bool
ChoiceIsName(const char *name, int maxBytes)
{
	for (const char *c = name; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			return false;
	return strlen(name) <= maxBytes && name[strspn(name, " ")] != '\0';
}

/* A name as it may stand in a message. */
char *
ChoiceShow(const char *name)
{
	int			length = strlen(name);

	return length <= MAX_SHOWN ? pstrdup(name) : psprintf("%.*s...", pg_mbcliplen(name, length, MAX_SHOWN), name);
}

/* The place of a name in a list. */
int
ChoiceFind(const char *given, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(given, names[i]) == 0)
			return i;
	return -1;
}

/* The name with the fewest changes of letters, at most half of those given; NULL: none is near. */
static const char *
FindNearest(const char *given, const char *const *names, int count)
{
	int			length = strlen(given);
	int			least = length / 2 + 1;
	const char *nearest = NULL;

	for (int i = 0; i < count && length <= MAX_COMPARED; i++)
	{
		int			other = strlen(names[i]);
		int			distance;

		if (other > MAX_COMPARED)
			continue;
		distance = varstr_levenshtein_less_equal(given, length, names[i], other, 1, 1, 1, least, true);
		if (distance < least)
		{
			least = distance;
			nearest = names[i];
		}
	}
	return nearest;
}

/* A hint: the nearest name, and all there are. */
char *
ChoiceHint(const char *given, const char *kinds, const char *const *names, int count)
{
	const char *nearest = FindNearest(given, names, count);
	StringInfoData hint;

	initStringInfo(&hint);
	if (nearest != NULL)
		appendStringInfo(&hint, "Did you mean \"%s\"? ", nearest);
	appendStringInfo(&hint, "The %s are", kinds);
	for (int i = 0; i < count; i++)
		appendStringInfo(&hint, "%s %s", i == 0 ? ":" : ",", names[i]);
	appendStringInfoChar(&hint, '.');
	return hint.data;
}
