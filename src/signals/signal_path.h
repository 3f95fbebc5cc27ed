/*
 * signal_path.h
 *		Key and value paths: where a signal finds what it counts.
 */
#ifndef PERSONALIZE_SIGNAL_PATH_H
#define PERSONALIZE_SIGNAL_PATH_H

#include "postgres.h"

/* Where the value that is counted comes from. */
typedef enum SignalKeyKind
{
	SIGNAL_KEY_NONE,
	SIGNAL_KEY_ITEM,
	SIGNAL_KEY_CATEGORY,
	SIGNAL_KEY_BRAND,
	SIGNAL_KEY_TAGS,
	SIGNAL_KEY_PRICE_BAND,
	SIGNAL_KEY_PROPERTY
} SignalKeyKind;

/* A key or value path, parsed. */
typedef struct SignalPath
{
	SignalKeyKind kind;
	char	   *property;		/* of SIGNAL_KEY_PROPERTY */
	bool		words;			/* search words: lower-cased, one by one */
	bool		phrase;			/* all of them together */
} SignalPath;

/* Where the number comes from that the weight is multiplied with. */
typedef enum SignalFactor
{
	SIGNAL_FACTOR_ONE,
	SIGNAL_FACTOR_VALUE,		/* event.value */
	SIGNAL_FACTOR_PROPERTY
} SignalFactor;

/* Parse a key path, or a value path; false if malformed.  Names lie in the string. */
extern bool SignalPathParseKey(const char *string, SignalPath *path);
extern bool SignalPathParseValue(const char *string, SignalFactor *factor, char **property);

/* Complain unless a path is one. */
extern void SignalPathCheckKey(const char *string);
extern void SignalPathCheckValue(const char *string);

#endif
