/*
 * rules.h
 *		What may be in an answer.
 */
#ifndef PERSONALIZE_RULES_H
#define PERSONALIZE_RULES_H

#include "postgres.h"

#include "engines/context.h"
#include "engines/rules_tell.h"

/* What a rule costs to ask. */
typedef enum RuleCost
{
	RULE_CHEAP,					/* the call and what it holds tell */
	RULE_COSTLY					/* the catalogue must be read */
} RuleCost;

/* What a rule goes by. */
typedef enum RuleSubject
{
	RULE_OF_ANSWER,				/* what it holds already */
	RULE_OF_CATALOGUE,
	RULE_OF_PERSON,
	RULE_OF_CALL
} RuleSubject;

/* True if the rules of this cost admit the item. */
extern bool RulesAdmit(EngineContext *context, int64 itemKey, RuleCost cost);

/* Ask the rules on a subject one by one; returns how many verdicts, palloc'd. */
extern int	RulesTell(EngineContext *context, int64 itemKey, RuleSubject subject, RuleVerdict **verdicts);

#endif
