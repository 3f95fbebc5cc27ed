/*
 * erasure_candidate.h
 *		What may have to go with a person, because nobody else has it.
 */
#ifndef PERSONALIZE_ERASURE_CANDIDATE_H
#define PERSONALIZE_ERASURE_CANDIDATE_H

#include "people/person_store.h"

/*
 * How _erasure_candidate gets rid of people: it notes what they have of the
 * dictionary and of items of which nothing but an id is known.
 */
extern const PersonTaker ErasureCandidateTaker;

/* A query of all that dictionaries may lose: (kind, signal, key). */
extern char *ErasureUnclaimed(void);

#endif
