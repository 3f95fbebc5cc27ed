/*
 * pass.c
 *		The pass with which our own code goes through the row policies.
 *
 * Row security holds for the tables' owner too, and our SPI statements run as
 * that owner.  They pass because a flag of this backend is up, which only C code
 * can raise.  It is a depth: functions call each other.  An error in between
 * leaves it raised; the abort of the (sub)transaction lowers it to what it was
 * when that began.  It does not hold within a trigger that one of our statements
 * fires: that is somebody else's code, running as the owner.
 *
 * Parallel workers do not have the flag, and the plans of SpiUtilRun are never
 * parallel.
 */
#include "postgres.h"

#include "base/pass.h"

#include "access/xact.h"
#include "base/grow.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* How deep we were in our own code when a subtransaction began. */
typedef struct SavedDepth
{
	SubTransactionId subtransaction;
	int			depth;
} SavedDepth;

static int	depth = 0;
static int *triggers = NULL;	/* by depth: how many triggers deep we were */
static int	triggerCapacity = 0;
static SavedDepth *saved = NULL;
static int	savedCount = 0;
static int	savedCapacity = 0;

/* How many triggers deep this backend is. */
static inline int
TriggerDepth(void)
{
	return DatumGetInt32(pg_trigger_depth(NULL));
}

/* From here on the policies let this backend pass. */
void
PassEnter(void)
{
	GrowArrayIn(TopMemoryContext, triggers, depth + 1, triggerCapacity, 8);
	triggers[depth++] = TriggerDepth();
}

/* And from here on as before PassEnter. */
void
PassLeave(void)
{
	Assert(depth > 0);
	depth--;
}

/* True between the two, but not in a trigger that our statement fired. */
bool
PassIsUp(void)
{
	return depth > 0 && triggers[depth - 1] == TriggerDepth();
}

/* Note the depth at which a subtransaction begins; 0 goes without saying. */
static void
SaveDepth(SubTransactionId subtransaction)
{
	if (depth == 0)
		return;
	GrowArrayIn(TopMemoryContext, saved, savedCount + 1, savedCapacity, 8);
	saved[savedCount++] = (SavedDepth)
	{
		.subtransaction = subtransaction,.depth = depth
	};
}

/* Subtransaction callback: an abort gives the depth back. */
static void
SubtransactionEnds(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	bool		known = savedCount > 0 && saved[savedCount - 1].subtransaction == mine;

	if (event == SUBXACT_EVENT_START_SUB)
		SaveDepth(mine);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		depth = known ? saved[savedCount - 1].depth : 0;
	if (known && (event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB))
		savedCount--;
}

/* Transaction callback: nothing of ours runs outside one. */
static void
TransactionEnds(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE)
		return;
	depth = 0;
	savedCount = 0;
}

/* Called once when the library is loaded. */
void
PassInit(void)
{
	RegisterXactCallback(TransactionEnds, NULL);
	RegisterSubXactCallback(SubtransactionEnds, NULL);
}
