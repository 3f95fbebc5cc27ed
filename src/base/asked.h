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

/* The condition column = value or column = ANY (values). */
extern Node *AskedMakeCondition(Node *column, Datum *values, int count);

#endif
