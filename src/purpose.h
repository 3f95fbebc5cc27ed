/*
 * purpose.h
 *		What data may be used for: the catalogue of purposes.
 */
#ifndef PERSONALIZE_PURPOSE_H
#define PERSONALIZE_PURPOSE_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/snapshot.h"

/* Bits of the seeded purposes; purpose.bit. */
#define CONSENT_ANALYTICS		1
#define CONSENT_PERSONALIZATION	2
#define CONSENT_RECOMMENDATIONS	4
#define CONSENT_MARKETING		8

/* The most purposes there can be. */
#define CONSENT_MAX_PURPOSES	31

/* The purpose catalogue as a snapshot sees it. */
typedef struct ConsentPurposes
{
	int32		all;			/* bits of every purpose */
	int32		allowed;		/* bits allowed when nobody has spoken */
	char	   *names[CONSENT_MAX_PURPOSES];	/* by bit; NULL: none */
} ConsentPurposes;

/* Read the purpose catalogue. */
extern ConsentPurposes *ConsentReadPurposes(Snapshot snapshot);

/* The purpose catalogue as it is now, remembered until it changes. */
extern ConsentPurposes *ConsentPurposesNow(void);

/* Bit of a purpose's name; 0 if there is none. */
extern int32 ConsentPurposeBit(const ConsentPurposes *purposes, const char *name, int length);

/*
 * Bits of the purposes in a list written as text: a, b or "a","b", with or without
 * the braces of a text[] or the brackets of JSON; a name nobody knows adds none.
 */
extern int32 ConsentPurposeList(const ConsentPurposes *purposes, const char *list, int length);

/* Names of the purposes in a mask, comma separated, palloc'd. */
extern char *ConsentFormatMask(int32 mask, const ConsentPurposes *purposes);

/* The bits of named purposes; raises for a name that is not in the catalogue. */
extern int32 ConsentGetPurposes(ArrayType *array, const ConsentPurposes *purposes);

/* A mask as an array of names. */
extern Datum ConsentMaskToArray(int32 mask, const ConsentPurposes *purposes);

#endif
