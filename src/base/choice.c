/*
 * choice.c
 *		What a name may be, and what to say when it is none of those there are.
 */
#include "postgres.h"

#include "base/choice.h"

#include "catalog/pg_type_d.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(personalize_choice_hint);

/* Longer names are not compared. */
#define MAX_COMPARED 63

/* No more are listed. */
#define MAX_LISTED 80

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

/* The nearest name, as a sentence before others. */
char *
ChoiceNearest(const char *given, const char *const *names, int count)
{
	const char *nearest = FindNearest(given, names, count);

	return nearest == NULL ? pstrdup("") : psprintf("Did you mean \"%s\"? ", nearest);
}

/* A hint: the nearest name, and those there are. */
char *
ChoiceHint(const char *given, const char *kinds, const char *const *names, int count)
{
	StringInfoData hint;

	initStringInfo(&hint);
	appendStringInfoString(&hint, ChoiceNearest(given, names, count));
	if (count == 0)
	{
		appendStringInfo(&hint, "There are no %s.", kinds);
		return hint.data;
	}
	appendStringInfo(&hint, "The %s are", kinds);
	for (int i = 0; i < Min(count, MAX_LISTED); i++)
		appendStringInfo(&hint, "%s %s", i == 0 ? ":" : ",", names[i]);
	if (count > MAX_LISTED)
		appendStringInfo(&hint, " and %d more", count - MAX_LISTED);
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/* _choice_hint(given, kinds, names) */
Datum
personalize_choice_hint(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	bool	   *nulls;
	const char **names;
	int			given;
	int			count = 0;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &given);
	names = palloc_array(const char *, Max(given, 1));
	for (int i = 0; i < given; i++)
		if (!nulls[i])
			names[count++] = TextDatumGetCString(values[i]);
	PG_RETURN_TEXT_P(cstring_to_text(ChoiceHint(text_to_cstring(PG_GETARG_TEXT_PP(0)),
												text_to_cstring(PG_GETARG_TEXT_PP(1)), names, count)));
}
