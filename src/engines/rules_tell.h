/*
 * rules_tell.h
 *		Why rules admit an item or not, in words, and what would change it.
 */
#ifndef PERSONALIZE_RULES_TELL_H
#define PERSONALIZE_RULES_TELL_H

#include "postgres.h"

#include "engines/context.h"

/* What a rule says of an item, in words. */
typedef struct RuleVerdict
{
	const char *gate;
	bool		admits;
	char	   *detail;
	char	   *fix;			/* the call that changes it; NULL: none is needed, or known */
} RuleVerdict;

/* For the rules in rules.c: verdict->admits is known. */
extern void RulesTellAvailable(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellHidden(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellPreference(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellFilter(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellCandidates(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellExclude(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellSeen(EngineContext *context, int64 itemKey, RuleVerdict *verdict);
extern void RulesTellBought(EngineContext *context, int64 itemKey, RuleVerdict *verdict);

#endif
