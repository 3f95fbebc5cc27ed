/*
 * exposure_verify.c
 *		What the processor exposure holds against what the raw events say.
 *
 * Of each person the rows are compared one by one with what the events come to, as far
 * as both are complete.  The counters are compared with the rows: those of days whose
 * rows may be gone may be more.
 */
#include "postgres.h"

#include "exposures/exposure_internal.h"

#include "base/interval.h"
#include "base/shard.h"
#include "compat.h"
#include "events/gone.h"
#include "miscadmin.h"
#include "people/purpose.h"
#include "people/restriction.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "workers/processor_verify.h"

/*
 * How many rows are said to be found: a row that nothing explains does not make up for
 * one that is missing, which are mostly one row, with a value that is wrong.
 */
static int64
FoundOf(int64 expected, int64 same, int64 others)
{
	return same < expected ? same : same + others;
}

/* How much of what is expected of a person, from a time on, is found, and how much is found in all. */
static void
CompareShownRows(const PersonExposures *expected, const PersonExposures *found, TimestampTz since,
				 int64 *expectedCount, int64 *foundCount)
{
	int64		same = 0;
	int64		others = 0;
	int64		wanted = 0;
	int			f = 0;

	for (int e = 0; e < expected->shownCount || f < found->shownCount;)
	{
		const ShownRow *left = e < expected->shownCount ? &expected->shown[e] : NULL;
		const ShownRow *right = f < found->shownCount ? &found->shown[f] : NULL;
		int			order = left == NULL ? 1 : right == NULL ? -1 : ExposureCompareShown(left, right);

		e += order <= 0;
		f += order >= 0;
		if (order <= 0)
			wanted += left->now.at >= since;
		if (order == 0 && left->now.at == right->now.at && left->now.slot == right->now.slot &&
			left->now.query == right->now.query && left->now.reason == right->now.reason &&
			left->now.origin == right->now.origin && ScoreIsSame(left->now.score, right->now.score))
			same += left->now.at >= since;
		else if (order > 0)
			others += right->now.at >= since;
	}
	*expectedCount += wanted;
	*foundCount += FoundOf(wanted, same, others);
}

/* True if an outcome may have gone with what it was credited to, which was shown before a time. */
static bool
MayBeGone(const PersonExposures *expected, const Outcome *outcome, TimestampTz gone)
{
	ShownRow	credited = {.now = {.request = outcome->request,.item = outcome->item}};
	const ShownRow *shown;

	if (gone == DT_NOBEGIN)
		return false;
	if (outcome->request == 0)
		return outcome->at < gone + ExposureWindow();
	shown = expected->shownCount == 0 ? NULL :
		bsearch(&credited, expected->shown, expected->shownCount, sizeof(ShownRow), ExposureCompareShown);
	return shown == NULL || shown->now.at < gone;
}

/* The same of outcomes; what each is credited to counts where all that was shown before is there. */
static void
CompareOutcomeRows(const PersonExposures *expected, const PersonExposures *found, TimestampTz since,
				   TimestampTz gone, int64 *expectedCount, int64 *foundCount)
{
	int64		same = 0;
	int64		others = 0;
	int64		wanted = 0;
	int			f = 0;

	for (int e = 0; e < expected->outcomeCount || f < found->outcomeCount;)
	{
		const OutcomeRow *left = e < expected->outcomeCount ? &expected->outcomes[e] : NULL;
		const OutcomeRow *right = f < found->outcomeCount ? &found->outcomes[f] : NULL;
		int			order = left == NULL ? 1 : right == NULL ? -1 : ExposureCompareOutcomes(left, right);

		e += order <= 0;
		f += order >= 0;
		if (order < 0 && MayBeGone(expected, &left->what, gone))
			continue;
		if (order <= 0)
			wanted += left->what.at >= since;
		if (order == 0)
			same += left->what.at >= since &&
				(left->target == right->target || left->what.at < since + ExposureWindow());
		else if (order > 0)
			others += right->what.at >= since;
	}
	*expectedCount += wanted;
	*foundCount += FoundOf(wanted, same, others);
}

