/*
 * engine.h
 *		What all engines have in common: arguments, acceptance and rows.
 */
#ifndef PERSONALIZE_ENGINE_H
#define PERSONALIZE_ENGINE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "item.h"
#include "key_set.h"
#include "preference.h"
#include "utils/jsonpath.h"
#include "utils/snapshot.h"

/* As many items an engine returns at most. */
#define ENGINE_MAX_ITEMS 1000

/* Engines, for counting their calls. */
typedef enum EngineId
{
	ENGINE_RECOMMEND,
	ENGINE_SIMILAR_ITEMS,
	ENGINE_TRENDING,
	ENGINE_BOUGHT_TOGETHER
} EngineId;
#define ENGINE_COUNT 4

/* Why an item is returned; the texts are in engine.c. */
typedef enum EngineReason
{
	REASON_BECAUSE_VIEWED,		/* item */
	REASON_VIEWED_BEFORE,		/* the item itself */
	REASON_SIMILAR_TO,			/* item */
	REASON_BOUGHT_WITH,			/* item */
	REASON_POPULAR_IN,			/* category */
	REASON_TRENDING,
	REASON_NEWEST,
	REASON_CANDIDATE
} EngineReason;
#define REASON_COUNT 8

/* Why an engine has nothing personal to go by. */
typedef enum EngineLack
{
	LACK_NOTHING,
	LACK_USER,					/* nothing is known of the user yet */
	LACK_CONSENT				/* the user does not allow recommendations */
} EngineLack;

/* An item that an engine proposes. */
typedef struct EnginePick
{
	int64		itemKey;
	double		score;
	double		boost;			/* what a preference has multiplied the score with */
	EngineReason reason;
	int64		because;		/* the item of the reason */
	const text *category;		/* the category of the reason */
} EnginePick;

/* Numbers of the arguments that engines share; -1: it has none. */
typedef struct EngineArguments
{
	int			n;
	int			filter;
	int			candidates;
	int			exclude;
	int			explain;
	int			asOf;
} EngineArguments;

/* An id that the caller has given and its key does not tell. */
typedef struct EngineGiven
{
	int64		key;
	text	   *id;
} EngineGiven;

/* A call. */
typedef struct Engine
{
	EngineId	id;
	FunctionCallInfo fcinfo;
	int			n;
	JsonPath   *filter;			/* NULL: none */
	MemoryContext filterContext;	/* emptied after each row */
	bool		hasCandidates;
	int			candidateCount;
	int64	   *candidateKeys;	/* as given */
	KeySet		candidates;
	KeySet		excluded;
	PreferenceList *preferences;	/* NULL: none */
	bool		explain;
	bool		hasAsOf;
	TimestampTz now;			/* as_of, or the present */
	bool		past;			/* as_of is in the past: what happened since does not count */
	Snapshot	snapshot;
	ItemReader *items;
	int			givenCount;
	int			givenCapacity;
	bool		givenSorted;
	EngineGiven *given;
	EngineLack	lack;
	bool		stale;
	KeySet		taken;
	int			pickCount;
	EnginePick *picks;			/* n */
} Engine;

/* Read the common arguments. */
extern Engine *EngineBegin(FunctionCallInfo fcinfo, EngineId id, const EngineArguments *arguments);

/* The keys of an array argument of ids, without its nulls; 0 if it is NULL. */
extern int	EngineGetKeys(Engine *engine, int argument, int64 **keys);

/* The key of an id argument. */
extern int64 EngineGetKey(Engine *engine, int argument);

/* Take an item, unless something speaks against it; false once there are n. */
extern bool EngineOffer(Engine *engine, const EnginePick *pick);

/* Take them in the order of their scores, those of favourites raised. */
extern bool EngineOfferAll(Engine *engine, EnginePick *picks, int count);

/*
 * Fill up with what is popular in favourite categories and those of these items,
 * then overall, then with the candidates or else the newest of the catalogue;
 * not with these items, unless they are candidates.
 */
extern void EngineFill(Engine *engine, const int64 *items, int itemCount);

/* Return the rows. */
extern Datum EngineEnd(Engine *engine);

#endif
