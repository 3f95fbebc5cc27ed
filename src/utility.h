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

/* Called once when the library is loaded. */
extern void UtilityInit(void);

#endif
