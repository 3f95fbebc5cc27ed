/*
 * purpose.c
 *		What data may be used for: the catalogue of purposes.
 *
 * A purpose is a bit in the masks of events, profiles and people.  A backend
 * remembers the catalogue until purpose or purpose_default change.
 */
#include "postgres.h"

#include "people/purpose.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/argument.h"
#include "base/choice.h"
#include "base/relation.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_allowed_purposes);

/* The value of a column that is never NULL. */
static Datum
SlotValue(TupleTableSlot *slot, int column)
{
	bool		isNull;

	return slot_getattr(slot, column, &isNull);
}

/* Read the purpose catalogue. */
PurposeCatalogue *
PurposeCatalogueRead(Snapshot snapshot)
{
	PurposeCatalogue *purposes = palloc0(sizeof(PurposeCatalogue));
	Relation	table = RelationOpenTable("purpose", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		int			bit = DatumGetInt16(SlotValue(slot, 2));

		purposes->names[bit] = TextDatumGetCString(SlotValue(slot, 1));
		purposes->all |= 1 << bit;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);

	table = RelationOpenTable("purpose_default", AccessShareLock);
	slot = table_slot_create(table, NULL);
	scan = table_beginscan(table, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		char	   *name = TextDatumGetCString(SlotValue(slot, 1));
		char	   *answer = TextDatumGetCString(SlotValue(slot, 2));

		for (int bit = 0; bit < PURPOSE_MAX; bit++)
			if (purposes->names[bit] && strcmp(purposes->names[bit], name) == 0 &&
				strcmp(answer, "allowed") == 0)
				purposes->allowed |= 1 << bit;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return purposes;
}

/* What PurposeCatalogueNow has read, and whether it still holds. */
static PurposeCatalogue *known = NULL;
static MemoryContext knownContext = NULL;
static bool knownHolds = false;
static Oid	purposeTable = InvalidOid;
static Oid	defaultTable = InvalidOid;

/* Relation cache callback, which the triggers of the tables bring about, too. */
static void
ForgetPurposes(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == purposeTable || relationId == defaultTable)
		knownHolds = false;
}

/* Read the purpose catalogue to remember it; what changes meanwhile has it read again. */
static void
LearnPurposes(void)
{
	Snapshot	snapshot;
	MemoryContext caller;

	if (knownContext == NULL)
	{
		RelationWatch(ForgetPurposes);
		knownContext = AllocSetContextCreate(TopMemoryContext, "personalize purposes", ALLOCSET_SMALL_SIZES);
	}
	known = NULL;
	MemoryContextReset(knownContext);
	purposeTable = RelationFind("purpose", false);
	defaultTable = RelationFind("purpose_default", false);
	knownHolds = true;
	snapshot = RegisterSnapshot(GetCatalogSnapshot(purposeTable));
	caller = MemoryContextSwitchTo(knownContext);
	known = PurposeCatalogueRead(snapshot);
	MemoryContextSwitchTo(caller);
	UnregisterSnapshot(snapshot);
}

/* The purpose catalogue as it is now. */
PurposeCatalogue *
PurposeCatalogueNow(void)
{
	PurposeCatalogue *purposes = palloc(sizeof(PurposeCatalogue));

	if (known == NULL || !knownHolds)
		LearnPurposes();
	*purposes = *known;
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		if (known->names[bit])
			purposes->names[bit] = pstrdup(known->names[bit]);
	return purposes;
}

/* Bit of a purpose's name; 0 if there is none. */
int32
PurposeBit(const PurposeCatalogue *purposes, const char *name, int length)
{
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		if (purposes->names[bit] && strlen(purposes->names[bit]) == length &&
			memcmp(purposes->names[bit], name, length) == 0)
			return 1 << bit;
	return 0;
}

