/*
 * visitor.h
 *		Whom an answer is for.
 */
#ifndef PERSONALIZE_VISITOR_H
#define PERSONALIZE_VISITOR_H

#include "postgres.h"

#include "engines/context.h"

/* Read what is known of the person, and the items the caller names as the session's. */
extern void VisitorLoad(EngineContext *context, int userArgument, int sessionArgument);

/* Read what is known of a person, and nothing of the session but that. */
extern void VisitorLoadPerson(EngineContext *context, int64 userKey);

/* Go by each click of the person's current session, however often it was on the same item. */
extern void VisitorReadClicks(EngineContext *context);

/* Go by these items, newest first, whoever asks. */
extern void VisitorGoBy(EngineContext *context, int64 *items, int count);

/* The beginning of that time up to now, or as_of. */
extern TimestampTz VisitorSince(const EngineContext *context, const Interval *interval);

/*
 * Visit what the person has had to do with since then, in no order, from the profile
 * and, if it does not go back so far, from raw events, unless remembered is all that is
 * wanted.  Only where the person allows recommendations.
 */
typedef void (*VisitorVisit) (void *arg, int64 itemKey, int16 event, TimestampTz ts);
extern void VisitorVisitItems(EngineContext *context, TimestampTz since, bool remembered,
							  VisitorVisit visit, void *arg);

/* Exclude what the person has had to do with in that time. */
extern void VisitorExcludeSeen(EngineContext *context, const Interval *interval);

/*
 * The person's own current sessions, whose votes would be for what they just saw:
 * VISITOR_MAX_SESSIONS at most; read once a call.
 */
#define VISITOR_MAX_SESSIONS 257
extern int	VisitorOwnSessions(EngineContext *context, int64 **sessions);

#endif
