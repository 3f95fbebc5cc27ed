/*
 * exposure_internal.h
 *		What the files of the exposures share.
 */
#ifndef PERSONALIZE_EXPOSURE_INTERNAL_H
#define PERSONALIZE_EXPOSURE_INTERNAL_H

#include "postgres.h"

#include <math.h>

#include "base/key_set.h"
#include "base/keyed.h"
#include "base/table_writer.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/hsearch.h"
#include "utils/snapshot.h"

/* Something shown: a row of exposure.  Of queries and origins, 0 is none; of scores, not a number. */
typedef struct Shown
{
	int64		request;
	int64		item;
	TimestampTz at;
	int64		origin;
	int64		query;
	int16		slot;
	int16		reason;
	float		score;
} Shown;

/* True if two scores are one, or there is none on either side. */
static inline bool
ScoreIsSame(float a, float b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* The same as it is, and as it is stored. */
typedef struct ShownRow
{
	Shown		now;
	Shown		before;
	bool		stored;
	ItemPointerData tid;
} ShownRow;

/*
 * Outcome.origin where an outcome names a request of ours in which its item was shown, and
 * has been counted with that, which is past its time: its row stays, so that whoever counts
 * anew does not take it for one of which nothing was shown.
 */
#define EXPOSURE_ORIGIN_GONE (-1)
#define EXPOSURE_ORIGIN_GONE_SQL "-1"

/* What somebody did about an item: a row of exposure_outcome.  request 0: it names none. */
typedef struct Outcome
{
	TimestampTz at;
	int64		item;
	int64		request;
	int64		origin;
	int64		amount;
	int32		currency;
	int16		event;
	int16		ordinal;
} Outcome;

/*
 * The same, with the request it is attributed to (0: none) and its place among what was
 * done at that moment, both now and as they are stored.
 */
typedef struct OutcomeRow
{
	Outcome		what;
	int64		target;
	int64		before;
	int32		place;
	int32		placeBefore;
	bool		stored;
	ItemPointerData tid;
} OutcomeRow;

/* What is known of some requests of a person: all that was shown, and what came of it. */
typedef struct PersonExposures
{
	int64		userKey;
	int			shownCount;
	int			shownCapacity;
	ShownRow   *shown;			/* by request and item, when it matters */
	int			outcomeCount;
	int			outcomeCapacity;
	OutcomeRow *outcomes;
	KeySet		requests;		/* those that are here as a whole */
} PersonExposures;

/* What came of something shown. */
typedef enum OutcomeKind
{
	OUTCOME_CLICK,
	OUTCOME_CART,
	OUTCOME_PURCHASE
} OutcomeKind;
#define OUTCOME_KINDS 3

/*
 * exposure_person.c: order rows of outcomes by time, and then by all that tells them apart;
 * by what they name, item and kind; and rows of what was shown by request and item.
 */
extern OutcomeKind ExposureOutcomeKind(int16 event);
extern int	ExposureCompareOutcomes(const void *left, const void *right);
extern int	ExposureCompareKinds(const void *left, const void *right);
extern int	ExposureCompareShown(const void *left, const void *right);

/* exposure.c: facts of events, in the batch they come with. */
typedef struct ShownFact
{
	int64		userKey;
	Shown		shown;
} ShownFact;

typedef struct OutcomeFact
{
	int64		userKey;
	Outcome		outcome;
} OutcomeFact;

/* exposure_count.c: what is to be added to the counters. */
typedef struct ExposureCounts ExposureCounts;

extern ExposureCounts *ExposureCountsBegin(void);

/* Add what a person's requests come to, as they are or as they are stored. */
extern void ExposureCountsAdd(ExposureCounts *counts, PersonExposures *person, bool stored, int times);
extern void ExposureCountsWrite(ExposureCounts *counts);

/* Add what is counted once for several stored rows; of outcomes only those are here of which nothing was shown. */
extern void ExposureCountsAddOnce(ExposureCounts *counts, PersonExposures *person, int times);

/*
 * Compare the counters of the tables with these; of days, since 2000-01-01, before since
 * there may be more.
 */
struct ProcessorVerification;
extern void ExposureCountsCompare(ExposureCounts *counts, struct ProcessorVerification *verification, int64 since);

/* Make engine_stat, search_stat and _searcher these, which are used up; who calls holds their lock exclusively. */
extern void ExposureCountsMend(ExposureCounts *counts, int64 since);

/* exposure_row.c: the tables, opened, each by the indexes that are searched. */
typedef struct ExposureTables
{
	Snapshot	snapshot;
	KeyedTable *shownByRequest;
	KeyedTable *shownByTime;
	KeyedTable *outcomesByTime;
	KeyedTable *outcomesByTarget;

	/* new rows, of many people at a time */
	MemoryContext context;
	LazyWriter	newShown;
	LazyWriter	newOutcomes;
} ExposureTables;

extern ExposureTables *ExposureTablesOpen(LOCKMODE lockMode, Snapshot snapshot);
extern void ExposureTablesClose(ExposureTables *tables);

/* Rows of them in a slot. */
extern Shown ExposureReadShown(TupleTableSlot *slot);
extern OutcomeRow ExposureReadOutcome(TupleTableSlot *slot);

/* Write what changes of a person's rows. */
extern void ExposureWriteRows(ExposureTables *tables, PersonExposures *person);

/* exposure_person.c: take in facts of a person, count and write what changes. */
extern void ExposureApply(ExposureTables *tables, ExposureCounts *counts, int64 userKey,
						  const ShownFact *shown, int shownCount,
						  const OutcomeFact *outcomes, int outcomeCount);

/* All that is stored of a person. */
extern PersonExposures *ExposureLoadAll(ExposureTables *tables, int64 userKey);

/* What facts alone come to; nothing is read. */
extern PersonExposures *ExposureCompute(int64 userKey, const ShownFact *shown, int shownCount,
										const OutcomeFact *outcomes, int outcomeCount);

/* exposure_rebuild.c: who has rows, as the active snapshot sees it. */
extern KeySet ExposurePeople(void);

/* Add what the rows of people come to, but for those who are not counted. */
extern void ExposureCountsAddPeople(ExposureCounts *counts, ExposureTables *tables, const KeySet *people, int times);

/* Forget what was counted of the people of some shards. */
extern void ExposureClear(const bool *shards);

/* exposure_expire.c: delete what was shown before a time, at most so much, and what followed; how much it was. */
extern int64 ExposureExpire(TimestampTz before, int64 maxRows);

/*
 * exposure_verify.c: compare the rows of people with those that the facts of a pass,
 * sorted by person, come to; and, in the pass with the first shard, the counters with
 * the rows of everybody.
 */
extern void ExposureVerify(struct ProcessorVerification *verification, const ShownFact *shown, int shownCount,
						   const OutcomeFact *outcomes, int outcomeCount);

/* How long an impression is credited with what names no request, in microseconds. */
extern int64 ExposureWindow(void);

#endif
