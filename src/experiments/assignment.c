/*
 * assignment.c
 *		Who gets which variant: a pure function of salts and the unit's key.
 *
 * A unit's slot is drawn with the salt of the layer, its variant with that of the
 * experiment.  SipHash makes draws with different salts independent, so that layers do
 * not know of each other (Tang, Agarwal, O'Brien, Meyer: Overlapping experiment
 * infrastructure, KDD 2010).  Nothing is stored: more slots bring units in and move none.
 */
#include "postgres.h"

#include "experiments/assignment.h"

#include "base/key.h"

/* Put a number down byte by byte, so that all machines hash the same. */
static void
PutNumber(unsigned char *bytes, uint64 number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) (number >> (8 * i));
}

/* A number in [0, 1) of a unit. */
double
AssignmentDrawNumber(AssignmentDraw draw, int64 salt, int64 unit)
{
	unsigned char bytes[17];

	PutNumber(bytes, (uint64) salt);
	PutNumber(bytes + 8, (uint64) unit);
	bytes[16] = (unsigned char) draw;
	return (KeyHash(bytes, sizeof(bytes)) >> 11) / (double) (UINT64CONST(1) << 53);
}

/* The salt of a name. */
int64
AssignmentSalt(const char *name)
{
	return (int64) KeyHash(name, strlen(name));
}
