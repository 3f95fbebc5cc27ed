/*
 * repeat.c
 *		How likely people are to come back to an item of their session.
 *
 * Counted over all clicks of all sessions: for each of the newest distinct items
 * (place j), how often the next click was on it (H) of how often it could have
 * been (N), by the kind c of the last click and how many different items the session
 * has had (l), and by what the last two clicks were (h).  With
 *
 *	r(j,c)   = (H + 0.5) / (N + 50)
 *	r(j,c,l) = (H + 50 r(j,c)) / (N + 50)
 *	r(j,h)   = (H + 30 r) / (N + 30),	r: over all that the click before the last can be
 *
 * the chance is r(j,h) r(j,c,l) / r(j,c).  The counts are sums of integers, so what
 * a session has added is taken out exactly.
 */
#include "postgres.h"

#include "neighbours/repeat.h"

/* What the priors weigh. */
#define KIND_PRIOR 50
#define LENGTH_PRIOR 50
#define HISTORY_PRIOR 30

/* Kinds of last clicks. */
enum
{
	KIND_FIRST,					/* there is only one */
	KIND_SAME,					/* on the item of the one before */
	KIND_EARLIER,				/* on an item seen before that */
	KIND_NEW
};

/* What a click was. */
enum
{
	CODE_NEW,
	CODE_PREVIOUS,				/* on the item of the click before */
	CODE_SECOND,				/* of the one before that */
	CODE_OLDER
};

/* What the click at a place was; clicks are newest first. */
static int
Code(const int64 *clicks, int count, int place)
{
	if (place >= count)
		return CODE_NEW;
	for (int i = place + 1; i < count; i++)
		if (clicks[i] == clicks[place])
			return i == place + 1 ? CODE_PREVIOUS : i == place + 2 ? CODE_SECOND : CODE_OLDER;
	return CODE_NEW;
}

/* Collect the newest distinct items; returns true if there are more. */
static bool
CollectItems(RepeatSituation *situation, const int64 *clicks, int count)
{
	bool		more = false;

	situation->count = 0;
	for (int i = 0; i < count; i++)
	{
		int			j = 0;

		while (j < situation->count && situation->items[j] != clicks[i])
			j++;
		if (j == REPEAT_PLACES)
		{
			more = true;
			continue;
		}
		if (j == situation->count)
		{
			situation->items[j] = clicks[i];
			situation->times[j] = 0;
			situation->ages[j] = i;
			situation->count++;
		}
		situation->times[j]++;
	}
	return more;
}

/* Look at clicks. */
void
RepeatLook(RepeatSituation *situation, const int64 *clicks, int count)
{
	bool		more = CollectItems(situation, clicks, count);

	situation->last = Code(clicks, count, 0);
	situation->before = Code(clicks, count, 1);
	situation->two = count >= 2;
	situation->kind = !situation->two ? KIND_FIRST : situation->last == CODE_PREVIOUS ? KIND_SAME :
		situation->last == CODE_NEW ? KIND_NEW : KIND_EARLIER;
	situation->length = more ? 3 : situation->count <= 2 ? 0 : situation->count <= 4 ? 1 : 2;
}

/* Count one chance. */
static inline void
Count(RepeatChance *chance, bool hit, int sign)
{
	chance->chances += sign;
	chance->hits += hit ? sign : 0;
}

/* Add the clicks of a session to the counts, or take them out. */
void
RepeatCountSession(RepeatCounts *counts, const Session *session, int sign)
{
	int64		clicks[SESSION_MAX_CLICKS];
	int			count = SessionClicks(session, clicks);

	for (int i = 0; i < count / 2; i++)
	{
		int64		swap = clicks[i];

		clicks[i] = clicks[count - 1 - i];
		clicks[count - 1 - i] = swap;
	}
	for (int next = 0; next < count - 1; next++)
	{
		RepeatSituation now;

		RepeatLook(&now, clicks + next + 1, count - next - 1);
		for (int j = 0; j < now.count; j++)
		{
			RepeatPlace *place = &counts->places[j];
			bool		hit = now.items[j] == clicks[next];

			Count(&place->byLength[now.kind][now.length], hit, sign);
			Count(&place->byHistory[now.last][now.before][now.two], hit, sign);
		}
	}
}

/* The chance that the next click is on the item at a place. */
double
RepeatProbability(const RepeatCounts *counts, const RepeatSituation *situation, int place)
{
	const RepeatPlace *at = &counts->places[place];
	const RepeatChance *length = &at->byLength[situation->kind][situation->length];
	const RepeatChance *history = &at->byHistory[situation->last][situation->before][situation->two];
	RepeatChance kind = {0};
	RepeatChance pooled = {0};
	double		ofKind;
	double		ofLength;
	double		ofHistory;

	for (int i = 0; i < REPEAT_LENGTHS; i++)
	{
		kind.hits += at->byLength[situation->kind][i].hits;
		kind.chances += at->byLength[situation->kind][i].chances;
	}
	for (int i = 0; i < REPEAT_CODES; i++)
	{
		pooled.hits += at->byHistory[situation->last][i][situation->two].hits;
		pooled.chances += at->byHistory[situation->last][i][situation->two].chances;
	}
	ofKind = (kind.hits + 0.5) / (kind.chances + KIND_PRIOR);
	ofLength = (length->hits + LENGTH_PRIOR * ofKind) / (length->chances + LENGTH_PRIOR);
	ofHistory = (pooled.hits + 0.5) / (pooled.chances + KIND_PRIOR);
	ofHistory = (history->hits + HISTORY_PRIOR * ofHistory) / (history->chances + HISTORY_PRIOR);
	return ofHistory * ofLength / ofKind;
}
