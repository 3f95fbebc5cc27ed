/*
 * segment.h
 *		Segments: who meets a condition over signals and sequences of events.
 */
#ifndef PERSONALIZE_SEGMENT_H
#define PERSONALIZE_SEGMENT_H

#include "postgres.h"

#include "compat.h"
#include "profiles/grammar.h"
#include "profiles/profile_step.h"
#include "signals/signal.h"

#define SEGMENT_MAX_STEPS 8

/* What a part of a condition is. */
typedef enum SegmentNodeKind
{
	SEGMENT_AND,
	SEGMENT_OR,
	SEGMENT_NOT,
	SEGMENT_COMPARE,
	SEGMENT_SEQUENCE
} SegmentNodeKind;

typedef enum SegmentOperator
{
	SEGMENT_GREATER_EQUAL,
	SEGMENT_LESS_EQUAL,
	SEGMENT_GREATER,
	SEGMENT_LESS,
	SEGMENT_EQUAL
} SegmentOperator;

typedef struct SegmentNode
{
	SegmentNodeKind kind;
	struct SegmentNode *left;	/* of and, or, not */
	struct SegmentNode *right;	/* of and, or */

	/* a comparison */
	int			termCount;		/* 2: the rate of the first to the second */
	GrammarTerm terms[2];
	double		prior;			/* of a rate */
	double		priorWeight;
	SegmentOperator operator;
	bool		hasEnter;
	bool		hasLeave;
	double		enter;
	double		leave;			/* whoever is in stays until it does not hold of this */

	/* a sequence */
	int			stepCount;
	char	   *events[SEGMENT_MAX_STEPS];	/* names */
	char	   *absent;			/* what must not follow; NULL: nothing */
	int64		within;			/* microseconds */
	int			key;			/* a ProfileStepKey; -1: none */
} SegmentNode;

typedef struct Segment
{
	int			id;
	char	   *name;
	SegmentNode *condition;
	int64		ttl;			/* microseconds after the last event that a part was fed by */
	int32		purposes;		/* all of them must be allowed */
} Segment;

/* All segments; a set stays valid to the end of the transaction. */
typedef struct SegmentSet
{
	int			count;
	Segment    *segments;
	int			stepCount;		/* names of events that are steps */
	char	  **steps;
	int64		horizon;		/* how long before the newest a step is of use */
} SegmentSet;

/* What is known of a person. */
typedef struct SegmentPerson
{
	const FeatureState *features;	/* NULL: none */
	const ProfileSteps *steps;
	const SignalSet *signals;
	TimestampTz now;
} SegmentPerson;

/* Whether a person is in a segment. */
typedef struct SegmentState
{
	bool		member;
	TimestampTz due;			/* until when nothing changes by itself; DT_NOEND: ever */
	bool		hasQuery;		/* a sequence was about it */
	uint64		query;
} SegmentState;

/* The current definitions. */
extern const SegmentSet *SegmentSetGet(void);
extern bool SegmentIsStep(const SegmentSet *set, const char *event);

/*
 * Read a condition.  argument: how an error calls it; NULL: nothing is an error, for
 * what was a name once may be none any more, and such a part never holds.
 */
extern SegmentNode *SegmentParse(const char *condition, const char *argument);

/* True if a part compares something of a signal. */
extern bool SegmentCompares(const SegmentNode *node, const char *signal);

/* Call something for each comparison and sequence of a condition. */
extern void SegmentEach(SegmentNode *node, void (*call) (SegmentNode *node, void *arg), void *arg);

/* Whether a person is in a segment at a time. */
extern SegmentState SegmentMatch(const Segment *segment, const SegmentPerson *person);

/*
 * True if the person of a view, which is of this time, is in the segment of a name, as far
 * as the view may show it; false if there is none.
 */
struct ProfileView;
extern bool SegmentHas(const struct ProfileView *view, const char *name, TimestampTz now);

/* The names of all, palloc'd; returns how many. */
extern int	SegmentNames(const char ***names);

/* Complain of a name that no segment has. */
pg_noreturn extern void SegmentReportUnknown(const char *name);

/* The same set, and no session changes it until this transaction ends. */
extern const SegmentSet *SegmentSetGetLocked(void);

/* What is stored of people in segments, open to be written. */
typedef struct SegmentWriter SegmentWriter;
extern SegmentWriter *SegmentWriterOpen(void);
extern void SegmentWriterClose(SegmentWriter *writer);

/* The states of a person, by the writer's segments, palloc'd; and keep what changes. */
extern SegmentState *SegmentWriterMatch(SegmentWriter *writer, const FeatureState *features,
										const ProfileSteps *steps);
extern void SegmentWriterStore(SegmentWriter *writer, int64 userKey, const SegmentState *states);

/*
 * Look at people of these shards, which the caller holds, of whom something has changed
 * by the time alone.
 */
extern void SegmentAge(const bool *shards);

/* Have people looked at by that: those of some shards (NULL: of all), or one. */
extern void SegmentOutdate(const bool *shards);
extern void SegmentOutdatePerson(int64 userKey);

/* Called once when the library is loaded. */
extern void SegmentInit(void);

#endif
