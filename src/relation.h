/*
 * relation.h
 *		The one place where tables of the extension are found.
 */
#ifndef PERSONALIZE_RELATION_H
#define PERSONALIZE_RELATION_H

#include "postgres.h"

#include "storage/lockdefs.h"
#include "utils/inval.h"
#include "utils/relcache.h"

#define PERSONALIZE_SCHEMA "personalize"
#define PERSONALIZE_OWNER "personalize_owner"

/* OID of a table, index or view in the extension's schema; InvalidOid if missingOk. */
extern Oid	RelationFind(const char *name, bool missingOk);

/* Open a table (or index) of the extension. */
extern Relation RelationOpenTable(const char *name, LOCKMODE lockMode);

/*
 * Call watcher, whose first argument means nothing, when a relation may have
 * changed; InvalidOid: any may have.  A backend has ten slots for such callbacks,
 * of all its extensions together: this takes one.
 */
extern void RelationWatch(RelcacheCallbackFunction watcher);

/* True if the extension is installed in this database. */
extern bool RelationExtensionExists(void);

/* True if the extension's SQL version in this database is the library's. */
extern bool RelationVersionMatches(void);

/* OID of the extension's owner role. */
extern Oid	RelationOwner(void);

#endif
