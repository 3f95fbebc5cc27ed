/*
 * session_expire.c
 *		Sessions that ended too long ago go, with their postings.
 */
#include "postgres.h"

#include "neighbours/session_expire.h"

#include "access/stratnum.h"
#include "events/gone.h"
#include "miscadmin.h"
#include "neighbours/session_index.h"
#include "utils/snapmgr.h"

#define LOOK_AT_PER_REMOVAL 100
#define LOOK_AT_LEAST 100000

/* Walk the users from where the last call stopped, and give each session that is over to remove. */
static void
WalkSessions(KeyedTable *table, Snapshot snapshot, SessionExpiry *expiry, SessionIndex *index)
{
	Datum		key = Int64GetDatum(expiry->hasNextKey ? expiry->nextKey : PG_INT64_MIN);
	Session    *session = palloc(sizeof(Session));
	int64		lastUser = PG_INT64_MIN;
	int64		read = 0;
	TupleTableSlot *slot;

	expiry->hasNextKey = false;
	KeyedSeek(table, snapshot, 1, &key, BTGreaterEqualStrategyNumber);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		bool		isNull;
		int64		user = DatumGetInt64(slot_getattr(slot, SESSION_USER_KEY, &isNull));
		int64		sessionKey;
		TimestampTz ended;

		if (user != lastUser && (expiry->sessions >= expiry->maxSessions ||
								 (read >= LOOK_AT_LEAST &&
								  read / LOOK_AT_PER_REMOVAL >= expiry->maxSessions)))
		{
			expiry->hasNextKey = true;
			expiry->nextKey = user;
			break;
		}
		lastUser = user;
		SessionReadTimes(slot, &sessionKey, &ended);
		if (ended < expiry->before && index && !SessionTryReadRow(slot, session, "it is left, with its places in lists"))
			expiry->damaged++;
		else if (ended < expiry->before)
		{
			expiry->sessions++;
			if (index)
				SessionIndexReplace(index, session, 1, NULL);
		}
		if (++read % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	pfree(session);
}

/* Remove sessions, or count them. */
void
SessionExpire(SessionExpiry *expiry)
{
	if (expiry->dryRun)
	{
		KeyedTable *table = KeyedOpen("session", "session_pkey", AccessShareLock);

		WalkSessions(table, GetActiveSnapshot(), expiry, NULL);
		KeyedClose(table);
	}
	else
	{
		SessionIndex *index = SessionIndexBegin();

		WalkSessions(index->sessions, index->snapshot, expiry, index);
		SessionIndexEnd(index);
		if (expiry->sessions > 0)
			GoneNoteSessions(expiry->before);
	}
}
