/*
 * person_store.h
 *		What must be done for every table that holds data of people.
 *
 * A table registers once; forgetting people, withdrawals and whatever else concerns
 * all tables are loops over the registrations.
 */
#ifndef PERSONALIZE_PERSON_STORE_H
#define PERSONALIZE_PERSON_STORE_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

struct EventRow;

/* How much of a person a table has lost, and what is left in sums of everybody. */
typedef struct PersonTally
{
	int64		taken;
	int64		left;
} PersonTally;

/* A person of whom something is taken away. */
typedef struct PersonTaken
{
	int64		userKey;
	const text *userId;			/* NULL: not known; then rejected events that only name it stay */
	PersonTally *tallies;		/* by number of store */
} PersonTaken;

/* Taking data of people away (person_removal.h). */
typedef struct PersonRemoval
{
	int			count;
	PersonTaken *people;		/* by key */
	KeySet		keys;
	bool		forgets;		/* everything goes, whatever it is for */
	int32		purposes;		/* what needs one of these goes */
	Snapshot	snapshot;
	MemoryContext context;		/* lives until the end */
	bool		deletesEvents;	/* each event, when all stores have seen it */
	int			store;			/* the one whose turn it is */
	void	  **states;			/* by store */
} PersonRemoval;

/*
 * How a table gets rid of people.  begin returns what the others are given; event is
 * called for each raw event of the people, in one walk for all tables, before it is
 * deleted; finish has its turn after the walk.  Any of them may be NULL.
 */
typedef struct PersonTaker
{
	void	   *(*begin) (PersonRemoval *removal);
	void		(*event) (void *state, PersonTally *tally, const struct EventRow *row);
	void		(*finish) (void *state, PersonRemoval *removal);
} PersonTaker;

/* Something is done about what a person's rows hold for purposes. */
typedef void (*PersonChange) (int64 userKey, int32 purposes);

/* The same, about what is older than a time. */
typedef void (*PersonClear) (int64 userKey, int32 purposes, TimestampTz until);

/* Said of what a table does not need: a callback as well as a text. */
extern void PersonStoreNone(void);
#define PERSON_STORE_NONE ((void *) PersonStoreNone)

/*
 * A table.  One with data of people says everything, be it PERSON_STORE_NONE: a
 * registration that leaves something out is refused.
 */
typedef struct PersonStore
{
	const char *name;

	/*
	 * The order in which rows are locked, which everybody takes who takes something
	 * away.  Counters come before the rejected events that say what was not counted.
	 */
	int			rank;

	/* What a receipt calls the rows erased, and what is left of others. */
	const char *receipt;
	const char *receiptLeft;

	/* Forgetting people. */
	const PersonTaker *forget;

	/*
	 * A withdrawal, with the person's stripe locked exclusively, in this order: what
	 * events have added to sums is taken out; events and what else has a time of its
	 * own lose the purposes; what was derived goes; and if the purposes were granted
	 * again since, it is derived anew from the events that still have them.
	 */
	const PersonTaker *withdraw;
	PersonClear clear;
	PersonChange purge;
	PersonChange recount;
} PersonStore;

/* Called from Init functions; the registration is kept. */
extern void PersonStoreRegister(const PersonStore *store);

/* All stores in the order of rank; what they do not need is NULL. */
extern const PersonStore *PersonStores(int *count);

#endif
