/*
 * person_store.h
 *		What must be done for every table that holds data of people.
 *
 * A table registers once.  Forgetting people, withdrawals, restrictions, corrections,
 * copies, retention, row policies and state_hash() are loops over the registrations.
 */
#ifndef PERSONALIZE_PERSON_STORE_H
#define PERSONALIZE_PERSON_STORE_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

struct EventRow;
struct PersonExpiry;

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
 * deleted; finish has its turn after the walk.
 */
typedef struct PersonTaker
{
	void	   *(*begin) (PersonRemoval *removal);
	void		(*event) (void *state, PersonTally *tally, const struct EventRow *row);
	void		(*finish) (void *state, PersonRemoval *removal);
} PersonTaker;

/* Something is done about what a person's rows hold for purposes. */
typedef void (*PersonChange) (int64 userKey, int32 purposes);

/*
 * A withdrawal, in this order: what events have added to sums is taken out (uncount);
 * events and what else has a time of its own lose the purposes, if it is older than
 * until; what was derived goes; and if the purposes were granted again since, it is
 * derived anew from the events that still have them.
 */
typedef struct PersonWithdrawal
{
	const PersonTaker *uncount;
	void		(*clear) (int64 userKey, int32 purposes, TimestampTz until);
	PersonChange purge;
	PersonChange recount;
} PersonWithdrawal;

/* A restriction: what others see takes the person out for the time being, and back in. */
typedef struct PersonParking
{
	PersonChange park;
	PersonChange unpark;
} PersonParking;

/*
 * A correction of a raw event: what was made of the person's events is taken out
 * before, and made anew after.  purposes: those that are restricted, for which it is
 * out already.
 */
typedef struct PersonRemaking
{
	PersonChange takeOut;
	PersonChange remake;
} PersonRemaking;

/* What was known under one id becomes another's (person_move.h). */
typedef struct PersonMove
{
	int64		from;
	int64		to;				/* the same: what came under alias is forgotten to have */
	int64		alias;			/* the id that raw events remember; back: those that came under it go */
	bool		back;			/* to that id, else from it to a person */
	bool		hasEvents;		/* from has raw events */
	int64		events;			/* of these, that have changed hands */
} PersonMove;

/*
 * Changing hands.  Without this, a store with a correction has both ids taken out
 * before and made anew after; others have nothing of any id.  missing: events that the
 * table counts of an id and that no raw event tells of any more.
 */
typedef struct PersonMoving
{
	int64		(*missing) (int64 userKey);
	void		(*leave) (const PersonMove *move);
	void		(*rekey) (PersonMove *move);	/* rows that say whose they are */
	void		(*settle) (const PersonMove *move);
} PersonMoving;

/* A part of the document that export_user() returns. */
typedef struct PersonExport
{
	const char *as;				/* its name; several tables can be in one part */
	const char *query;			/* one value, jsonb; $1: user_key, $2: user_id */
	const char *meaning;
} PersonExport;

/* A value of a signal that somebody has. */
typedef struct PersonValue
{
	uint64		featureKey;
	int32		purposes;		/* of the signal */
	bool		isItem;			/* of an item, known by the lower 48 bits */
	bool		isFiled;		/* the dictionary has its text */
} PersonValue;

/* Who is told what rows name. */
typedef struct PersonNames
{
	void	   *arg;
	bool		items;			/* wanted */
	bool		values;
	const char *remedy;			/* what becomes of a damaged row, in a warning; NULL: it is an error */
	void		(*item) (void *arg, int64 itemKey);
	void		(*value) (void *arg, const PersonValue *value);
} PersonNames;

/* The kinds of names. */
#define PERSON_NAMES_ITEMS "items"
#define PERSON_NAMES_BOTH "items and values"

/* What the packed rows of a table name; index begins with user_key. */
typedef struct PersonNaming
{
	const char *kinds;
	const char *index;
	void		(*row) (const PersonNames *names, TupleTableSlot *slot);
} PersonNaming;

/* What raw events name, beside their items; anyway: for whatever purpose, now or before. */
typedef struct PersonEventNaming
{
	void	   *(*begin) (Snapshot snapshot);
	void		(*event) (void *state, const PersonNames *names, const struct EventRow *row, bool anyway);
	void		(*end) (void *state);
} PersonEventNaming;

/* A query of those among items ($1, bigint[]) that a table names in the open. */
typedef struct PersonHolding
{
	const char *items;
	const char *reads;			/* the table it reads as a whole */
} PersonHolding;

/*
 * A table with words or ids that may be nobody's any more: unclaimed is a query
 * (kind, signal, key) of its rows that go if so, drop deletes some of them by signal
 * ($1, smallint[]) and key ($2, bigint[]).
 */
