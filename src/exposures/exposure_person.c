/*
 * exposure_person.c
 *		What was shown to one person, and which of it is credited with what followed.
 *
 * Rows are sets, so that it does not matter in which order events come, or how often:
 *
 * - Something is shown once in a request, and the first time counts; the request is
 *   that of the event, or else its message, or else its moment.  A request has one
 *   query; of several the one with the smallest key.  Of scores the greatest counts.
 * - An outcome that names a request belongs to that.  One that names none belongs to
 *   the newest impression of its item within personalize.attribution_window before
 *   it; of those of one moment to that with the greater key.
 *
 * Only what facts touch is read: the requests they name, outcomes near what was shown,
 * and what was shown near outcomes.  A request whose impressions or outcomes change is
 * read as a whole, and its part in the counters taken out and put in again.
 */
#include "postgres.h"

#include "base/grow.h"
#include "exposures/exposure_internal.h"

#include "access/stratnum.h"
#include "compat.h"
#include "events/event_row.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

/* Room for one more of what was shown. */
static ShownRow *
AppendShown(PersonExposures *person)
{
	GrowArray(person->shown, person->shownCount + 1, person->shownCapacity, 32);
	return &person->shown[person->shownCount++];
}

/* Room for one more outcome. */
static OutcomeRow *
AppendOutcome(PersonExposures *person)
{
	GrowArray(person->outcomes, person->outcomeCount + 1, person->outcomeCapacity, 16);
	return &person->outcomes[person->outcomeCount++];
}

/* Take in what was shown in the rows that a search gives. */
static void
TakeShown(KeyedTable *table, PersonExposures *person)
{
	TupleTableSlot *slot;

	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		ShownRow   *row = AppendShown(person);

		CHECK_FOR_INTERRUPTS();
		row->now = row->before = ExposureReadShown(slot);
		row->stored = true;
		row->tid = slot->tts_tid;
	}
}

/* Order outcomes by time, and then by all that tells them apart. */
int
ExposureCompareOutcomes(const void *left, const void *right)
{
	const Outcome *a = &((const OutcomeRow *) left)->what;
	const Outcome *b = &((const OutcomeRow *) right)->what;
	int64		pairs[][2] = {{a->at, b->at}, {a->ordinal, b->ordinal}, {a->item, b->item}, {a->event, b->event},
	{a->request, b->request}, {a->amount, b->amount}, {a->currency, b->currency}};

	for (int i = 0; i < lengthof(pairs); i++)
	{
		if (pairs[i][0] != pairs[i][1])
			return pairs[i][0] < pairs[i][1] ? -1 : 1;
	}
	return 0;
}

/* What came of something shown. */
OutcomeKind
ExposureOutcomeKind(int16 event)
{
	return event == EVENT_TYPE_PURCHASE ? OUTCOME_PURCHASE :
		event == EVENT_TYPE_ADD_TO_CART ? OUTCOME_CART : OUTCOME_CLICK;
}

/* Order outcomes by what they name, item and kind. */
int
ExposureCompareKinds(const void *left, const void *right)
{
	const Outcome *a = &((const OutcomeRow *) left)->what;
	const Outcome *b = &((const OutcomeRow *) right)->what;

	if (a->request != b->request)
		return a->request < b->request ? -1 : 1;
	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	return ExposureOutcomeKind(a->event) - ExposureOutcomeKind(b->event);
}

/* Order what was shown by request and item. */
int
ExposureCompareShown(const void *left, const void *right)
{
	const Shown *a = &((const ShownRow *) left)->now;
	const Shown *b = &((const ShownRow *) right)->now;

	if (a->request != b->request)
		return a->request < b->request ? -1 : 1;
	return (a->item > b->item) - (a->item < b->item);
}

/* Take in the outcomes that a search gives, up to a time, that are not here yet. */
static void
TakeOutcomes(KeyedTable *table, PersonExposures *person, TimestampTz until)
{
	TupleTableSlot *slot;
	int			known = person->outcomeCount;

	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		OutcomeRow	row = ExposureReadOutcome(slot);
		bool		isHere = false;

		CHECK_FOR_INTERRUPTS();
		if (row.what.at > until)
			break;
		for (int i = 0; i < known && !isHere; i++)
			isHere = person->outcomes[i].stored && ItemPointerEquals(&person->outcomes[i].tid, &row.tid);
		if (!isHere)
			*AppendOutcome(person) = row;
	}
}

