/*
 * dedup.h
 *		Messages count once: the table message_seen.
 */
#ifndef PERSONALIZE_DEDUP_H
#define PERSONALIZE_DEDUP_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "utils/uuid.h"

/*
 * Enter messages, which must be sorted and distinct, as received at now; seen
 * tells which of them were there before, received at since or later.  Waits for
 * transactions that are entering the same ones.
 */
extern void DedupEnter(const pg_uuid_t *const *messages, int count,
					   TimestampTz now, TimestampTz since, bool *seen);

/*
 * Forget the messages of these keys (event.message_key), whose probes (MessageIdProbe)
 * are given too, and of each one that was there tell erased.
 */
typedef struct DedupChoice
{
	const KeySet *keys;
	const KeySet *probes;
	void		(*erased) (void *arg, int64 probe);
	void	   *arg;
} DedupChoice;
extern void DedupErase(const DedupChoice *choice);

#endif
