/*
 * session_past.h
 *		Postings as they were at an earlier time.
 */
#ifndef PERSONALIZE_SESSION_PAST_H
#define PERSONALIZE_SESSION_PAST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "neighbours/knn_source.h"
#include "neighbours/session_history.h"
#include "utils/snapshot.h"

/* A source of postings as if nothing had happened after asOf; of a history (NULL: none) if it can go there. */
extern KnnSource *SessionPastSource(TimestampTz asOf, Snapshot snapshot, SessionHistory *history);

#endif