/* True for what may stand around the names of a list. */
static bool
IsListSpace(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Take the next name off a list into name, which has room for the whole list:
 * quoted, or up to the next comma.  Returns its length.
 */
static int
NextListName(const char **list, const char *end, char *name)
{
	const char *at = *list;
	int			length = 0;
	int			quotedLength = 0;
	bool		quoted = false;

	while (at < end && IsListSpace(*at))
		at++;
	for (; at < end && (quoted || *at != ','); at++)
	{
		if (*at == '"')
			quoted = !quoted;
		else
		{
			if (quoted && *at == '\\' && at + 1 < end)
				at++;
			name[length++] = *at;
		}
		if (quoted || *at == '"')
			quotedLength = length;
	}
	while (length > quotedLength && IsListSpace(name[length - 1]))
		length--;
	*list = at < end ? at + 1 : end;
	return length;
}

/* Bits of the purposes in a list written as text. */
int32
PurposeReadList(const PurposeCatalogue *purposes, const char *list, int length)
{
	const char *end = list + length;
	char	   *name = palloc(length + 1);
	int32		mask = 0;

	while (list < end && IsListSpace(*list))
		list++;
	while (end > list && IsListSpace(end[-1]))
		end--;
	if (end - list >= 2 && ((list[0] == '{' && end[-1] == '}') || (list[0] == '[' && end[-1] == ']')))
	{
		list++;
		end--;
	}
	while (list < end)
		mask |= PurposeBit(purposes, name, NextListName(&list, end, name));
	pfree(name);
	return mask;
}

/* Names of the purposes in a mask, comma separated. */
char *
PurposeFormatMask(int32 mask, const PurposeCatalogue *purposes)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		if ((mask & (1 << bit)) && purposes->names[bit])
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", purposes->names[bit]);
	return names.data;
}

/* A hint about a name that is not in the catalogue. */
char *
PurposeHint(const char *name, const PurposeCatalogue *purposes)
{
	const char *names[PURPOSE_MAX];
	int			count = 0;

	for (int i = 0; i < PURPOSE_MAX; i++)
		if (purposes->names[i] != NULL)
			names[count++] = purposes->names[i];
	return ChoiceHint(name, "purposes", names, count);
}

/* The bits of named purposes; raises for a name that is not in the catalogue. */
int32
PurposeGetMask(ArrayType *array, const PurposeCatalogue *purposes)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;
	int32		mask = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *name;
		int32		bit;

		if (nulls[i])
			ArgumentReportNull("an element of purposes");
		name = DatumGetTextPP(names[i]);
		bit = PurposeBit(purposes, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
		if (bit == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("purpose \"%s\" does not exist", text_to_cstring(name)),
					 errhint("%s", PurposeHint(text_to_cstring(name), purposes))));
		mask |= bit;
	}
	if (mask == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no purpose is given"),
				 errhint("The purposes are: %s.", PurposeFormatMask(purposes->all, purposes))));
	return mask;
}

/* A mask as an array of names. */
Datum
PurposeMaskToArray(int32 mask, const PurposeCatalogue *purposes)
{
	Datum		names[PURPOSE_MAX];
	int			count = 0;

	for (int bit = 0; bit < PURPOSE_MAX; bit++)
		if ((mask & (1 << bit)) && purposes->names[bit])
			names[count++] = CStringGetTextDatum(purposes->names[bit]);
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* _allowed_purposes(granted, decided, restricted). */
Datum
personalize_allowed_purposes(PG_FUNCTION_ARGS)
{
	PurposeCatalogue *purposes = PurposeCatalogueNow();
	int32		granted;
	int32		decided;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_DATUM(PurposeMaskToArray(0, purposes));
	granted = PG_GETARG_INT32(0);
	decided = PG_GETARG_INT32(1);
	PG_RETURN_DATUM(PurposeMaskToArray(((granted & decided) | (purposes->allowed & ~decided)) &
									   purposes->all & ~PG_GETARG_INT32(2), purposes));
}