/* Read a request as a whole, unless it is here. */
static void
LoadRequest(ExposureTables *tables, PersonExposures *person, int64 request)
{
	Datum		keys[2] = {Int64GetDatum(person->userKey), Int64GetDatum(request)};

	if (!KeySetAdd(&person->requests, request))
		return;
	KeyedSeek(tables->shownByRequest, tables->snapshot, 2, keys, BTEqualStrategyNumber);
	TakeShown(tables->shownByRequest, person);
	KeyedSeek(tables->outcomesByTarget, tables->snapshot, 2, keys, BTEqualStrategyNumber);
	TakeOutcomes(tables->outcomesByTarget, person, DT_NOEND);
}

/* True if something was shown before something else; any order will do for one moment. */
static bool
IsEarlier(const Shown *a, const Shown *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if (a->slot != b->slot)
		return a->slot < b->slot;
	return a->reason < b->reason;
}

/* Of two keys of queries that which counts. */
static int64
ChooseQuery(int64 a, int64 b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Of two impressions of one item in one request make the one that counts. */
static void
MergeShown(Shown *kept, const Shown *other)
{
	int64		query = ChooseQuery(kept->query, other->query);
	int64		origin = Max(kept->origin, other->origin);
	float		score = isnan(kept->score) || other->score > kept->score ? other->score : kept->score;

	if (IsEarlier(other, kept))
		*kept = *other;
	kept->query = query;
	kept->origin = origin;
	kept->score = score;
}

/* Give all impressions of a request its query; they are in order. */
static void
SpreadQueries(PersonExposures *person)
{
	int			end;

	for (int start = 0; start < person->shownCount; start = end)
	{
		int64		query = 0;

		for (end = start; end < person->shownCount &&
			 person->shown[end].now.request == person->shown[start].now.request; end++)
			query = ChooseQuery(query, person->shown[end].now.query);
		for (int i = start; i < end; i++)
			person->shown[i].now.query = query;
	}
}

/* Take in impressions; the requests they are of are here. */
static void
AddShown(PersonExposures *person, const ShownFact *facts, int count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		ShownRow   *row = AppendShown(person);

		memset(row, 0, sizeof(ShownRow));
		row->now = facts[i].shown;
	}
	qsort(person->shown, person->shownCount, sizeof(ShownRow), ExposureCompareShown);
	for (int i = 0; i < person->shownCount; i++)
	{
		ShownRow   *row = &person->shown[i];
		ShownRow   *last = kept > 0 ? &person->shown[kept - 1] : NULL;

		if (last == NULL || ExposureCompareShown(last, row) != 0)
		{
			person->shown[kept++] = *row;
			continue;
		}
		MergeShown(&last->now, &row->now);
		if (row->stored)
		{
			last->stored = true;
			last->before = row->before;
			last->tid = row->tid;
		}
	}
	person->shownCount = kept;
	SpreadQueries(person);
}

/* Order outcomes; of two that are one, the stored one comes first. */
static int
CompareOutcomes(const void *left, const void *right)
{
	int			order = ExposureCompareOutcomes(left, right);

	return order != 0 ? order : ((const OutcomeRow *) right)->stored - ((const OutcomeRow *) left)->stored;
}

/* Number the outcomes of each moment that has a new one: all of it is here, in order. */
static void
NumberMoments(PersonExposures *person)
{
	int			end;

	for (int start = 0; start < person->outcomeCount; start = end)
	{
		bool		hasNew = false;

		for (end = start; end < person->outcomeCount &&
			 person->outcomes[end].what.at == person->outcomes[start].what.at; end++)
			hasNew |= !person->outcomes[end].stored;
		for (int i = start; hasNew && i < end; i++)
			person->outcomes[i].place = i - start;
	}
}

