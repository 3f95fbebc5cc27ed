/*
 * event_asked.c
 *		Conditions on the name of an event, answered by its number.
 *
 * Events know their kind by number, and views show its name.  Of a name the planner
 * knows only that there are so many of them; of a number it knows how many events
 * there are.  So a view asks _event_asked(name, event) of its rows, which says nothing
 * but yes; the planner's support function looks for a condition on the name, and puts
 * the condition on the number in its place, which the former implies.
 */
#include "postgres.h"

#include "base/asked.h"
#include "compat.h"
#include "events/event.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"

PG_FUNCTION_INFO_V1(personalize_event_asked);
PG_FUNCTION_INFO_V1(personalize_event_asked_support);

/* _event_asked(name, event): yes. */
Datum
personalize_event_asked(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* True for the column with the name. */
static bool
IsName(void *name, PlannerInfo *root, Node *node)
{
	return equal(node, name);
}

/* The numbers of names; false if one is not the name of a kind, to the letter. */
static bool
FindNumbers(const AskedTexts *names, Datum *numbers)
{
	for (int i = 0; i < names->count; i++)
	{
		const char *name = VARDATA_ANY(names->texts[i]);
		int			length = VARSIZE_ANY_EXHDR(names->texts[i]);
		int			event = EventTypeLookup(name, length);
		char	   *found = event > 0 ? EventTypeName(event) : NULL;

		if (found == NULL || strlen(found) != length || memcmp(found, name, length) != 0)
			return false;
		numbers[i] = Int16GetDatum(event);
	}
	return true;
}

/* Planner support of _event_asked(). */
Datum
personalize_event_asked_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *call = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	List	   *conditions;
	const AskedTexts *names;
	Datum	   *numbers;

	if (!IsA(call, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	conditions = AskedConditions(call->root, IsName, linitial(call->fcall->args));
	if (conditions == NIL)
		PG_RETURN_POINTER(makeBoolConst(true, false));
	names = linitial(conditions);
	numbers = palloc(sizeof(Datum) * Max(names->count, 1));
	PG_RETURN_POINTER(FindNumbers(names, numbers)
					  ? AskedMakeCondition(lsecond(call->fcall->args), numbers, names->count)
					  : makeBoolConst(true, false));
}
