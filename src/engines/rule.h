/*
 * rule.h
 *		What a shop has said about its answers: table rule.
 */
#ifndef PERSONALIZE_RULE_H
#define PERSONALIZE_RULE_H

#include "postgres.h"

#include "engines/audience.h"

/* What a rule does; in the order of work. */
typedef enum RuleKind
{
	RULE_EXCLUDE,				/* these items never */
	RULE_REQUIRE,				/* these items only */
	RULE_BOOST,					/* scores multiplied by more than 1 */
	RULE_BURY,					/* by less */
	RULE_SLOTS,					/* a share of the rows for these items */
	RULE_PIN					/* items at a place */
} RuleKind;
#define RULE_KINDS 6
extern const char *const ruleKindNames[RULE_KINDS];

/* How the query of a rule is compared with that of a call, both folded. */
typedef enum RuleQueryMatch
{
	RULE_QUERY_EXACT,
	RULE_QUERY_CONTAINS
} RuleQueryMatch;
#define RULE_QUERY_MATCHES 2
extern const char *const ruleQueryMatchNames[RULE_QUERY_MATCHES];

/* Columns of rule; src/engines/rule.sql. */
typedef enum RuleColumn
{
	RULE_COLUMN_NAME = 1,
	RULE_COLUMN_KIND,
	RULE_COLUMN_ENGINE,
	RULE_COLUMN_MODULE,
	RULE_COLUMN_QUERY,
	RULE_COLUMN_QUERY_MATCH,
	RULE_COLUMN_CATEGORY,
	RULE_COLUMN_ITEMS,
	RULE_COLUMN_FILTER,
	RULE_COLUMN_FACTOR,
	RULE_COLUMN_PLACE,
	RULE_COLUMN_SHARE,
	RULE_COLUMN_AUDIENCE,
	RULE_COLUMN_SEGMENT,
	RULE_COLUMN_VALID_DURING,
	RULE_COLUMN_PRIORITY,
	RULE_COLUMN_ENABLED
} RuleColumn;

/* A row.  What is NULL there, and does not matter, is NULL, 0 or -1 here. */
typedef struct Rule
{
	char	   *name;
	RuleKind	kind;
	int			engine;			/* -1: all */
	text	   *module;
	text	   *query;			/* folded */
	RuleQueryMatch queryMatch;
	text	   *category;
	int			itemCount;
	text	  **items;
	int64	   *itemKeys;
	KeySet		itemSet;
	JsonPath   *filter;			/* one of items and filter is there */
	double		factor;
	int			place;
	double		share;
	Audience	audience;
	TimestampTz since;			/* it is valid from here on */
	TimestampTz until;			/* up to, but not at, this time */
	int			priority;
	bool		enabled;
} Rule;

/* The rules that are in force for a call, the highest priority first. */
typedef struct RuleScope
{
	int			count;
	const Rule **rules;
	int			kinds[RULE_KINDS];	/* how many of each */
} RuleScope;

/* Find them: context->rules, NULL if there are none.  After the question has been read. */
extern void RuleEnter(EngineContext *context);

/* How many of a kind are in force. */
static inline int
RuleCount(const EngineContext *context, RuleKind kind)
{
	return context->rules == NULL ? 0 : context->rules->kinds[kind];
}

/* True if there are rules at all. */
extern bool RuleExists(void);

/* True if a rule is about the item. */
extern bool RuleIsAbout(EngineContext *context, const Rule *rule, int64 itemKey);

/* The rule that excludes the item, or requires others; NULL: none does. */
extern const Rule *RuleAgainst(EngineContext *context, int64 itemKey);

/* True if there is none. */
extern bool RuleAdmits(EngineContext *context, int64 itemKey);

/* What boosts and burials multiply the item's score with. */
extern double RuleFactor(EngineContext *context, int64 itemKey);

/* A rule by its name, whether it is in force or not; NULL: there is none. */
extern const Rule *RuleFind(const char *name);

/* The names of all rules, palloc'd. */
extern const char **RuleNames(int *count);

/*
 * Until the next call of it, answer as if the rule of this name were enabled and valid
 * (or were not there); NULL: answer as it is.
 */
extern void RulePretend(const char *name, bool isThere);

extern void RuleInit(void);

#endif