/* Take in outcomes; the stored ones of their times are here. */
static void
AddOutcomes(PersonExposures *person, const OutcomeFact *facts, int count)
{
	int			kept = 0;

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
		*AppendOutcome(person) = (OutcomeRow) {.what = facts[i].outcome,.target = facts[i].outcome.request};
	qsort(person->outcomes, person->outcomeCount, sizeof(OutcomeRow), CompareOutcomes);
	for (int i = 0; i < person->outcomeCount; i++)
	{
		if (kept == 0 || ExposureCompareOutcomes(&person->outcomes[kept - 1], &person->outcomes[i]) != 0)
			person->outcomes[kept++] = person->outcomes[i];
	}
	person->outcomeCount = kept;
	NumberMoments(person);
}

/* Read the outcomes of the times that matter to facts. */
static void
LoadOutcomes(ExposureTables *tables, PersonExposures *person, const ShownFact *shown, int shownCount,
			 const OutcomeFact *outcomes, int outcomeCount)
{
	TimestampTz first = DT_NOEND;
	TimestampTz last = DT_NOBEGIN;
	Datum		keys[2];

	for (int i = 0; i < shownCount; i++)
	{
		first = Min(first, shown[i].shown.at);
		last = Max(last, shown[i].shown.at + ExposureWindow());
	}
	for (int i = 0; i < outcomeCount; i++)
	{
		first = Min(first, outcomes[i].outcome.at);
		last = Max(last, outcomes[i].outcome.at);
	}
	keys[0] = Int64GetDatum(person->userKey);
	keys[1] = TimestampTzGetDatum(first);
	KeyedSeek(tables->outcomesByTime, tables->snapshot, 2, keys, BTGreaterEqualStrategyNumber);
	TakeOutcomes(tables->outcomesByTime, person, last);
}

/* Something that may be credited. */
typedef struct Candidate
{
	int64		item;
	TimestampTz at;
	int64		request;
} Candidate;

/* Candidates, in the order of item, time and request. */
typedef struct CandidateList
{
	int			count;
	int			capacity;
	Candidate  *candidates;
} CandidateList;

static int
CompareCandidates(const void *left, const void *right)
{
	const Candidate *a = left;
	const Candidate *b = right;

	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (a->request > b->request) - (a->request < b->request);
}

/* Add a candidate. */
static void
AddCandidate(CandidateList *list, const Shown *shown)
{
	GrowArray(list->candidates, list->count + 1, list->capacity, 32);
	list->candidates[list->count++] = (Candidate) {shown->item, shown->at, shown->request};
}

/* What was shown between two times, and all that is here; only that without tables. */
static CandidateList
CollectCandidates(ExposureTables *tables, const PersonExposures *person, TimestampTz first, TimestampTz last)
{
	CandidateList list = {.capacity = 32 + person->shownCount};
	Datum		keys[2] = {Int64GetDatum(person->userKey), TimestampTzGetDatum(first)};
	TupleTableSlot *slot;

	list.candidates = palloc_extended(sizeof(Candidate) * list.capacity, MCXT_ALLOC_HUGE);
	for (int i = 0; i < person->shownCount; i++)
		AddCandidate(&list, &person->shown[i].now);
	if (tables != NULL)
		KeyedSeek(tables->shownByTime, tables->snapshot, 2, keys, BTGreaterEqualStrategyNumber);
	while (tables != NULL && (slot = KeyedNext(tables->shownByTime, ForwardScanDirection)) != NULL)
	{
		Shown		shown = ExposureReadShown(slot);

		CHECK_FOR_INTERRUPTS();
		if (shown.at > last)
			break;
		if (!KeySetHas(&person->requests, shown.request))
			AddCandidate(&list, &shown);
	}
	qsort(list.candidates, list.count, sizeof(Candidate), CompareCandidates);
	return list;
}

