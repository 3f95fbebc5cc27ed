/*
 * feature_view.h
 *		Feature views: named expressions over what is known of a person or an item.
 */
#ifndef PERSONALIZE_FEATURE_VIEW_H
#define PERSONALIZE_FEATURE_VIEW_H

#include "postgres.h"

#include "profiles/grammar.h"
#include "signals/scoped_signal.h"

#define FEATURE_VIEW_MAX_FEATURES 200

/* Values in a list, those of most events. */
#define FEATURE_MAX_LIST 100

/* Whom a view is about: what signals are kept by. */
typedef enum FeatureEntity
{
	FEATURE_ENTITY_USER = SIGNAL_SCOPE_USER,
	FEATURE_ENTITY_ITEM = SIGNAL_SCOPE_ITEM,
	FEATURE_ENTITY_CATEGORY = SIGNAL_SCOPE_CATEGORY, /* items of it together; so are those of the next two */
	FEATURE_ENTITY_BRAND = SIGNAL_SCOPE_BRAND,
	FEATURE_ENTITY_TAG = SIGNAL_SCOPE_TAG,
	FEATURE_ENTITY_QUERY = SIGNAL_SCOPE_QUERY,
	FEATURE_ENTITY_SHOP = SIGNAL_SCOPE_GLOBAL /* all items together */
} FeatureEntity;

/* True if views of an entity have a typed view: one row of SQL for each. */
static inline bool
FeatureEntityHasTable(FeatureEntity entity)
{
	return entity == FEATURE_ENTITY_USER || entity == FEATURE_ENTITY_ITEM;
}

/* True if an entity is what items have in common. */
static inline bool
FeatureEntityIsShared(FeatureEntity entity)
{
	return entity == FEATURE_ENTITY_CATEGORY || entity == FEATURE_ENTITY_BRAND || entity == FEATURE_ENTITY_TAG;
}

/* Types of values, and of the columns of the typed view. */
typedef enum FeatureType
{
	FEATURE_FLOAT8,
	FEATURE_BIGINT,
	FEATURE_TEXT,
	FEATURE_BOOLEAN,
	FEATURE_TEXTS				/* an array */
} FeatureType;

/* What a part of an expression is. */
typedef enum FeatureNodeKind
{
	FEATURE_SIGNAL,				/* signal ['value'] [measure] [[in] N unit] */
	FEATURE_SEGMENT,			/* in_segment('name') */
	FEATURE_REQUEST,			/* request.name [type] */
	FEATURE_ITEM,				/* item.name [type] */
	FEATURE_ITEM_EVENTS,		/* of views that are not of users: event or signal [measure] [[in] N unit] */
	FEATURE_NUMBER,
	FEATURE_ARITHMETIC,
	FEATURE_RATE				/* rate(feature, feature [, prior N weight N]) */
} FeatureNodeKind;

typedef struct FeatureNode
{
	FeatureNodeKind kind;
	FeatureType type;
	GrammarTerm term;			/* of a signal or events; of decayed events the half-life */
	char	   *name;			/* of a segment; path behind "request." or "item." */
	double		number;			/* itself; of a rate, the prior */
	double		weight;			/* of the prior */
	char		operator;		/* of arithmetic: + - * / */
	struct FeatureNode *left;	/* of arithmetic and rates */
	struct FeatureNode *right;
	bool		hasDefault;
	Datum		defaultValue;	/* of the type */
} FeatureNode;

typedef struct FeatureDefinition
{
	char	   *name;
	char	   *expression;
	FeatureNode *node;
} FeatureDefinition;

typedef struct FeatureView
{
	char	   *name;
	int			version;
	FeatureEntity entity;
	int64		ttl;			/* microseconds; 0: none */
	bool		newest;			/* no version is newer */
	bool		ofSignal;		/* made of a signal, and of no row of feature_view */
	bool		usesPerson;		/* what is known of a person */
	bool		usesItem;		/* the catalogue */
	int			count;
	FeatureDefinition *features;
} FeatureView;

/* All versions; a set stays valid to the end of the transaction. */
typedef struct FeatureViewSet
{
	int			count;
	FeatureView *views;			/* by name and version */
} FeatureViewSet;

extern const FeatureViewSet *FeatureViewSetGet(void);

/*
 * The newest version of a name, or that of name:version, or what a signal that is not kept
 * by user is read with; an error if there is none.
 */
extern const FeatureView *FeatureViewFind(const char *name);

/* That version; NULL if there is none. */
extern const FeatureView *FeatureViewFindVersion(const char *name, int version);

/* SQL names of types and entities. */
extern const char *FeatureTypeName(FeatureType type);
extern Oid	FeatureTypeOid(FeatureType type);
extern const char *FeatureEntityName(FeatureEntity entity);
extern FeatureEntity FeatureEntityFind(const char *name);	/* an error if it is none */

/* Read an expression; lenient: what was a name once may be none any more. */
extern FeatureNode *FeatureParse(const char *expression, FeatureEntity entity, bool lenient);

/* Call something for each part that is not made of parts. */
extern void FeatureEach(const FeatureNode *node, void (*call) (const FeatureNode *node, void *arg), void *arg);

/* Make the typed view what the newest version says, or drop it if there is none; in a SpiUtil scope. */
extern void FeatureTableSync(const char *name);

/* Called once when the library is loaded. */
extern void FeatureViewInit(void);
extern void FeatureStoreInit(void);
extern void FeatureStatInit(void);

#endif
