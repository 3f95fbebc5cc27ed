/*
 * popular_use.c
 *		Which half-lives of what is trending are asked for.
 *
 * Engines write nothing, so what they are asked for is noted in shared memory, where
 * whoever makes the lists finds it; without shared_preload_libraries in the backend's
 * own, for the lists that it makes itself.  What is lost with the server's end is
 * noted again by the next call, which counts for itself.  On a standby nothing is
 * noted that the primary would see: a call there finds the lists that are kept here.
 */
#include "postgres.h"

#include "items/popular_use.h"

#include "base/shared_memory.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

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

static Note ownNotes[MAX_NOTES];
static Note *sharedNotes = NULL;	/* NULL without preload */

/* Set all places free. */
static void
InitNotes(void *memory)
{
	memset(memory, 0, sizeof(Note) * MAX_NOTES);
}

/* Ask for shared memory. */
void
PopularUseInit(void)
{
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

/* The half-lives that were asked for lately. */
int
PopularUseRead(int64 *halfLives)
{
	const Note *notes = sharedNotes ? sharedNotes : ownNotes;
	TimestampTz now = GetCurrentTimestamp();
	int			count = 0;

	if (sharedNotes)
		LWLockAcquire(SharedMemoryLock(), LW_SHARED);
	for (int i = 0; i < MAX_NOTES && count < POPULAR_USE_MAX; i++)
		if (IsOurs(&notes[i], now))
			halfLives[count++] = notes[i].halfLife;
	if (sharedNotes)
		LWLockRelease(SharedMemoryLock());
	return count;
}
