/*
 * consent_decode.h
 *		Consent as browsers and consent platforms report it.
 *
 * A payload is taken apart into sources (consent_source.c); what a source says
 * is held against table consent_mapping (consent_mapping.c), which alone decides
 * what it means; consent_decode.c makes a verdict on each purpose of it.
 */
#ifndef PERSONALIZE_CONSENT_DECODE_H
#define PERSONALIZE_CONSENT_DECODE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/*
 * Something in a payload that speaks about consent: either a document whose
 * values rows of consent_mapping look at, or the reason why it is no to
 * everything it could have spoken about.
 */
typedef struct ConsentSource
{
	const char *name;			/* consent_mapping.source */
	Jsonb	   *document;		/* NULL: nothing but no */
	const char *reason;			/* then why, one word */
	const char *detail;			/* and a sentence fragment, or NULL */
	bool		everything;		/* then to purposes without a mapping too */
	bool		onlyRefuses;	/* its yes is no consent */
	bool		ownValues;		/* values of the document are the sender's words */
} ConsentSource;

/* The sources in a payload that are understood without a mapping of one's own. */
extern List *ConsentSourceList(const Jsonb *payload, TimestampTz asOf);

/* True for names of such sources. */
extern bool ConsentSourceIsKnown(const char *name);

/* Point in time of the tenths of seconds in TC strings. */
extern TimestampTz ConsentTcfTime(uint64 deciseconds);

/* Called once when the library is loaded. */
extern void ConsentSourceInit(void);

#endif
