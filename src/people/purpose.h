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
#define PURPOSE_ANALYTICS		1
#define PURPOSE_PERSONALIZATION	2
#define PURPOSE_RECOMMENDATIONS	4
#define PURPOSE_MARKETING		8

/* The most purposes there can be. */
#define PURPOSE_MAX	31

/* The purpose catalogue as a snapshot sees it. */
typedef struct PurposeCatalogue
{
	int32		all;			/* bits of every purpose */
	int32		allowed;		/* bits allowed when nobody has spoken */
	char	   *names[PURPOSE_MAX];	/* by bit; NULL: none */
} PurposeCatalogue;

/* Read the purpose catalogue. */
extern PurposeCatalogue *PurposeCatalogueRead(Snapshot snapshot);

/* The purpose catalogue as it is now, remembered until it changes. */
extern PurposeCatalogue *PurposeCatalogueNow(void);

/* Bit of a purpose's name; 0 if there is none. */
extern int32 PurposeBit(const PurposeCatalogue *purposes, const char *name, int length);

/*
 * Bits of the purposes in a list written as text: a, b or "a","b", with or without
 * the braces of a text[] or the brackets of JSON; a name nobody knows adds none.
 */
extern int32 PurposeReadList(const PurposeCatalogue *purposes, const char *list, int length);

/* Names of the purposes in a mask, comma separated, palloc'd. */
extern char *PurposeFormatMask(int32 mask, const PurposeCatalogue *purposes);

/* A hint about a name that is not in the catalogue, palloc'd: the nearest one, and all. */
extern char *PurposeHint(const char *name, const PurposeCatalogue *purposes);

/* The bits of named purposes; raises for a name that is not in the catalogue. */
extern int32 PurposeGetMask(ArrayType *array, const PurposeCatalogue *purposes);

/* A mask as an array of names. */
extern Datum PurposeMaskToArray(int32 mask, const PurposeCatalogue *purposes);

#endif
