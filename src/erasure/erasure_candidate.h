/*
 * erasure_candidate.h
 *		What may have to go with a person, because nobody else has it.
 */
#ifndef PERSONALIZE_ERASURE_CANDIDATE_H
#define PERSONALIZE_ERASURE_CANDIDATE_H

#include "base/key_set.h"
#include "events/event.h"
#include "neighbours/session.h"

/*
 * Note values of the dictionary that people have under one of the purposes bits,
 * and items of which nothing but an id is known, for _erasure_candidate.  Begin
 * reads their profiles; events and sessions are added before they are deleted; End
 * writes and returns how many there were.  Lives in the current memory context.
 */
typedef struct ErasureCandidates ErasureCandidates;
extern ErasureCandidates *ErasureCandidatesBegin(const KeySet *people, int32 bits);
extern void ErasureCandidatesAddEvent(ErasureCandidates *candidates, const EventRow *row);
extern void ErasureCandidatesAddSession(ErasureCandidates *candidates, const Session *session);
extern int64 ErasureCandidatesEnd(ErasureCandidates *candidates);

/* Called once when the library is loaded. */
extern void ErasureCandidateInit(void);

#endif
