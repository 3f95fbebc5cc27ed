/*
 * context.h
 *		What the parts of one answer share: the question, and how to read.
 */
#ifndef PERSONALIZE_CONTEXT_H
#define PERSONALIZE_CONTEXT_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "engines/variant.h"
#include "exposures/request_id.h"
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
	int			variant;
	int			user;			/* whom the answer is for */
} EngineArguments;

/* An id that the caller has given and its key does not tell. */
typedef struct GivenId
{
	int64		key;
	text	   *id;
} GivenId;

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
	MemoryContext context;		/* that of the call */
	int			engine;			/* its number in the registry */
	const Variant *variant;

	Snapshot	snapshot;
	bool		hasAsOf;
	TimestampTz now;			/* as_of, or the present */
	bool		past;			/* as_of is in the past: what happened since does not count */
	struct SearchPast *searchPast;	/* what was clicked and trending until then; NULL: not looked up */
	const struct EventPlaces *places;	/* of raw events, for questions of the past; NULL: not looked up */
	struct SessionHistory *sessions;	/* everybody's, of the past; NULL: not looked up */
	ItemReader *items;
	Knn		   *knn;			/* NULL: not opened yet */

	/* the question */
	int			n;
	bool		explain;
	JsonPath   *filter;			/* NULL: none */
	int			filterAsked;	/* of so many items */
	int			filterMatched;
	bool		hasCandidates;
	int			candidateCount;
	int64	   *candidateKeys;	/* as given */
	KeySet		candidates;
	KeySet		excluded;		/* by the call */
	KeySet		seen;			/* lately, and so excluded */
	KeySet		bought;
	const text *category;		/* that the question is about; NULL: all */
	const text *query;			/* what was searched for; NULL: the engine is asked for nothing */
	bool		logScores;		/* scores are logarithms: factors are added as such */
	const text *module;			/* of a page; NULL: none */
	JsonPath   *moduleFilter;	/* of that module, besides filter; NULL: none */
	const void *asked;			/* what else the engine's sources are to know */
	struct Caps *caps;			/* of the page; NULL: none */
	int64		halfLife;		/* microseconds */
	bool		listCut;		/* there is more than the list that was proposed */

	/* whom it is for */
	bool		userRead;		/* the argument: */
	int64		userKey;
	Visitor		visitor;
	PreferenceList *preferences;	/* NULL: none */
	int			ownCount;		/* the visitor's own current sessions */
	int64	   *ownSessions;	/* NULL: not read yet */
	EngineLack	lack;
	bool		stale;

	bool		audienceRead;
	const ProfileView *audienceProfile; /* of the visitor, for audiences; NULL: may not be used */
	Jsonb	   *features;		/* of it; NULL: not made yet */
	struct RuleScope *rules;	/* of the table rule, in force for this call; NULL: none */

	KeySet		shown;			/* what the answer holds so far */
	bool		hasExempt;		/* an item that all conditions admit, to see where it would be */
	int64		exemptKey;
	RequestOrigin origin;		/* what the request id says; the reason is added at the end */

	struct SourceLists *lists;	/* of everybody's, that were read; NULL: none yet */
	struct SaidReasons *said;	/* texts of reasons; NULL: none yet */

	/* the catalogue row that filters were last asked about */
	MemoryContext rowContext;	/* NULL: none yet */
	int64		rowKey;
	Jsonb	   *row;

	void	   *question;		/* the recipe's own */
	int			featureCount;	/* of those that scored the candidates */
	const char *const *featureNames;

	int			givenCount;
	int			givenCapacity;
	bool		givenSorted;
	GivenId    *given;
} EngineContext;

/* Read the arguments that engines share. */
extern EngineContext *ContextBegin(FunctionCallInfo fcinfo, int engine, const EngineArguments *arguments);
extern void ContextEnd(EngineContext *context);

/* A context of no call: the question is as of a time in the past. */
extern EngineContext *ContextBeginPast(const Variant *variant, TimestampTz asOf);

/* True if an argument is there and not null. */
static inline bool
ContextHasArgument(const EngineContext *context, int argument)
{
	return argument >= 0 && !context->fcinfo->args[argument].isnull;
}

/* The keys of an array argument of ids, each of which must be one; 0 if it is NULL.  name: what errors call it. */
extern int	ContextGetKeys(EngineContext *context, int argument, const char *name, int64 **keys);

/* The key of an id, which is remembered if the key does not tell it. */
extern int64 ContextKeepId(EngineContext *context, text *id);

/* An id for SQL that a person reads: as a literal, the key if the id is not known. */
extern char *ContextQuoteItem(EngineContext *context, int64 key);
extern char *ContextQuoteUser(const EngineContext *context);

/* The key of the person whose id is an argument, the only such one of the call. */
extern int64 ContextUserKey(EngineContext *context, int argument);

/* The key of the argument item_id. */
extern int64 ContextGetItemKey(EngineContext *context, int argument);

/* The id behind a key: the catalogue's, or as the caller has given it; NULL if neither knows. */
extern text *ContextFindId(EngineContext *context, int64 key);

/* True if a filter agrees to the item's catalogue row: finds anything but false or null. */
extern bool ContextFilterAgrees(EngineContext *context, JsonPath *filter, int64 itemKey);

/* The neighbours, opened at first use. */
extern Knn *ContextKnn(EngineContext *context);

/* True if it had not happened yet at the time asked for. */
static inline bool
ContextIsAhead(const EngineContext *context, TimestampTz ts)
{
	return context->hasAsOf && ts > context->now;
}

/* True if some of what is proposed may well not be returned: a filter, candidates, rules, preferences. */
static inline bool
ContextIsSelective(const EngineContext *context)
{
	return context->filter != NULL || context->moduleFilter != NULL || context->caps != NULL || context->hasCandidates || context->rules != NULL ||
		(context->preferences != NULL && context->preferences->count > 0);
}

/* How many items are not to come back, at most. */
static inline int
ContextExcludedCount(const EngineContext *context)
{
	return context->excluded.count + context->seen.count + context->bought.count;
}

#endif
