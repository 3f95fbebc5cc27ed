/*
 * policy.h
 *		For which purpose somebody may read.
 *
 * A request says which purpose: the reader's argument, else the setting
 * personalize.purpose.  Membership in the purpose's role is the authority, and
 * it is checked at each use.
 */
#ifndef PERSONALIZE_POLICY_H
#define PERSONALIZE_POLICY_H

#include "postgres.h"

#include "nodes/nodes.h"

/* Every purpose: what a role that bypasses row security reads if it asks for none. */
#define POLICY_EVERYTHING (-1)

/*
 * The bit of the purpose in force: of the argument, or of the setting if that
 * is NULL.  Error 42501 if there is none, it does not exist or the current role
 * does not hold it; 0 instead under personalize.on_denied = empty.  A role that
 * bypasses row security and requests nothing has 'personalization'.
 */
extern int32 PolicyPurpose(text *argument);

/* The same, but such a role has POLICY_EVERYTHING. */
extern int32 PolicyBits(text *argument);

/* Grows whenever a purpose in force may have changed. */
extern uint64 PolicyGeneration(void);

/* True if the role is not subject to row security. */
extern bool PolicyBypasses(Oid roleId);

/* True under personalize.on_denied = empty. */
extern bool PolicyIsSilent(void);

/* Answer a planner's question how many rows may be read; NULL if it asks something else. */
extern Node *PolicyEstimate(Node *request);

/* Close a partition, a table of event's days, to direct access; SPI is connected. */
extern void PolicyClosePartition(const char *qualifiedName);

/* Called once when the library is loaded. */
extern void PolicyExplainInit(void);
extern void PolicyInit(void);

#endif
