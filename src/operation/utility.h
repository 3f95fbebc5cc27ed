/*
 * utility.h
 *		Commands before which workers must leave a database.
 */
#ifndef PERSONALIZE_UTILITY_H
#define PERSONALIZE_UTILITY_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* The database a command needs for itself; InvalidOid if none. */
extern Oid	UtilityDatabaseOf(Node *statement);

/* Have somebody told before a database is dropped or renamed; registered in an Init. */
extern void UtilityRegisterLost(void (*handler) (Oid database, const char *name));

/* Called once when the library is loaded. */
extern void UtilityInit(void);

#endif
