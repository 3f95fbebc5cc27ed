/*
 * posting_search.h
 *		What a session was about, as the lists of items tell.
 */
#ifndef PERSONALIZE_POSTING_SEARCH_H
#define PERSONALIZE_POSTING_SEARCH_H

#include "postgres.h"

#include "neighbours/session.h"
#include "utils/snapshot.h"

/* The items of a session that cannot be read, and nothing else of it. */
extern void PostingFindSession(Snapshot snapshot, Session *session);

#endif