/* The request that an outcome which names none is credited to; 0: none. */
static int64
FindTarget(const CandidateList *list, const Outcome *outcome)
{
	int			low = 0;
	int			high = list->count;
	Candidate	wanted = {outcome->item, outcome->at, PG_INT64_MAX};
	const Candidate *last;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (CompareCandidates(&list->candidates[middle], &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	last = low > 0 ? &list->candidates[low - 1] : NULL;
	return last != NULL && last->item == outcome->item && last->at >= outcome->at - ExposureWindow() ?
		last->request : 0;
}

/* Attribute the outcomes that name no request, and read the requests for which that changes something. */
static void
Attribute(ExposureTables *tables, PersonExposures *person)
{
	TimestampTz first = DT_NOEND;
	TimestampTz last = DT_NOBEGIN;
	int			count = person->outcomeCount;
	CandidateList list;

	for (int i = 0; i < count; i++)
	{
		if (person->outcomes[i].what.request != 0)
			continue;
		first = Min(first, person->outcomes[i].what.at);
		last = Max(last, person->outcomes[i].what.at);
	}
	if (first > last)
		return;
	list = CollectCandidates(tables, person, first - ExposureWindow(), last);
	for (int i = 0; i < count; i++)
	{
		if (person->outcomes[i].what.request == 0)
			person->outcomes[i].target = FindTarget(&list, &person->outcomes[i].what);
	}
	for (int i = 0; tables != NULL && i < count; i++)
	{
		int64		target = person->outcomes[i].target;
		int64		before = person->outcomes[i].before;

		if (target != before && target != 0)
			LoadRequest(tables, person, target);
		if (target != before && before != 0)
			LoadRequest(tables, person, before);
	}
	qsort(person->shown, person->shownCount, sizeof(ShownRow), ExposureCompareShown);
}

/* Begin with nothing known of a person. */
static PersonExposures *
BeginPerson(int64 userKey)
{
	PersonExposures *person = palloc0(sizeof(PersonExposures));

	person->userKey = userKey;
	KeySetInit(&person->requests, 8);
	return person;
}

/* Take in facts of a person, count and write what changes. */
void
ExposureApply(ExposureTables *tables, ExposureCounts *counts, int64 userKey,
			  const ShownFact *shown, int shownCount, const OutcomeFact *outcomes, int outcomeCount)
{
	PersonExposures *person = BeginPerson(userKey);

	for (int i = 0; i < shownCount; i++)
		LoadRequest(tables, person, shown[i].shown.request);
	for (int i = 0; i < outcomeCount; i++)
	{
		if (outcomes[i].outcome.request != 0)
			LoadRequest(tables, person, outcomes[i].outcome.request);
	}
	AddShown(person, shown, shownCount);
	LoadOutcomes(tables, person, shown, shownCount, outcomes, outcomeCount);
	AddOutcomes(person, outcomes, outcomeCount);
	Attribute(tables, person);
	ExposureCountsAdd(counts, person, true, -1);
	ExposureCountsAdd(counts, person, false, 1);
	ExposureWriteRows(tables, person);
}

/* What facts alone come to. */
PersonExposures *
ExposureCompute(int64 userKey, const ShownFact *shown, int shownCount, const OutcomeFact *outcomes, int outcomeCount)
{
	PersonExposures *person = BeginPerson(userKey);

	AddShown(person, shown, shownCount);
	AddOutcomes(person, outcomes, outcomeCount);
	Attribute(NULL, person);
	return person;
}

/* All that is stored of a person. */
PersonExposures *
ExposureLoadAll(ExposureTables *tables, int64 userKey)
{
	PersonExposures *person = BeginPerson(userKey);
	Datum		key = Int64GetDatum(userKey);

	KeyedSeek(tables->shownByRequest, tables->snapshot, 1, &key, BTEqualStrategyNumber);
	TakeShown(tables->shownByRequest, person);
	KeyedSeek(tables->outcomesByTime, tables->snapshot, 1, &key, BTEqualStrategyNumber);
	TakeOutcomes(tables->outcomesByTime, person, DT_NOEND);
	for (int i = 0; i < person->shownCount; i++)
		KeySetAdd(&person->requests, person->shown[i].now.request);
	for (int i = 0; i < person->outcomeCount; i++)
	{
		if (person->outcomes[i].before != 0)
			KeySetAdd(&person->requests, person->outcomes[i].before);
	}
	return person;
}
