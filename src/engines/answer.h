/*
 * answer.h
 *		What an engine returns, and the count of it.
 */
#ifndef PERSONALIZE_ANSWER_H
#define PERSONALIZE_ANSWER_H

#include "postgres.h"

#include "engines/slate.h"

/* Make a reason known, in an Init. */
extern void ReasonRegister(Reason *reason);

/* Register the counters of the engines of these names, after all reasons. */
extern void AnswerRegisterCounters(const char *const *engines, int count);

/* Fills columns of a row, counted from 0, beyond those that every answer has. */
#define ANSWER_MAX_MORE 4
typedef void (*AnswerColumns) (EngineContext *context, int row, Datum *values, bool *nulls);

/* The parts of a row, and the id of an answer: for engines with rows of their own. */
extern text *AnswerReason(EngineContext *context, const Candidate *candidate);
extern Datum AnswerExplanation(EngineContext *context, const Candidate *candidate);
extern pg_uuid_t *AnswerRequestId(const Slate *slate);

/* Count a call of an engine and what it returns: one answer, or a page of several. */
extern void AnswerCount(const EngineContext *context, int engine, const Slate *const *slates, int count);

/* Return the rows that are taken, and count the call of the engine. */
extern void AnswerReturn(const Slate *slate, int engine, AnswerColumns addColumns);

#endif
