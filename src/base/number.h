/*
 * number.h
 *		The one reader of numbers that people and programs write.
 */
#ifndef PERSONALIZE_NUMBER_H
#define PERSONALIZE_NUMBER_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef enum NumberStatus
{
	NUMBER_READ,
	NUMBER_ABSENT,				/* JSON null or blanks only: nothing was said */
	NUMBER_REFUSED
} NumberStatus;

/*
 * Read a number.  If it is refused, *problem says why, to be put behind the
 * quoted value: "is not a number".  Never raises.
 */
extern NumberStatus NumberRead(const char *string, int length, Numeric *number, const char **problem);

/* The same for a JSON value, which may be a number or a string. */
extern NumberStatus NumberFromJson(const JsonbValue *value, Numeric *number, const char **problem);

/* Millionths as a number, without zeros at its end. */
extern Datum NumberOfMillionths(int64 millionths);

/* Compare a number with a whole one: negative, 0 or positive. */
extern int	NumberCompare(Numeric number, int64 other);

/* Leave out the blanks around a string. */
extern void NumberTrim(const char **string, int *length);

#endif
