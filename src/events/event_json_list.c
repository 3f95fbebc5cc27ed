/*
 * event_json_list.c
 *		Takes a text of many messages apart, of which some cannot be read.
 *
 * Messages are cut out by their brackets and quotes, and then read one by one.
 * Where these do not match, the message is taken to end at the next "},{", so that
 * a message cut short costs its neighbours nothing; one whose quotes mislead may
 * take them along.
 */
#include "postgres.h"

#include "events/event_json.h"

#include "compat.h"
#include "events/event_field.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

/* Brackets may be so deep; and a message that does not end has ended after so many bytes. */
#define MAX_DEPTH 1000
#define MAX_MESSAGE_BYTES (1024 * 1024)

/* Behind what JSON takes for blanks. */
static const char *
SkipBlanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* Behind the string that begins here; NULL if it does not end. */
static const char *
SkipString(const char *at, const char *end)
{
	for (at++; at < end; at++)
	{
		if (*at == '"')
			return at + 1;
		if (*at == '\\')
			at++;
	}
	return NULL;
}

/* Behind the value that begins here, to the comma or bracket that ends it; NULL if none does. */
static const char *
SkipValue(const char *at, const char *end)
{
	char		open[MAX_DEPTH];
	int			depth = 0;

	if (end - at > MAX_MESSAGE_BYTES)
		end = at + MAX_MESSAGE_BYTES;
	while (at < end)
	{
		if (depth == 0 && (*at == ',' || *at == ']' || *at == '}'))
			return at;
		if (*at == '"')
		{
			if ((at = SkipString(at, end)) == NULL)
				return NULL;
			continue;
		}
		if (*at == '{' || *at == '[')
		{
			if (depth == MAX_DEPTH)
				return NULL;
			open[depth++] = *at;
		}
		else if ((*at == '}' || *at == ']') && open[--depth] != (*at == '}' ? '{' : '['))
			return NULL;
		at++;
	}
	return NULL;
}

/* Behind the next "}" after which "," and "{" follow; the end if there is none. */
static const char *
SkipToNextObject(const char *at, const char *end)
{
	while ((at = memchr(at, '}', end - at)) != NULL)
	{
		const char *next = SkipBlanks(++at, end);

		if (next < end && *next == ',')
		{
			next = SkipBlanks(next + 1, end);
			if (next < end && *next == '{')
				return at;
		}
	}
	return end;
}

/* Begin to take a list apart that cannot be read as a whole. */
void
EventJsonListBegin(EventJsonList *list, IngestString text)
{
	list->end = text.data + text.length;
	list->at = SkipBlanks(text.data, list->end);
	list->isArray = list->at < list->end && *list->at == '[';
	if (list->isArray)
		list->at++;
}

/* The next line that is not blank. */
static bool
NextLine(EventJsonList *list, IngestString *message)
{
	const char *lineEnd;

	list->at = SkipBlanks(list->at, list->end);
	lineEnd = memchr(list->at, '\n', list->end - list->at);
	if (lineEnd == NULL)
		lineEnd = list->end;
	*message = (IngestString) {list->at, lineEnd - list->at};
	list->at = lineEnd;
	return message->length > 0;
}

/* The next element of the array; behind the array, what should not be there. */
static bool
NextElement(EventJsonList *list, IngestString *message)
{
	const char *start = SkipBlanks(list->at, list->end);
	const char *stop;

	while (start < list->end && *start == ',')
		start = SkipBlanks(start + 1, list->end);
	if (start < list->end && *start == ']')
	{
		list->at = start + 1;
		list->isArray = false;
		return NextLine(list, message);
	}
	stop = SkipValue(start, list->end);
	if (stop == NULL || *stop == '}')
		stop = SkipToNextObject(start, list->end);
	*message = (IngestString) {start, stop - start};
	list->at = stop;
	return message->length > 0;
}

/* The text of the next message; false at the end. */
bool
EventJsonListNext(EventJsonList *list, IngestString *message)
{
	CHECK_FOR_INTERRUPTS();
	return list->isArray ? NextElement(list, message) : NextLine(list, message);
}

/* The text of a member's value, if the object's quotes and brackets match so far. */
static bool
FindMember(IngestString text, const char *name, IngestString *value)
{
	const char *end = text.data + text.length;
	const char *at = SkipBlanks(text.data, end);

	if (at == end || *at != '{')
		return false;
	do
	{
		const char *key = SkipBlanks(at + 1, end);
		const char *keyEnd = key < end && *key == '"' ? SkipString(key, end) : NULL;
		const char *stop;

		if (keyEnd == NULL)
			return false;
		at = SkipBlanks(keyEnd, end);
		if (at == end || *at != ':')
			return false;
		at = SkipBlanks(at + 1, end);
		stop = SkipValue(at, end);
		if (stop == NULL)
			return false;
		if (keyEnd - key == strlen(name) + 2 && memcmp(key + 1, name, strlen(name)) == 0)
		{
			*value = (IngestString) {at, stop - at};
			return true;
		}
		at = stop;
	} while (*at == ',');
	return false;
}

/* The value of a member of the object in a text that cannot be read as a whole. */
bool
EventJsonFind(IngestString text, const char *name, IngestString *value)
{
	IngestString found;
	JsonbValue	scalar;
	Jsonb	   *json;
	char	   *reason;

	if (!FindMember(text, name, &found) || (json = EventJsonRead(found, &reason)) == NULL)
		return false;
	return JB_ROOT_IS_SCALAR(json) && JsonbExtractScalar(&json->root, &scalar) &&
		EventFieldScalar(&scalar, value);
}
