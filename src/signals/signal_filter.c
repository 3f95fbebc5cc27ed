/*
 * signal_filter.c
 *		Whether an event passes a signal's filter.
 *
 * jsonpath finds no order between a string and a number, so "89.90" would pass
 * no filter that says > 50.  Properties that the filter compares with numbers
 * are therefore read as numbers, if they are strings that hold one and the
 * filter fails on them as they are.
 */
#include "postgres.h"

#include "signals/signal.h"

#include "base/json_build.h"
#include "base/json_filter.h"
#include "base/json_member.h"
#include "base/number.h"
#include "compat.h"
#include "events/event_field.h"
#include "miscadmin.h"
#include "signals/signal_internal.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* The name of a property if a part of the filter is $.name or @.name. */
static const char *
GetName(JsonPathItem *item, int32 *length)
{
	JsonPathItem next;

	if ((item->type != jpiRoot && item->type != jpiCurrent) || !jspGetNext(item, &next) ||
		next.type != jpiKey || jspHasNext(&next))
		return NULL;
	return jspGetString(&next, length);
}

/* Note a property that is compared with a number. */
static void
NoteComparison(JsonPathItem *path, JsonPathItem *number, Signal *signal)
{
	int32		length;
	const char *name;

	if (number->type != jpiNumeric || (name = GetName(path, &length)) == NULL ||
		signal->filterNumberCount == SIGNAL_MAX_FILTER_NUMBERS)
		return;
	signal->filterNumbers[signal->filterNumberCount++] = pnstrdup(name, length);
}

/* Walk a part of the filter. */
static void
FindNumbers(JsonPathItem *item, Signal *signal)
{
	JsonPathItem left;
	JsonPathItem right;

	check_stack_depth();
	switch (item->type)
	{
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
			jspGetLeftArg(item, &left);
			jspGetRightArg(item, &right);
			NoteComparison(&left, &right, signal);
			NoteComparison(&right, &left, signal);
			break;
		case jpiAnd:
		case jpiOr:
			jspGetLeftArg(item, &left);
			jspGetRightArg(item, &right);
			FindNumbers(&left, signal);
			FindNumbers(&right, signal);
			break;
		case jpiNot:
		case jpiFilter:
		case jpiExists:
		case jpiIsUnknown:
			jspGetArg(item, &left);
			FindNumbers(&left, signal);
			break;
		default:
			break;
	}
	if (jspGetNext(item, &right))
		FindNumbers(&right, signal);
}

/* Find the properties that a filter compares with numbers. */
void
SignalFindFilterNumbers(Signal *signal)
{
	JsonPathItem root;

	jspInit(&root, signal->filter);
	FindNumbers(&root, signal);
}

/* The properties with numbers instead of strings that the filter compares with numbers; NULL if there are none. */
static Jsonb *
ReadNumbers(const Signal *signal, Jsonb *properties)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;
	int			count = 0;

	for (int i = 0; i < signal->filterNumberCount; i++)
	{
		char	   *name = signal->filterNumbers[i];
		Numeric		number;
		const char *problem;

		if (!JsonMember(&properties->root, name, &value) ||
			value.type != jbvString || NumberFromJson(&value, &number, &problem) != NUMBER_READ)
			continue;
		if (count++ == 0)
		{
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
			EventFieldsPush(&state, &properties->root, 0);
		}
		value.type = jbvNumeric;
		value.val.numeric = number;
		JsonPushValue(&state, name, &value);
	}
	return count == 0 ? NULL : JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* True if the event passes the signal's filter. */
bool
SignalPassesFilter(const Signal *signal, const EventRow *row)
{
	Jsonb	   *numbers;

	if (signal->filter == NULL)
		return true;
	if (row->properties == NULL)
		return false;
	if (JsonFilterAgrees(signal->filter, row->properties, false))
		return true;
	numbers = ReadNumbers(signal, row->properties);
	return numbers != NULL && JsonFilterAgrees(signal->filter, numbers, false);
}
