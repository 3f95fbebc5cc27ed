/*
 * inbox.c
 *		The foreign table inbox: events by INSERT and COPY.
 *
 * To the server inbox is a foreign table, and what is behind it is this file: rows
 * are gathered and written by the path of all other calls, whenever 1,000 have been
 * gathered and at the statement's end, by a trigger: what is written later is missing
 * in the server's statistics of the statement.  (A view with an INSTEAD OF trigger has
 * each row made into a tuple first.)  A statement may run others that insert into
 * inbox too; each has a state of its own.
 *
 * inbox is always empty.  ORMs that save by UPDATE first find no row and insert;
 * those that insert ON CONFLICT (message_id) mean what inbox does with a message_id
 * anyway.  There is no index from which the server could infer that, so the clause is
 * taken off an INSERT into inbox when it has been parsed.
 */
#include "postgres.h"

#include "base/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "compat.h"
#include "events/inbox.h"
#include "events/ingest.h"
#include "events/message_id.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "optimizer/paths.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_inbox_handler);
PG_FUNCTION_INFO_V1(personalize_inbox_end);

/* Rows are written when so many, or so many bytes, have been gathered. */
#define FLUSH_ROWS 1000
#define FLUSH_BYTES (4 * 1024 * 1024)

/* The role that may add to history. */
#define ADMIN_ROLE "personalize_admin"

/* Columns of inbox, in order; src/events/inbox.sql. */
enum
{
	INBOX_USER_ID,
	INBOX_EVENT,
	INBOX_ITEM_ID,
	INBOX_PROPERTIES,
	INBOX_TS,
	INBOX_SESSION_ID,
	INBOX_REQUEST_ID,
	INBOX_MESSAGE_ID,
	INBOX_CONSENT,
	INBOX_COLUMN_COUNT
};

/* What one statement has gathered. */
typedef struct InboxState
{
	struct InboxState *older;	/* of another statement, or another part of this one */
	EState	   *executor;		/* of the statement */
	MemoryContext context;
	MemoryContext rowContext;	/* what the rows point to */
	IngestBatch *batch;
	bool		isCopy;
	bool		unseen;			/* nobody looks at what becomes of a row */
	bool		bulk;			/* rowContext keeps what many rows need */
	int64		rowCount;
	int			gathered;		/* rows not yet written */
} InboxState;

/* The statements that are running, the newest first. */
static InboxState *newest = NULL;

static bool personalize_history = false;
static post_parse_analyze_hook_type previousHook = NULL;

/* Raise unless the user may add to history. */
static void
CheckHistoryAllowed(void)
{
	if (!has_privs_of_role(GetUserId(), get_role_oid(ADMIN_ROLE, false)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to add history"),
				 errhint("personalize.history is for members of %s.", ADMIN_ROLE)));
}

/* True for inbox. */
static bool
IsInbox(Oid relation)
{
	Oid			schema = get_namespace_oid(PERSONALIZE_SCHEMA, true);

	return OidIsValid(schema) && get_relname_relid("inbox", schema) == relation;
}

/* True if the default of a column besides ts and message_id was set: it may make ids, too. */
static bool
HasOtherDefault(Relation inbox)
{
	const TupleConstr *constraints = RelationGetDescr(inbox)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		int			column = constraints->defval[i].adnum - 1;

		if (column != INBOX_TS && column != INBOX_MESSAGE_ID)
			return true;
	}
	return false;
}

/* True if a trigger that somebody added besides ours looks at rows, or runs statements beside them. */
static bool
HasOtherTrigger(Relation inbox)
{
	const TriggerDesc *triggers = inbox->trigdesc;
	int			count = 0;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (TRIGGER_FOR_INSERT(triggers->triggers[i].tgtype))
			count++;
	return count != 1;
}

/* Another statement is the newest; NULL: none. */
static void
SetNewest(InboxState *state)
{
	newest = state;
	messageIdsUnseen = state != NULL && state->unseen;
}

/* When the memory of a statement is given back: it has ended, or failed. */
static void
Forget(void *argument)
{
	InboxState **place = &newest;

	while (*place != argument)
		place = &(*place)->older;
	*place = (*place)->older;
	SetNewest(newest);
}

/*
 * A statement begins.  Ids that are made for the rows of COPY are returned to nobody,
 * so none can come again and they need not be remembered; nor are they made where
 * nobody can look at them.
 */
