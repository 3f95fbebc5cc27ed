/*
 * policy_explain.c
 *		Keeping EXPLAIN ANALYZE from counting rows that a policy hides.
 *
 * A policy is a filter of the scan, and "Rows Removed by Filter" and the
 * matches of an index would tell a reader how many people there are that did not
 * allow his purpose, or whether one person is known at all.  When a query with
 * such counters ends, those of scans of our protected tables are cleared, unless
 * the role is above row security.  Buffers and times still depend on what was
 * skipped, as everywhere under row security.
 */
#include "postgres.h"

#include "people/policy.h"

#include "base/relation.h"
#include "compat.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/rel.h"

static ExecutorFinish_hook_type previousFinish = NULL;

/* True for tables of the extension, partitions too, that have row security. */
static bool
IsProtected(Relation relation, Oid owner)
{
	return relation != NULL && relation->rd_rel->relrowsecurity &&
		relation->rd_rel->relowner == owner;
}

/* Clear how many entries an index had. */
static void
ClearMatches(PlanState *node)
{
	WorkerInstrumentation *workers = node->worker_instrument;

	node->instrument->tuplecount = node->instrument->ntuples = 0;
	for (int i = 0; workers != NULL && i < workers->num_workers; i++)
		workers->instrument[i].ntuples = 0;
}

/* Clear what the counters of a plan tell of hidden rows. */
static bool
ClearCounts(PlanState *node, void *context)
{
	Oid			owner = *(Oid *) context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
		case T_TidScanState:
		case T_TidRangeScanState:
			if (node->instrument == NULL ||
				!IsProtected(((ScanState *) node)->ss_currentRelation, owner))
				break;
			node->instrument->nfiltered1 = node->instrument->nfiltered2 = 0;
			node->instrument->ntuples2 = 0;
			if (IsA(node, BitmapHeapScanState))
				CompatForgetPages((BitmapHeapScanState *) node);
			break;
		case T_BitmapIndexScanState:
			/* indexes of unprotected tables as well: theirs tell nothing worth the search */
			if (node->instrument != NULL &&
				((BitmapIndexScanState *) node)->biss_RelationDesc != NULL &&
				((BitmapIndexScanState *) node)->biss_RelationDesc->rd_rel->relowner == owner)
				ClearMatches(node);
			break;
		default:
			break;
	}
	return planstate_tree_walker(node, ClearCounts, context);
}

/* Executor hook: at the end of a statement whose rows were counted. */
static void
FinishExplained(QueryDesc *query)
{
	if (previousFinish)
		previousFinish(query);
	else
		standard_ExecutorFinish(query);
	if ((query->instrument_options & (INSTRUMENT_ROWS | INSTRUMENT_TIMER)) != 0 &&
		query->planstate != NULL && !PolicyBypasses(GetUserId()))
	{
		Oid			owner = get_role_oid(PERSONALIZE_OWNER, true);

		if (OidIsValid(owner))
			(void) ClearCounts(query->planstate, &owner);
	}
}

/* Install the hook. */
void
PolicyExplainInit(void)
{
	previousFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = FinishExplained;
}
