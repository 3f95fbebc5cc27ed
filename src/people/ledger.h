/*
 * ledger.h
 *		Every decision about consent: append-only, chained per person.
 */
#ifndef PERSONALIZE_LEDGER_H
#define PERSONALIZE_LEDGER_H

#include "postgres.h"

#include "base/keyed.h"
#include "datatype/timestamp.h"

/* A decision to be written. */
typedef struct LedgerEntry
{
	TimestampTz effectiveAt;
	TimestampTz recordedAt;
	int32		purposes;
	bool		granted;
	text	   *source;
	text	   *basis;			/* NULL: none */
	text	   *noticeVersion;	/* NULL: none */
	bytea	   *evidenceDigest; /* NULL: none */
} LedgerEntry;

/* The basis of entries that restrict the use of data, or lift that, begins so. */
#define LEDGER_RESTRICTION "restriction"

/* What was once decided. */
typedef struct LedgerDecision
{
	TimestampTz effectiveAt;
	int32		purposes;
	bool		granted;
} LedgerDecision;

/* What the ledger says about a person; set userKey. */
typedef struct LedgerPerson
{
	int64		userKey;
	int32		granted;		/* purposes allowed */
	int32		decided;		/* purposes spoken about */
	TimestampTz latest;			/* effective time of the latest decision; DT_NOBEGIN: none */
	int			count;
	LedgerDecision *decisions;	/* in the order of effective time */
	int			tipCount;
	Datum	   *tips;			/* hashes (bytea) of entries that none follows, in byte order */
} LedgerPerson;

/* Open the ledger, for appending with RowExclusiveLock; close it with KeyedClose. */
extern KeyedTable *LedgerOpen(LOCKMODE lockMode);

/* What the ledger says now about purposes: per purpose the latest entry holds, of two at the same time the refusal. */
extern void LedgerReadMask(KeyedTable *ledger, int64 userKey, Snapshot snapshot,
						   int32 *granted, int32 *decided);

/* Everything it says about a person, to decide on the next entry. */
extern void LedgerReadPerson(KeyedTable *ledger, LedgerPerson *person, Snapshot snapshot);

/* What would hold with one more entry. */
extern void LedgerDecide(const LedgerPerson *person, const LedgerEntry *entry,
						 int32 *granted, int32 *decided);

/*
 * Since when a purpose is granted without a break: since the first grant after
 * the last refusal; DT_NOEND if it is refused, DT_NOBEGIN if it never was.
 */
extern TimestampTz LedgerGrantedSince(const LedgerPerson *person, const LedgerEntry *entry, int32 bit);

/*
 * Append an entry.  It follows the tips of its person that the writing
 * transaction has read: those it cannot see stay tips, and the next entry joins
 * them.  ConsentCacheNoteChange has been called.
 */
extern void LedgerAppend(KeyedTable *ledger, const LedgerPerson *person, const LedgerEntry *entry);

/*
 * Let the entries of an erased person count for nobody: the pseudonym takes the
 * place of the key, and the chain still verifies.  Returns how many there were.
 */
extern int64 LedgerErase(int64 userKey);

/* Take out of the ledger what was superseded before a time, or only count it; how many entries. */
extern int64 LedgerPrune(TimestampTz before, bool dryRun);

#endif
