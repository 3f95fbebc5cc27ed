/*
 * erasure_candidate.h
 *		What may have to go with a person, because nobody else has it.
 */
#ifndef PERSONALIZE_ERASURE_CANDIDATE_H
#define PERSONALIZE_ERASURE_CANDIDATE_H

/* Called once when the library is loaded. */
extern void ErasureCandidateInit(void);

#endif
