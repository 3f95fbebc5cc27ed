/*
 * hand_write.c
 *		Being told before a statement of somebody else's writes a relation of ours.
 *
 * Some relations are ours to write, and what is known of them in memory depends on it; yet a
 * superuser may write them, and does when all else fails.
 * Triggers would tell, but our own code, which writes below SQL, would have to obey them, and
 * session_replication_role silences them.  So it is told where the server looks at what a
 * statement may do, COPY included.  Statements of ours have the pass (pass.h) and are not told of.
 */
#include "postgres.h"

#include "base/hand_write.h"

#include "base/pass.h"
#include "base/relation.h"
#include "compat.h"
#include "executor/executor.h"

static HandWatch *watches = NULL;
static ExecutorCheckPerms_hook_type previousHook = NULL;

/* True if a relation is the one that is watched. */
static bool
IsWatched(HandWatch *watch, Oid relation)
{
	uint64		generation = RelationGeneration();

	if (watch->generation != generation)
	{
		watch->relationId = RelationFind(watch->relation, true);
		watch->generation = generation;
	}
	return watch->relationId == relation;
}

/* ExecutorCheckPerms_hook: what a statement needs of each relation. */
static bool
BeforeStatement(CompatPermissionParameters)
{
	ListCell   *cell;

	foreach(cell, permissions)
	{
		CompatPermission *permission = lfirst(cell);

		if ((permission->requiredPerms & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)) == 0 || PassIsUp())
			continue;
		for (HandWatch *watch = watches; watch != NULL; watch = watch->next)
			if (IsWatched(watch, permission->relid))
				watch->tell();
	}
	return previousHook == NULL || previousHook(CompatPermissionArguments);
}

/* Make a relation known. */
void
HandWatchRegister(HandWatch *watch)
{
	if (watches == NULL)
	{
		previousHook = ExecutorCheckPerms_hook;
		ExecutorCheckPerms_hook = BeforeStatement;
	}
	watch->next = watches;
	watches = watch;
}
