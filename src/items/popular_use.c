/*
 * popular_use.c
 *		Which half-lives of what is trending are asked for.
 *
 * Engines write nothing, so what they are asked for is noted in shared memory, where
 * whoever makes the lists finds it; without shared_preload_libraries in the backend's
 * own, for the lists that it makes itself.  What is lost with the server's end is
 * noted again by the next call, which counts for itself.  On a standby nothing is
 * noted that the primary would see: a call there finds the lists that are kept here.
 * For those there is personalize.trending_half_lives, whose lists are always kept.
 */
#include "postgres.h"

#include "items/popular_use.h"

#include "base/shared_memory.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

/* Places for all databases. */
#define MAX_NOTES 64

/* A half-life counts as used for so long, and is noted again after so long. */
#define NOTE_LIFE USECS_PER_DAY
#define NOTE_AGAIN USECS_PER_MINUTE

typedef struct Note
{
	Oid			database;		/* InvalidOid: free */
	int64		halfLife;
	TimestampTz askedAt;
} Note;

/* What personalize.trending_half_lives says, in microseconds. */
typedef struct KeptHalfLives
{
	int			count;
	int64		halfLives[POPULAR_USE_MAX];
} KeptHalfLives;
#define MAX_KEPT_MINUTES (366 * HOURS_PER_DAY * MINS_PER_HOUR)

static char *personalize_trending_half_lives = NULL;
static KeptHalfLives kept;

static Note ownNotes[MAX_NOTES];
static Note *sharedNotes = NULL;	/* NULL without preload */

/* Set all places free. */
static void
InitNotes(void *memory)
{
	memset(memory, 0, sizeof(Note) * MAX_NOTES);
}

/* Read personalize.trending_half_lives; false, and why, if it is none. */
static bool
ReadKept(const char *list, KeptHalfLives *result)
{
	List	   *texts;
	ListCell   *cell;

	result->count = 0;
	if (!SplitGUCList(pstrdup(list), ',', &texts))
	{
		GUC_check_errdetail("It must be a list of half-lives, separated by commas.");
		return false;
	}
	foreach(cell, texts)
	{
		int			minutes;

		if (result->count == POPULAR_USE_MAX)
		{
			GUC_check_errdetail("There can be %d half-lives, besides a day.", POPULAR_USE_MAX);
			return false;
		}
		if (!parse_int(lfirst(cell), &minutes, GUC_UNIT_MIN, NULL) || minutes < 1 || minutes > MAX_KEPT_MINUTES)
		{
			GUC_check_errdetail("\"%s\" is no half-life between a minute and 366 days, such as 6h or 2d.", (char *) lfirst(cell));
			return false;
		}
		result->halfLives[result->count++] = minutes * USECS_PER_MINUTE;
	}
	return true;
}

/* GUC check hook: durations, separated by commas. */
static bool
CheckKept(char **newval, void **extra, GucSource source)
{
	KeptHalfLives read;

	return ReadKept(*newval, &read);
}

/* GUC assign hook. */
static void
AssignKept(const char *newval, void *extra)
{
	(void) ReadKept(newval, &kept);
}

/* Define the setting, and ask for shared memory. */
void
PopularUseInit(void)
{
	DefineCustomStringVariable("personalize.trending_half_lives",
							   "Half-lives whose lists of what is trending are always kept, besides that of a day.",
							   "As on a standby, where asking for one does not have it kept.",
							   &personalize_trending_half_lives, "", PGC_SUSET, GUC_LIST_INPUT,
							   CheckKept, AssignKept, NULL);
	SharedMemoryRegister("personalize half-lives", sizeof(Note) * MAX_NOTES, (void **) &sharedNotes, InitNotes);
}

/* True if a note is of this database and not too old. */
static bool
IsOurs(const Note *note, TimestampTz now)
{
	return note->database == MyDatabaseId && note->askedAt > now - NOTE_LIFE;
}

/* The place for a note: where it is, or that of the oldest, of ours once they are so many. */
static Note *
FindPlace(Note *notes, int64 halfLife, TimestampTz now)
{
	Note	   *oldest = NULL;
	Note	   *oldestOfOurs = NULL;
	int			ours = 0;

	for (int i = 0; i < MAX_NOTES; i++)
	{
		Note	   *note = &notes[i];

		if (IsOurs(note, now))
		{
			if (note->halfLife == halfLife)
				return note;
			ours++;
			if (oldestOfOurs == NULL || note->askedAt < oldestOfOurs->askedAt)
				oldestOfOurs = note;
		}
		if (oldest == NULL || note->askedAt < oldest->askedAt)
			oldest = note;
	}
	return ours < POPULAR_USE_MAX ? oldest : oldestOfOurs;
}

/* Note that a half-life is asked for. */
void
PopularUse(int64 halfLife)
{
	static int64 lastHalfLife = POPULAR_HALF_LIFE;
	static TimestampTz lastAt = 0;
	TimestampTz now;
	Note	   *note;

	if (halfLife == POPULAR_HALF_LIFE)
		return;
	now = GetCurrentTimestamp();
	if (halfLife == lastHalfLife && now - lastAt < NOTE_AGAIN)
		return;
	if (sharedNotes)
		LWLockAcquire(SharedMemoryLock(), LW_EXCLUSIVE);
	note = FindPlace(sharedNotes ? sharedNotes : ownNotes, halfLife, now);
	note->database = MyDatabaseId;
	note->halfLife = halfLife;
	note->askedAt = now;
	if (sharedNotes)
		LWLockRelease(SharedMemoryLock());
	lastHalfLife = halfLife;
	lastAt = now;
}

/* Add a half-life that is not there yet. */
static int
AddHalfLife(int64 *halfLives, int count, int64 halfLife)
{
	for (int i = 0; i < count; i++)
		if (halfLives[i] == halfLife)
			return count;
	if (halfLife != POPULAR_HALF_LIFE)
		halfLives[count++] = halfLife;
	return count;
}

/* The half-lives that are always kept, and those that were asked for lately. */
int
PopularUseRead(int64 *halfLives)
{
	const Note *notes = sharedNotes ? sharedNotes : ownNotes;
	TimestampTz now = GetCurrentTimestamp();
	int			count = 0;

	for (int i = 0; i < kept.count; i++)
		count = AddHalfLife(halfLives, count, kept.halfLives[i]);
	if (sharedNotes)
		LWLockAcquire(SharedMemoryLock(), LW_SHARED);
	for (int i = 0; i < MAX_NOTES && count < POPULAR_USE_MAX; i++)
		if (IsOurs(&notes[i], now))
			count = AddHalfLife(halfLives, count, notes[i].halfLife);
	if (sharedNotes)
		LWLockRelease(SharedMemoryLock());
	return count;
}