static void
BeginRows(EState *executor, ResultRelInfo *into, bool isCopy)
{
	Relation	inbox = into->ri_RelationDesc;
	MemoryContext context;
	MemoryContext caller;
	MemoryContextCallback *callback;
	InboxState *state;

	if (!IsInbox(RelationGetRelid(inbox)) || RelationGetNumberOfAttributes(inbox) != INBOX_COLUMN_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not personalize.inbox, or its columns have been changed", RelationGetRelationName(inbox)),
				 errhint("Events are inserted into personalize.inbox as CREATE EXTENSION makes it.")));
	if (personalize_history)
		CheckHistoryAllowed();
	/* goes with the subtransaction if that fails: an executor that failed may be kept for longer */
	context = AllocSetContextCreate(CurTransactionContext, "personalize inbox", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	state = palloc0(sizeof(InboxState));
	state->context = context;
	state->executor = executor;
	state->rowContext = AllocSetContextCreate(context, "personalize inbox rows", ALLOCSET_DEFAULT_SIZES);
	state->batch = IngestBegin("inbox", personalize_history);
	state->isCopy = isCopy;
	state->unseen = isCopy && newest == NULL && !HasOtherTrigger(inbox) && !HasOtherDefault(inbox);
	state->older = newest;
	callback = palloc0(sizeof(MemoryContextCallback));
	callback->func = Forget;
	callback->arg = state;
	SetNewest(state);
	MemoryContextRegisterResetCallback(context, callback);
	into->ri_FdwState = state;
	MemoryContextSwitchTo(caller);
}

/* Write what a statement has gathered. */
static void
FlushRows(InboxState *state)
{
	MemoryContext caller = MemoryContextSwitchTo(state->context);

	/* what was added to the tables may make ids that are looked at */
	messageIdsUnseen = false;
	IngestFlush(state->batch);
	messageIdsUnseen = state->unseen;
	MemoryContextSwitchTo(caller);
	if (state->bulk || state->gathered < FLUSH_ROWS)
		MemoryContextReset(state->rowContext);
	else
	{
		MemoryContextDelete(state->rowContext);
		state->rowContext = IngestBulkContext(state->context, "personalize inbox rows");
		state->bulk = true;
	}
	state->gathered = 0;
}

/* The bytes of a text column. */
static inline IngestString
ColumnString(const TupleTableSlot *slot, int column)
{
	text	   *string;

	if (slot->tts_isnull[column])
		return (IngestString)
	{
		NULL, 0
	};
	string = (text *) DatumGetPointer(slot->tts_values[column]);
	if (VARATT_IS_EXTENDED(string) && !VARATT_IS_SHORT(string))
		string = DatumGetTextPP(slot->tts_values[column]);
	return (IngestString)
	{
		VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)
	};
}

/* Keep the ids of a message that its rows point to: the slot has them until the next row comes. */
static void
KeepIds(IngestMessage *message)
{
	char	   *kept = palloc(message->userId.length + message->itemId.length + 1);

	if (message->userId.data != NULL)
		message->userId.data = memcpy(kept, message->userId.data, message->userId.length);
	kept += message->userId.length;
	if (message->itemId.data != NULL)
		message->itemId.data = memcpy(kept, message->itemId.data, message->itemId.length);
}

/* See whether a row of COPY has an id that was made for it, or is still to be made. */
static void
SeeWhetherNew(IngestMessage *message)
{
	if (MessageIdIsUnmade(message->messageId.data, message->messageId.length))
	{
		message->messageId = (IngestString) {NULL, 0};
		message->surelyNew = true;
	}
	else
		message->surelyNew = MessageIdIsLast(message->messageId.data, message->messageId.length);
}

/* Add a row to the statement's batch; what is kept of it lives until it is written. */
static void
AddRow(InboxState *state, TupleTableSlot *slot)
{
	IngestMessage message = {0};
	IngestString consent;

	slot_getallattrs(slot);
	message.rowNumber = ++state->rowCount;
	message.userId = ColumnString(slot, INBOX_USER_ID);
	message.event = ColumnString(slot, INBOX_EVENT);
	message.itemId = ColumnString(slot, INBOX_ITEM_ID);
	message.sessionId = ColumnString(slot, INBOX_SESSION_ID);
	message.requestId = ColumnString(slot, INBOX_REQUEST_ID);
	message.messageId = ColumnString(slot, INBOX_MESSAGE_ID);
	consent = ColumnString(slot, INBOX_CONSENT);
	if (message.messageId.data != NULL && state->isCopy)
		SeeWhetherNew(&message);
	if (!slot->tts_isnull[INBOX_PROPERTIES])
		IngestSetProperties(&message, slot->tts_values[INBOX_PROPERTIES]);
	if (!slot->tts_isnull[INBOX_TS])
		IngestSetTs(&message, slot->tts_values[INBOX_TS]);
	message.speaks = consent.data != NULL;
	if (message.speaks)
		message.spoken = IngestPurposeList(state->batch, consent.data, consent.length);
	KeepIds(&message);
	IngestAdd(state->batch, &message);
	state->gathered++;
}

/* A row comes: gather it. */
static TupleTableSlot *
InsertRow(EState *executor, ResultRelInfo *into, TupleTableSlot *row, TupleTableSlot *plan)
{
	InboxState *state = into->ri_FdwState;
	MemoryContext caller;

	if (state->gathered >= FLUSH_ROWS || MemoryContextMemAllocated(state->rowContext, false) >= FLUSH_BYTES)
		FlushRows(state);
	caller = MemoryContextSwitchTo(state->rowContext);
	AddRow(state, row);
	MemoryContextSwitchTo(caller);
	return row;
}