/* Compare one person's rows. */
static void
VerifyPerson(ProcessorVerification *verification, ExposureTables *tables, int64 userKey, TimestampTz gone,
			 const ShownFact *shown, int shownCount, const OutcomeFact *outcomes, int outcomeCount)
{
	PersonExposures *expected = ExposureCompute(userKey, shown, shownCount, outcomes, outcomeCount);
	PersonExposures *found = ExposureLoadAll(tables, userKey);
	TimestampTz since = Max(verification->since, gone);
	int64		expectedCount = 0;
	int64		foundCount = 0;

	if (expected->outcomeCount > 0)
		qsort(expected->outcomes, expected->outcomeCount, sizeof(OutcomeRow), ExposureCompareOutcomes);
	if (found->outcomeCount > 0)
		qsort(found->outcomes, found->outcomeCount, sizeof(OutcomeRow), ExposureCompareOutcomes);
	CompareShownRows(expected, found, since, &expectedCount, &foundCount);
	CompareOutcomeRows(expected, found, since, gone, &expectedCount, &foundCount);
	ProcessorVerifyKey(verification, 0, expectedCount, foundCount, true, psprintf("user_key " INT64_FORMAT, userKey));
}

/* The first fact of a person among those sorted by person, and where they end. */
static int
FindFacts(const void *facts, int count, Size size, int64 userKey, int *end)
{
	int			low = 0;
	int			high = count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (*(const int64 *) ((const char *) facts + middle * size) < userKey)
			low = middle + 1;
		else
			high = middle;
	}
	for (*end = low; *end < count; (*end)++)
	{
		if (*(const int64 *) ((const char *) facts + *end * size) != userKey)
			break;
	}
	return low;
}

/* Compare. */
void
ExposureVerify(ProcessorVerification *verification, const ShownFact *shown, int shownCount,
			   const OutcomeFact *outcomes, int outcomeCount)
{
	ExposureTables *tables = ExposureTablesOpen(AccessShareLock, verification->snapshot);
	TimestampTz gone = GoneExposuresBefore();
	KeySet		people = ExposurePeople();
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext personContext = AllocSetContextCreate(caller, "personalize exposures", ALLOCSET_DEFAULT_SIZES);
	uint64		place = 0;
	int64		userKey;

	verification->parts[0].what = "exposures";
	verification->parts[1].what = "counters";
	if (verification->shards[0])
	{
		ExposureCounts *counts = ExposureCountsBegin();

		ExposureCountsAddPeople(counts, tables, &people, 1);
		ExposureCountsCompare(counts, verification, IntervalPeriods(gone, USECS_PER_DAY));
	}
	for (int i = 0; i < shownCount; i++)
		KeySetAdd(&people, shown[i].userKey);
	for (int i = 0; i < outcomeCount; i++)
		KeySetAdd(&people, outcomes[i].userKey);
	while (KeySetNext(&people, &place, &userKey))
	{
		int			s;
		int			o;
		int			shownEnd;
		int			outcomeEnd;

		CHECK_FOR_INTERRUPTS();
		if (!verification->shards[ShardOfKey(userKey)] ||
			(RestrictionOf(userKey) & PURPOSE_ANALYTICS) != 0)
			continue;
		s = FindFacts(shown, shownCount, sizeof(ShownFact), userKey, &shownEnd);
		o = FindFacts(outcomes, outcomeCount, sizeof(OutcomeFact), userKey, &outcomeEnd);
		MemoryContextSwitchTo(personContext);
		VerifyPerson(verification, tables, userKey, gone, shown + s, shownEnd - s, outcomes + o, outcomeEnd - o);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(personContext);
	}
	MemoryContextDelete(personContext);
	ExposureTablesClose(tables);
}
