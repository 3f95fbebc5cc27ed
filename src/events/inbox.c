/*
 * inbox.c
 *		The view inbox: events by INSERT and COPY.
 *
 * An INSTEAD OF trigger gathers the rows and a trigger after the statement
 * writes them, by the path of all other calls; rows are also written whenever
 * 1,000 have been gathered.  A statement may run others that insert into inbox
 * too, so each has a level of its own, pushed by a trigger before the statement
 * and popped by the one after it.  Levels of a subtransaction that fails are
 * dropped with what they hold, and all of them at the transaction's end.
 *
 * The view is always empty.  ORMs that save by UPDATE first find no row and insert;
 * those that insert ON CONFLICT (message_id) mean what inbox does with a message_id
 * anyway.  A view has no index from which the server could infer that, so the
 * clause is taken off an INSERT into inbox when it has been parsed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/hand_write.h"
#include "base/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "compat.h"
#include "events/inbox.h"
#include "events/ingest.h"
#include "events/message_id.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_inbox_begin);
PG_FUNCTION_INFO_V1(personalize_inbox_row);
PG_FUNCTION_INFO_V1(personalize_inbox_end);
PG_FUNCTION_INFO_V1(personalize_inbox_no_row);

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
typedef struct InboxLevel
{
	struct InboxLevel *outer;
	int			nestLevel;		/* of the (sub)transaction it runs in */
	MemoryContext context;
	MemoryContext rowContext;	/* what the rows point to */
	IngestBatch *batch;
	bool		isCopy;
	bool		unseen;			/* nobody looks at what becomes of a row */
	bool		bulk;			/* rowContext keeps what many rows need */
	int64		rowCount;
	int			gathered;		/* rows not yet written */
} InboxLevel;

/* The statement that is running; reset by the callbacks below. */
static InboxLevel *innermost = NULL;

static bool personalize_history = false;
static post_parse_analyze_hook_type previousHook = NULL;

/* Another statement is the one that is running; NULL: none. */
static void
SetInnermost(InboxLevel *level)
{
	innermost = level;
	messageIdsUnseen = level != NULL && level->unseen;
}

/* Forget the statements of a subtransaction that fails. */
static void
DropFailedLevels(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *argument)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (innermost && innermost->nestLevel >= GetCurrentTransactionNestLevel())
	{
		InboxLevel *level = innermost;

		SetInnermost(level->outer);
		MemoryContextDelete(level->context);
	}
}

/* Forget everything: the memory goes with the transaction. */
static void
DropAllLevels(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		SetInnermost(NULL);
}

/* Raise unless called as one of the view's triggers. */
static TriggerData *
CheckTrigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is only for the triggers of personalize.inbox")));
	return (TriggerData *) fcinfo->context;
}

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

/* True for the view. */
static bool
IsInbox(Oid relation)
{
	Oid			schema = get_namespace_oid(PERSONALIZE_SCHEMA, true);

	return OidIsValid(schema) && get_relname_relid("inbox", schema) == relation;
}

/*
 * True if the statement is COPY, as far as its progress report tells.  Ids that
 * are made for its rows are returned to nobody, so none can come again and they
 * need not be remembered.
 */
static bool
IsCopy(Relation view)
{
	return MyBEEntry && MyBEEntry->st_progress_command == PROGRESS_COMMAND_COPY &&
		MyBEEntry->st_progress_command_target == RelationGetRelid(view);
}

/* True if the default of a column besides ts and message_id was set: it may make ids, too. */
static bool
HasOtherDefault(Relation view)
{
	const TupleConstr *constraints = RelationGetDescr(view)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		int			column = constraints->defval[i].adnum - 1;

		if (column != INBOX_TS && column != INBOX_MESSAGE_ID)
			return true;
	}
	return false;
}

/*
 * True if nobody looks at what becomes of a row: COPY does not, nor does it count, no
 * trigger that was added to the three of INSERT comes after ours, or runs statements, and
 * no other column is given an id.
 */
static bool
IsUnseen(const InboxLevel *level, Relation view)
{
	const TriggerDesc *triggers = view->trigdesc;
	int			count = 0;

	for (int i = 0; i < triggers->numtriggers; i++)
		if (TRIGGER_FOR_INSERT(triggers->triggers[i].tgtype))
			count++;
	return level->isCopy && level->outer == NULL && count == 3 && !HasOtherDefault(view);
}