/* After the rows: write the rest of all parts of the statement. */
Datum
personalize_inbox_end(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is only for the trigger of personalize.inbox")));
	for (InboxState *state = newest; state != NULL && state->executor == newest->executor; state = state->older)
		FlushRows(state);
	return PointerGetDatum(NULL);
}

/* The statement ends: write what there is if triggers are off. */
static void
EndRows(EState *executor, ResultRelInfo *into)
{
	InboxState *state = into->ri_FdwState;

	if (state == NULL)
		return;
	FlushRows(state);
	IngestEnd(state->batch);
	into->ri_FdwState = NULL;
	MemoryContextDelete(state->context);
}

/* INSERT begins; of UPDATE there is nothing to do, for it finds no row. */
static void
BeginInsert(ModifyTableState *node, ResultRelInfo *into, List *private, int subplan, int flags)
{
	if ((flags & EXEC_FLAG_EXPLAIN_ONLY) == 0 && node->operation == CMD_INSERT)
		BeginRows(node->ps.state, into, false);
}

/* COPY begins, or a partition of somebody's table gets a row. */
static void
BeginCopy(ModifyTableState *node, ResultRelInfo *into)
{
	BeginRows(node->ps.state, into, node->ps.plan == NULL);
}

/* UPDATE finds no row that it could be called for. */
static TupleTableSlot *
UpdateRow(EState *executor, ResultRelInfo *into, TupleTableSlot *row, TupleTableSlot *plan)
{
	elog(ERROR, "personalize.inbox has no row to update");
}

/* DELETE is refused, lest somebody take it for an erasure. */
static List *
PlanModify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan)
{
	if (plan->operation == CMD_DELETE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("events cannot be deleted through personalize.inbox"),
				 errhint("SELECT personalize.forget(user_id) erases a person; a retention_policy drops old days.")));
	return NIL;
}

/* Reading: there is no row, and nothing is left to plan. */
static void
EstimateScan(PlannerInfo *root, RelOptInfo *relation, Oid table)
{
	mark_dummy_rel(relation);
}

/* _inbox_handler(): what the server calls for inbox. */
Datum
personalize_inbox_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->PlanForeignModify = PlanModify;
	routine->BeginForeignModify = BeginInsert;
	routine->BeginForeignInsert = BeginCopy;
	routine->ExecForeignInsert = InsertRow;
	routine->ExecForeignUpdate = UpdateRow;
	routine->EndForeignModify = EndRows;
	routine->EndForeignInsert = EndRows;
	routine->GetForeignRelSize = EstimateScan;
	PG_RETURN_POINTER(routine);
}

/* True if a conflict is one of message_id and nothing else. */
static bool
IsAboutMessageId(const OnConflictExpr *conflict)
{
	InferenceElem *element;

	if (list_length(conflict->arbiterElems) != 1 || conflict->arbiterWhere != NULL)
		return false;
	element = linitial_node(InferenceElem, conflict->arbiterElems);
	return IsA(element->expr, Var) && castNode(Var, element->expr)->varattno == INBOX_MESSAGE_ID + 1;
}

/*
 * An INSERT into inbox ON CONFLICT (message_id) is one ON CONFLICT.  An event that is
 * stored does not change, so DO UPDATE is DO NOTHING.
 */
static void
AcceptConflict(Query *query)
{
	OnConflictExpr *conflict = query->onConflict;
	ListCell   *cell;

	foreach(cell, query->cteList)
	{
		Node	   *inner = lfirst_node(CommonTableExpr, cell)->ctequery;

		if (IsA(inner, Query))
			AcceptConflict(castNode(Query, inner));
	}
	if (query->commandType != CMD_INSERT || conflict == NULL ||
		!IsAboutMessageId(conflict) || !IsInbox(rt_fetch(query->resultRelation, query->rtable)->relid))
		return;
	conflict->action = ONCONFLICT_NOTHING;
	conflict->arbiterElems = NIL;
	conflict->onConflictSet = NIL;
	conflict->onConflictWhere = NULL;
	conflict->exclRelIndex = 0;
	conflict->exclRelTlist = NIL;
}

/* post_parse_analyze_hook */
static void
AfterParsing(ParseState *state, Query *query, JumbleState *jumble)
{
	if (previousHook)
		previousHook(state, query, jumble);
	if (query->commandType == CMD_INSERT || query->cteList != NIL)
		AcceptConflict(query);
}

/* Define the setting. */
void
InboxInit(void)
{
	DefineCustomBoolVariable("personalize.history",
							 "Rows inserted into inbox count as received at their own time.",
							 NULL, &personalize_history, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	previousHook = post_parse_analyze_hook;
	post_parse_analyze_hook = AfterParsing;
}
