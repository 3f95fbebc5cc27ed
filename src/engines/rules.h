/*
 * rules.h
 *		What may be in an answer.
 */
#ifndef PERSONALIZE_RULES_H
#define PERSONALIZE_RULES_H

#include "postgres.h"

#include "engines/context.h"

/* What a rule costs to ask. */
typedef enum RuleCost
{
	RULE_CHEAP,					/* the call and what it holds tell */
	RULE_COSTLY					/* the catalogue must be read */
} RuleCost;

/* True if the rules of this cost admit the item. */
extern bool RulesAdmit(EngineContext *context, int64 itemKey, RuleCost cost);

#endif