/* Before the statement: push a level. */
Datum
personalize_inbox_begin(PG_FUNCTION_ARGS)
{
	TriggerData *trigger;
	MemoryContext context;
	MemoryContext caller;
	InboxLevel *level;

	trigger = CheckTrigger(fcinfo);
	if (personalize_history)
		CheckHistoryAllowed();
	context = AllocSetContextCreate(TopTransactionContext, "personalize inbox",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	level = palloc0(sizeof(InboxLevel));
	level->context = context;
	level->rowContext = AllocSetContextCreate(context, "personalize inbox rows",
											  ALLOCSET_DEFAULT_SIZES);
	level->nestLevel = GetCurrentTransactionNestLevel();
	level->batch = IngestBegin("inbox", personalize_history);
	level->isCopy = IsCopy(trigger->tg_relation);
	level->outer = innermost;
	level->unseen = IsUnseen(level, trigger->tg_relation);
	SetInnermost(level);
	MemoryContextSwitchTo(caller);
	return PointerGetDatum(NULL);
}

/* Write what a statement has gathered. */
static void
FlushLevel(InboxLevel *level)
{
	MemoryContext caller = MemoryContextSwitchTo(level->context);

	/* what was added to the tables may make ids that are looked at */
	messageIdsUnseen = false;
	IngestFlush(level->batch);
	messageIdsUnseen = level->unseen;
	MemoryContextSwitchTo(caller);
	if (level->bulk || level->gathered < FLUSH_ROWS)
		MemoryContextReset(level->rowContext);
	else
	{
		MemoryContextDelete(level->rowContext);
		level->rowContext = IngestBulkContext(level->context, "personalize inbox rows");
		level->bulk = true;
	}
	level->gathered = 0;
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
AddRow(InboxLevel *level, TupleTableSlot *slot)
{
	IngestMessage message = {0};
	IngestString consent;

	if (slot->tts_tupleDescriptor->natts != INBOX_COLUMN_COUNT)
		elog(ERROR, "personalize.inbox has %d columns instead of %d",
			 slot->tts_tupleDescriptor->natts, INBOX_COLUMN_COUNT);
	slot_getallattrs(slot);
	message.rowNumber = ++level->rowCount;
	message.userId = ColumnString(slot, INBOX_USER_ID);
	message.event = ColumnString(slot, INBOX_EVENT);
	message.itemId = ColumnString(slot, INBOX_ITEM_ID);
	message.sessionId = ColumnString(slot, INBOX_SESSION_ID);
	message.requestId = ColumnString(slot, INBOX_REQUEST_ID);
	message.messageId = ColumnString(slot, INBOX_MESSAGE_ID);
	consent = ColumnString(slot, INBOX_CONSENT);
	if (message.messageId.data != NULL && level->isCopy)
		SeeWhetherNew(&message);
	if (!slot->tts_isnull[INBOX_PROPERTIES])
		IngestSetProperties(&message, slot->tts_values[INBOX_PROPERTIES]);
	if (!slot->tts_isnull[INBOX_TS])
		IngestSetTs(&message, slot->tts_values[INBOX_TS]);
	message.speaks = consent.data != NULL;
	if (message.speaks)
		message.spoken = IngestPurposeList(level->batch, consent.data, consent.length);
	KeepIds(&message);
	IngestAdd(level->batch, &message);
	level->gathered++;
}

/*
 * Instead of the row: gather it.  A copy of ours is what becomes of the row, unless
 * nobody looks at it: the server frees the original then, which it would keep to the
 * end of the statement else.  The copy is looked at until the next row comes, so rows
 * are written before one is added.
 */
Datum
personalize_inbox_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = CheckTrigger(fcinfo);
	InboxLevel *level = innermost;
	MemoryContext caller;
	HeapTuple	row;

	if (level == NULL)
		elog(ERROR, "no statement is inserting into personalize.inbox");
	if (level->gathered >= FLUSH_ROWS ||
		MemoryContextMemAllocated(level->rowContext, false) >= FLUSH_BYTES)
		FlushLevel(level);
	caller = MemoryContextSwitchTo(level->rowContext);
	row = level->unseen ? NULL : heap_copytuple(trigger->tg_trigtuple);
	AddRow(level, trigger->tg_trigslot);
	MemoryContextSwitchTo(caller);
	return PointerGetDatum(row);
}

/* After the statement: write the rest and pop its level. */
Datum
personalize_inbox_end(PG_FUNCTION_ARGS)
{
	InboxLevel *level = innermost;

	CheckTrigger(fcinfo);
	if (level == NULL)
		elog(ERROR, "no statement is inserting into personalize.inbox");
	FlushLevel(level);
	IngestEnd(level->batch);
	SetInnermost(level->outer);
	MemoryContextDelete(level->context);
	return PointerGetDatum(NULL);
}

/* UPDATE finds no row; DELETE is refused, lest somebody take it for an erasure. */
Datum
personalize_inbox_no_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = CheckTrigger(fcinfo);

	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("events cannot be deleted through personalize.inbox"),
				 errhint("SELECT personalize.forget(user_id) erases a person; a retention_policy drops old days.")));
	return PointerGetDatum(NULL);
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

/* Raise where the server would skip the triggers of INSERT and DELETE, and store and say nothing. */
static void
CheckTriggersFire(void)
{
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("personalize.inbox cannot be written under session_replication_role = replica"),
				 errdetail("Its triggers, which store events, do not fire then."),
				 errhint("Call personalize.track() or personalize.track_many() instead, or set session_replication_role to local.")));
}

static HandWatch handWatch = {"inbox", ACL_INSERT | ACL_DELETE, CheckTriggersFire};

/* Define the setting and watch transactions. */
void
InboxInit(void)
{
	DefineCustomBoolVariable("personalize.history",
							 "Rows inserted into inbox count as received at their own time.",
							 NULL, &personalize_history, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	previousHook = post_parse_analyze_hook;
	post_parse_analyze_hook = AfterParsing;
	HandWatchRegister(&handWatch);
	RegisterXactCallback(DropAllLevels, NULL);
	RegisterSubXactCallback(DropFailedLevels, NULL);
}
