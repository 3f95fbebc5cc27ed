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

/* Changes whenever what RelationFind said may not hold any more. */
extern uint64 RelationGeneration(void);

/* Open a table (or view) of the extension. */
extern Relation RelationOpenTable(const char *name, LOCKMODE lockMode);

/*
 * Open an index of a table, an error unless it finds every row of the table, or, if
 * it is made so, every row that its predicate names.
 */
extern Relation RelationOpenIndex(Relation table, const char *name, LOCKMODE lockMode);

/* Such an index, not locked; all zeros at first. */
typedef struct KnownIndex
{
	Relation	index;			/* NULL: none */
	uint64		generation;		/* that it is of */
} KnownIndex;

/*
 * Such an index as it is now, without a lock, where one of the table is held; NULL: it must be
 * opened.  For asking what is known of its pages: it may be made anew meanwhile, so nothing can
 * be read from it.
 */
extern Relation RelationKnowIndex(KnownIndex *known, Relation table, const char *name);

/* Close it. */
extern void RelationForgetIndex(KnownIndex *known);

/* The OID of such an index, not locked. */
extern Oid	RelationIndex(Relation table, const char *name);

/* The columns by whose place C code knows a table; NULL for others. */
typedef struct RelationShape RelationShape;
extern const RelationShape *RelationShapeOf(const char *name);

/*
 * Raise unless an open table, or partition of event, is what the code knows;
 * returns how many columns it knows.  RelationOpenTable does it.
 */
extern int	RelationCheckShape(Relation relation, const RelationShape *shape);
extern int	RelationCheckColumns(Relation relation);

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
