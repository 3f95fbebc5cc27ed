/*
 * slate.h
 *		The items of an answer while they are worked on.
 */
#ifndef PERSONALIZE_SLATE_H
#define PERSONALIZE_SLATE_H

#include "postgres.h"

#include "engines/context.h"

/* What a reason names besides itself. */
typedef enum ReasonDetail
{
	REASON_PLAIN,
	REASON_ITSELF,				/* the item is its own cause */
	REASON_OF_ITEM,				/* because_viewed:<item> */
	REASON_OF_CATEGORY,			/* popular_in:<category> */
	REASON_OF_QUERY				/* popular_for:<query> */
} ReasonDetail;

/* Why an item is returned; spelled and registered (answer.h) by the part that gives it. */
typedef struct Reason
{
	const char *name;
	ReasonDetail detail;
	int			id;				/* given by ReasonRegister */
} Reason;

/* An item that is proposed. */
typedef struct Candidate
{
	int64		itemKey;
	double		score;
	double		boost;			/* what the scorer has multiplied the source's score with */
	const Reason *reason;
	const double *parts;		/* of the neighbour score, which they add up to; NULL: none */
	int64		because;		/* the item of the reason */
	const text *category;		/* the category of the reason */
	int			place;			/* as it was given, from 1; 0: it was not */
	const double *contributions;	/* to the score, of the context's features; NULL: none */
} Candidate;

/* Candidates in order, and those of them that are taken. */
typedef struct Slate
{
	EngineContext *context;
	int			count;
	int			capacity;
	Candidate  *candidates;		/* proposed, admitted by the cheap rules */
	int			takenCount;
	Candidate  *taken;			/* context->n at most */
} Slate;

extern Slate *SlateBegin(EngineContext *context);

/* True once there is no room left. */
static inline bool
SlateIsFull(const Slate *slate)
{
	return slate->takenCount >= slate->context->n;
}

/* Add a candidate, unless a cheap rule speaks against it; the best come first. */
extern void SlatePropose(Slate *slate, const Candidate *candidate);

/* Order what is proposed by score, the best first; ties as they were given, then by key. */
extern void SlateSort(Slate *slate);

/* Take what is proposed in its order, as far as the costly rules admit it, and forget the rest. */
extern void SlateTake(Slate *slate);

/* Take a candidate if all rules admit it. */
extern void SlateTakeOne(Slate *slate, const Candidate *candidate);

#endif
