/*
 * assignment.h
 *		Who gets which variant: a pure function of salts and the unit's key.
 */
#ifndef PERSONALIZE_ASSIGNMENT_H
#define PERSONALIZE_ASSIGNMENT_H

#include "postgres.h"

/* A layer is divided into so many slots, which experiments take; a share of traffic is whole slots. */
#define ASSIGNMENT_SLOTS 1000

/* What a number is drawn for; draws for different things are independent. */
typedef enum AssignmentDraw
{
	DRAW_SLOT,
	DRAW_VARIANT,
	DRAW_HOLDOUT
} AssignmentDraw;

/* A number in [0, 1) of a unit, the same in every session, on every machine. */
extern double AssignmentDrawNumber(AssignmentDraw draw, int64 salt, int64 unit);

/* The slot of a unit, from 0. */
static inline int
AssignmentSlot(int64 salt, int64 unit)
{
	return (int) (AssignmentDrawNumber(DRAW_SLOT, salt, unit) * ASSIGNMENT_SLOTS);
}

/* The salt of a name. */
extern int64 AssignmentSalt(const char *name);

#endif
