/*
 * asked.h
 *		What a statement asks for by name, seen by a planner's support function.
 */
#ifndef PERSONALIZE_ASKED_H
#define PERSONALIZE_ASKED_H

#include "postgres.h"

#include "nodes/pathnodes.h"

/* The texts that one condition asks for: some of them, or none at all. */
typedef struct AskedTexts
{
	int			count;
	text	  **texts;
} AskedTexts;

/* True for the expression whose conditions are wanted. */
typedef bool (*AskedMatch) (void *arg, PlannerInfo *root, Node *node);

/*
 * The conditions expression = value and expression = ANY (values) that every row of
 * a query meets, where the values are known whenever the plan is run.
 */
extern List *AskedConditions(PlannerInfo *root, AskedMatch match, void *arg);

/*
 * Support of functions that views show, and whose conditions another function of the view
 * answers (SupportRequestSimplify): where the one value is asked for that all rows have, it
 * takes the call's place, so that the condition is no longer estimated as one of which
 * nothing is known.  The other function stands in the WHERE of the view, which is looked at
 * before what asks for columns of the view is.
 */
extern Node *AskedValue(Node *request);

/* True for a call with the same arguments of the function that a view shows, a name in personalize_internal. */
extern bool AskedIsCall(Node *node, const char *shown, List *arguments);

/* Of conditions: the value, if they are for one; else NULL. */
extern const text *AskedOne(List *conditions);

/* A condition that says true of a call that is not NULL. */
extern Node *AskedMakeNotNull(Node *call);

/* The condition column = value or column = ANY (values). */
extern Node *AskedMakeCondition(Node *column, Datum *values, int count);

#endif