typedef struct PersonDictionary
{
	const char *kind;			/* as in _erasure_candidate */
	const char *unclaimed;
	const char *drop;
} PersonDictionary;

/* A kind of retention_policy; ends with one that has none. */
typedef struct PersonExpiryStep
{
	const char *kind;
	int			place;			/* what holds others up comes last */
	bool		always;			/* has something to do without a time to keep */
	void		(*run) (struct PersonExpiry *expiry);
} PersonExpiryStep;

/* Said of what a structure above does not need: a callback as well as a text. */
extern void PersonStoreNone(void);
#define PERSON_NONE ((void *) PersonStoreNone)

/* What a table does not need. */
#define PERSON_NO_MASK			(1 << 0)
#define PERSON_NO_UNANALYZED	(1 << 1)
#define PERSON_NO_PEOPLE		(1 << 2)
#define PERSON_NO_KEEPS			(1 << 3)
#define PERSON_NO_COPY			(1 << 4)
#define PERSON_NO_RECEIPT		(1 << 5)
#define PERSON_NO_RECEIPT_LEFT	(1 << 6)
#define PERSON_NO_FORGET		(1 << 7)
#define PERSON_NO_WITHDRAW		(1 << 8)
#define PERSON_NO_RESTRICTION	(1 << 9)
#define PERSON_NO_CORRECTION	(1 << 10)
#define PERSON_NO_NAMES			(1 << 11)
#define PERSON_NO_EVENT_NAMES	(1 << 12)
#define PERSON_NO_HOLDS			(1 << 13)
#define PERSON_NO_DICTIONARY	(1 << 14)
#define PERSON_NO_EXPIRY		(1 << 15)
#define PERSON_NO_MOVING		(1 << 16)

/*
 * A text of a column that tells of one of some people ($1: their keys and ids, text[])
 * says $2 instead: the message of an error that is kept may name anybody.
 */
#define PERSON_NAMED_IN(column) \
	"EXISTS (SELECT FROM pg_catalog.unnest($1) AS n (name) WHERE pg_catalog.strpos(" column ", n.name) > 0" \
	" AND " column " ~ ('(^|[^[:alnum:]_])' || pg_catalog.regexp_replace(n.name, '(\\W)', '\\\\\\1', 'g') || '($|[^[:alnum:]_])'))"
#define PERSON_UNNAMED(column) \
	column " = CASE WHEN " PERSON_NAMED_IN(column) " THEN $2 ELSE " column " END"

/* A form that is the rows as they are. */
#define PERSON_STORE_PLAIN(table) \
	"SELECT pg_catalog.to_jsonb(t) FROM personalize." table " t"

/*
 * A table.  One with data of people says everything, or that it does not need it
 * (none): a registration that leaves something out is refused.  One with nobody's
 * data says what it holds instead (content) and its form; of the rest, what it needs.
 */
typedef struct PersonStore
{
	const char *name;
	const char *content;
	const char *unname;			/* an UPDATE by which texts of errors no longer tell of people (PERSON_UNNAMED) */
	int			none;			/* PERSON_NO_... */

	/* state_hash(): the query of the canonical form ($1: as_of), or why it has none. */
	const char *form;
	const char *exempt;

	/* Row policies: what _readable() is given; none: nobody reads it with SQL. */
	const char *mask;
	const char *unanalyzed;		/* columns that ANALYZE leaves out, for samples would outlive the person */

	/*
	 * A query (user_key, purposes) of whom the rows are about, and what they need; and
	 * one (user_key) of those whom a row keeps from being idle, $1: since when
	 * decisions about consent count.
	 */
	const char *people;
	const char *keeps;

	const PersonExport *copy;

	/*
	 * The order in which rows are locked, which everybody takes who takes something
	 * away.  Counters come before the rejected events that say what was not counted.
	 */
	int			rank;

	/* What a receipt calls the rows erased, and what is left of others. */
	const char *receipt;
	const char *receiptLeft;

	/* With the person's stripe locked exclusively: */
	const PersonTaker *forget;
	const PersonWithdrawal *withdraw;
	const PersonParking *restriction;
	const PersonRemaking *correction;
	const PersonMoving *moving;

	/* What rows name that may be nobody's else. */
	const PersonNaming *names;
	const PersonEventNaming *eventNames;
	const PersonHolding *holds;
	const PersonDictionary *dictionary;

	const PersonExpiryStep *expiry;
} PersonStore;

/* As many stores can be registered. */
#define PERSON_STORES_MAX 128

/* Called from Init functions. */
extern void PersonStoreRegister(const PersonStore *stores, int count);

/* All stores in the order of rank; what they do not need is NULL, also in the structures above. */
extern const PersonStore *PersonStores(int *count);

#endif
