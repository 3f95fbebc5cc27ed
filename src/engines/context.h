/*
 * context.h
 *		What the parts of one answer share: the question, and how to read.
 */
#ifndef PERSONALIZE_CONTEXT_H
#define PERSONALIZE_CONTEXT_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "items/item.h"
#include "neighbours/knn.h"
#include "profiles/preference.h"
#include "profiles/profile.h"
#include "utils/jsonpath.h"
#include "utils/snapshot.h"

/* As many items an engine returns at most. */
#define ENGINE_MAX_ITEMS 1000

/* The most items that an engine ranks which is given them. */
#define ENGINE_MAX_GIVEN 10000

/* Why an engine has nothing personal to go by. */
typedef enum EngineLack
{
	LACK_NOTHING,
	LACK_USER,					/* nothing is known of the user yet */
	LACK_CONSENT				/* the user does not allow recommendations */
} EngineLack;
#define LACK_COUNT 3

/* Numbers of the arguments that engines share; -1: it has none. */
typedef struct EngineArguments
{
	int			n;
	int			every;			/* n may be NULL: as many as this array has elements; 0: it may not */
	int			filter;
	int			candidates;
	int			exclude;
	int			explain;
	int			asOf;
} EngineArguments;

/* An id that the caller has given and its key does not tell. */
typedef struct GivenId
{
	int64		key;
	text	   *id;
} GivenId;

/* A filter, made ready once; scratch is emptied after each row. */
typedef struct ItemFilter
{
	JsonPath   *path;
	MemoryContext scratch;
} ItemFilter;

/* Whom the answer is for, or what it goes by. */
typedef struct Visitor
{
	bool		hasKey;
	int64		userKey;
	bool		personal;		/* allows recommendations */
	ProfileView *profile;		/* NULL: not personal */
	int			itemCount;		/* the current session, newest first */
	int64	   *items;
	int			longCount;		/* before that */
	int64	   *longItems;
	bool		fromCall;		/* items are session_items */
	KnnReturn	returns;		/* which of the items may come back */
} Visitor;

/* One SQL call; a page of several answers shares it. */
typedef struct EngineContext
{
	FunctionCallInfo fcinfo;
	Snapshot	snapshot;
	bool		hasAsOf;
	TimestampTz now;			/* as_of, or the present */
	bool		past;			/* as_of is in the past: what happened since does not count */
	ItemReader *items;
	Knn		   *knn;			/* NULL: not opened yet */

	/* the question */
	int			n;
	bool		explain;
	ItemFilter *filter;			/* NULL: none */
	bool		hasCandidates;
	int			candidateCount;
	int64	   *candidateKeys;	/* as given */
	KeySet		candidates;
	KeySet		excluded;
	const text *category;		/* NULL: all */
	int64		halfLife;		/* microseconds */

	/* whom it is for */
	Visitor		visitor;
	PreferenceList *preferences;	/* NULL: none */
	EngineLack	lack;
	bool		stale;

	KeySet		shown;			/* what the answer holds so far */

	void	   *question;		/* the recipe's own */
	const text *query;			/* what was looked for; NULL: nothing */
	int			featureCount;	/* of those that scored the candidates */
	const char **featureNames;

	int			givenCount;
	int			givenCapacity;
	bool		givenSorted;
	GivenId    *given;
} EngineContext;

/* Read the arguments that engines share. */
extern EngineContext *ContextBegin(FunctionCallInfo fcinfo, const EngineArguments *arguments);
extern void ContextEnd(EngineContext *context);

/* True if an argument is there and not null. */
static inline bool
ContextHasArgument(const EngineContext *context, int argument)
{
	return argument >= 0 && !context->fcinfo->args[argument].isnull;
}

/* The keys of an array argument of ids, without its nulls; 0 if it is NULL. */
extern int	ContextGetKeys(EngineContext *context, int argument, int64 **keys);

/* The key of the argument item_id. */
extern int64 ContextGetItemKey(EngineContext *context, int argument);

/* The id behind a key: the catalogue's, or as the caller has given it; NULL if neither knows. */
extern text *ContextFindId(EngineContext *context, int64 key);

/* The neighbours, opened at first use. */
extern Knn *ContextKnn(EngineContext *context);

/* True if it had not happened yet at the time asked for. */
static inline bool
ContextIsAhead(const EngineContext *context, TimestampTz ts)
{
	return context->hasAsOf && ts > context->now;
}

/* True if some of what is proposed may well not be admitted: a filter, candidates, preferences. */
static inline bool
ContextIsSelective(const EngineContext *context)
{
	return context->filter != NULL || context->hasCandidates ||
		(context->preferences != NULL && context->preferences->count > 0);
}

/* True if two texts are the same. */
static inline bool
TextIsSame(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

#endif
