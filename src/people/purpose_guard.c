/*
 * purpose_guard.c
 *		A purpose that data carries keeps its name and bit.
 *
 * A bit means to everybody's data what its purpose meant when they decided, or
 * when a default let it in: given to another purpose, it would be a permission
 * nobody has given.  So before a purpose is renamed, moved or deleted, every mask
 * is looked at, while nobody stores or grants anything: purposes change that
 * rarely.  A default that allows is refused even without data, or it would pass
 * to the next purpose of that name.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/purge_lock.h"
#include "base/shard.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_purpose_decided);

/* Columns of purpose; src/people/consent.sql. */
#define PURPOSE_NAME 1
#define PURPOSE_BIT 2
#define PURPOSE_BUILTIN 5

/* Where a purpose is in use; NULL: nowhere. */
static char *
FindUse(Datum name, Datum bit)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, INT2OID};
	Datum		values[] = {name, bit};
	bool		stripes[SHARD_COUNT];
	MemoryContext context = CurrentMemoryContext;
	char	   *use = NULL;
	bool		isNull;
	SpiUtilScope scope;

	memset(stripes, true, sizeof(stripes));
	PurgeLockStripes(stripes, "the purpose is not changed");
	PushActiveSnapshot(GetLatestSnapshot());
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan,
			   "SELECT CASE"
			   " WHEN EXISTS (SELECT FROM personalize.consent_ledger l WHERE (l.purposes >> $2) & 1 = 1)"
			   "  OR EXISTS (SELECT FROM personalize.subject s WHERE ((s.granted | s.decided | s.restricted) >> $2) & 1 = 1)"
			   "  THEN 'people have decided about it'"
			   " WHEN EXISTS (SELECT FROM personalize.purpose_default d WHERE d.purpose = $1 AND d.answer = 'allowed')"
			   "  THEN 'purpose_default allows it'"
			   " WHEN EXISTS (SELECT FROM personalize.signal s WHERE (s.purposes >> $2) & 1 = 1)"
			   "  THEN 'a signal needs it'"
			   " WHEN EXISTS (SELECT FROM personalize.profile p WHERE (p.mask >> $2) & 1 = 1)"
			   "  OR EXISTS (SELECT FROM personalize.session s WHERE (s.consent >> $2) & 1 = 1)"
			   "  OR EXISTS (SELECT FROM personalize.rejected_event r WHERE (r.consent >> $2) & 1 = 1)"
			   "  OR EXISTS (SELECT FROM personalize.event e WHERE (e.consent >> $2) & 1 = 1)"
			   "  THEN 'events were stored that a default allowed for it' END",
			   lengthof(types), types, values, NULL, true);
	if (SPI_processed > 0)
	{
		Datum		value = SpiUtilValue(0, 1, &isNull);

		if (!isNull)
			use = MemoryContextStrdup(context, TextDatumGetCString(value));
	}
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
	return use;
}

/* Trigger _purpose_decided(): refuse to change what a bit means. */
Datum
personalize_purpose_decided(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	old;
	Datum		name;
	Datum		bit;
	char	   *use;
	bool		isNull;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_purpose_decided must be called as a trigger")));
	desc = RelationGetDescr(trigger->tg_relation);
	old = trigger->tg_trigtuple;
	name = heap_getattr(old, PURPOSE_NAME, desc, &isNull);
	bit = heap_getattr(old, PURPOSE_BIT, desc, &isNull);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) &&
		DatumGetInt16(heap_getattr(trigger->tg_newtuple, PURPOSE_BIT, desc, &isNull)) == DatumGetInt16(bit) &&
		strcmp(TextDatumGetCString(heap_getattr(trigger->tg_newtuple, PURPOSE_NAME, desc, &isNull)),
			   TextDatumGetCString(name)) == 0)
		return PointerGetDatum(trigger->tg_newtuple);
	if (DatumGetBool(heap_getattr(old, PURPOSE_BUILTIN, desc, &isNull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("purpose \"%s\" comes with the extension, which knows it by name and bit",
						TextDatumGetCString(name)),
				 errhint("Add a purpose of your own with a free bit from 8 to 30.")));
	use = FindUse(name, bit);
	if (use)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("purpose \"%s\" is in use: %s", TextDatumGetCString(name), use),
				 errhint("Add a purpose with a free bit instead: a bit never changes its meaning.")));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}
