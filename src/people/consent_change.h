/*
 * consent_change.h
 *		Decisions of a person, for those who record other than plain consent.
 */
#ifndef PERSONALIZE_CONSENT_CHANGE_H
#define PERSONALIZE_CONSENT_CHANGE_H

#include "datatype/timestamp.h"
#include "people/consent.h"

/* A decision of a person, to be written to the ledger. */
typedef struct ConsentDecision
{
	text	   *userId;
	int64		userKey;
	int32		purposes;
	bool		granted;
	text	   *source;
	text	   *basis;			/* NULL: consent, given or withdrawn */
	text	   *noticeVersion;	/* NULL: none */
	text	   *evidence;		/* NULL: none */
	bool		hasEffectiveAt;
	TimestampTz effectiveAt;
} ConsentDecision;

/* What holds when it is recorded. */
typedef struct ConsentOutcome
{
	int32		granted;		/* purposes the ledger allows */
	int32		decided;		/* purposes it has spoken about */
	int32		restricted;		/* purposes restricted nevertheless */

	/* by bit: since when the purpose is granted without a break, before and after */
	TimestampTz sinceBefore[PURPOSE_MAX];
	TimestampTz since[PURPOSE_MAX];	/* DT_NOEND: it is refused */
} ConsentOutcome;

/*
 * Lock the person's row in subject, making it if needed, append a decision to the
 * ledger and bring the row up to it.  After ConsentCacheNoteChange, with the
 * person's stripe locked.  outcome may be NULL.
 */
extern void ConsentRecord(const ConsentDecision *decision, ConsentOutcome *outcome);

/* The same; of a person who has no row yet it is asked before whether to record anything. */
typedef bool (*ConsentMayEnter) (const ConsentDecision *decision, void *arg);
extern bool ConsentRecordIf(const ConsentDecision *decision, ConsentOutcome *outcome,
							ConsentMayEnter mayEnter, void *arg);

/* Raise for a text of a decision that is too long to be kept; it is called by name. */
extern void ConsentCheckText(const char *what, const text *string);

/*
 * Withdraw: record it for the person whose id it is given for, and purge what needed the
 * purposes; the purposes still allowed.
 */
extern Datum ConsentWithdraw(ConsentDecision *decision, const PurposeCatalogue *purposes,
							 const char *function);

/* Purge what needed purposes without a decision, with the person's stripe locked. */
extern void ConsentTakeAway(int64 userKey, int32 bits);

#endif
