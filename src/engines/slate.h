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
	REASON_OF_RULE,				/* rule:<name> */
	REASON_OF_QUERY				/* popular_for:<query> */
} ReasonDetail;

/* Why an item is returned; spelled and registered (answer.h) by the part that gives it. */
typedef struct Reason
{
	const char *name;
	ReasonDetail detail;
	int			code;			/* in request ids and counters, for ever (request_id.h) */
	int			id;				/* given by ReasonRegister */
} Reason;

/* Who raises or lowers a score. */
typedef enum BoostBy
{
	BOOST_FAVOURITES,
	BOOST_RULES
} BoostBy;
#define BOOST_COUNT (BOOST_RULES + 1)

/* An item that is proposed. */
typedef struct Candidate
{
	int64		itemKey;
	double		score;
	double		boost;			/* what the scorer and rules have multiplied the source's score with */
	double		raised[BOOST_COUNT];	/* and what each has added to it so */
	const Reason *reason;
	const KnnItem *found;		/* what the neighbours say of it; NULL: nothing */
	int64		because;		/* the item of the reason */
	const text *category;		/* the category of the reason */
	const char *rule;			/* that has placed it; NULL: none */
	int			place;			/* by score, if the answer was arranged; from 1 */
	bool		explored;		/* there to be met: what needs room takes that of others */
	int			given;			/* its place as it was given, from 1; 0: it was not */
	const double *contributions;	/* to the score, of the context's features; NULL: none */
} Candidate;

/* Candidates in order, and those of them that are taken. */
typedef struct Slate
{
	EngineContext *context;
	int			count;
	int			capacity;
	Candidate  *candidates;		/* proposed, admitted by the cheap conditions */
	int			next;			/* of these, the first that was not looked at yet */
	bool		exhausted;		/* the sources have no others */
	int			takenCount;
	int			room;			/* how many may be taken; context->n unless there is to be a choice */
	Candidate  *taken;
} Slate;

extern Slate *SlateBegin(EngineContext *context);

/* True once there is no room left. */
static inline bool
SlateIsFull(const Slate *slate)
{
	return slate->takenCount >= slate->room;
}

/* Make room for more to be taken. */
extern void SlateWiden(Slate *slate, int room);

/*
 * Multiply a score: what is below 0 is boosted upwards, too.  To one that is a logarithm the
 * factor's is added.
 */
extern void CandidateBoost(const EngineContext *context, Candidate *candidate, double factor, BoostBy by);

/* Add a candidate, unless a cheap condition speaks against it; the best come first. */
extern void SlatePropose(Slate *slate, const Candidate *candidate);

/* Order what is proposed by score, the best first; ties as they were given, then by key. */
extern void SlateSort(Slate *slate);

/* Give what is taken its ranks; boosted: after ordering it by score, ties as they were taken. */
extern void SlateRankTaken(Slate *slate, bool boosted);

/* Take what is proposed in its order, as far as the costly conditions admit it and there is room. */
extern void SlateTake(Slate *slate);

/* Take a candidate if all conditions admit it. */
extern void SlateTakeOne(Slate *slate, const Candidate *candidate);

/*
 * Let the first chosen items taken, which are the answer, end with these, whatever
 * conditions say, scored below the others; returns how many they are then.  Where there is
 * no room the last of the answer leave, but not those to be kept.
 */
extern int	SlateEndWith(Slate *slate, int chosen, const Candidate *ending, int count, const KeySet *kept);

#endif
