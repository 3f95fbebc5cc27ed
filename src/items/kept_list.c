/*
 * kept_list.c
 *		Lists that are made of the item statistics and kept ready for engines.
 *
 * Lists of a small shop are made with every batch; those of a large one at most in
 * one part in fifty of the time, that is, when fifty times as long has passed as it took
 * to make them.  Each goes by its own time, so that a slow one holds up no other.
 */
#include "postgres.h"

#include "items/kept_list.h"

#include "access/relation.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* As many kinds of lists there can be. */
#define MAX_LISTS 8

/* A shop is small while what a list is made of has no more pages. */
#define SMALL_SHOP_BLOCKS 16

static const KeptList *lists[MAX_LISTS];
static int	listCount = 0;

/* Have lists kept. */
void
KeptListRegister(const KeptList *list)
{
	if (listCount == MAX_LISTS)
		elog(ERROR, "too many kept lists");
	lists[listCount++] = list;
}

/* True if a list is made of little. */
static bool
IsSmall(const KeptList *list)
{
	Relation	table = RelationOpenTable(list->madeOf, AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);

	relation_close(table, AccessShareLock);
	return blocks <= SMALL_SHOP_BLOCKS;
}

/* Lock the state of a list if it is time and nobody else is at it. */
static bool
Claim(const KeptList *list, bool ifBehind)
{
	static SPIPlanPtr lockPlan = NULL;
	static SPIPlanPtr insertPlan = NULL;
	const Oid	types[] = {TEXTOID, BOOLOID, BOOLOID};
	Datum		values[3];

	values[0] = CStringGetTextDatum(list->name);
	values[1] = BoolGetDatum(IsSmall(list));
	values[2] = BoolGetDatum(ifBehind);
	if (SpiUtilRun(&lockPlan,
				   "SELECT FROM personalize._popular_state s WHERE s.list = $1"
				   " AND ($2 OR clock_timestamp() NOT BETWEEN s.made_at AND s.made_at + s.cost * 50)"
				   " AND (NOT $3 OR s.events <> coalesce((SELECT p.events FROM personalize.processor p WHERE p.processor = 2), 0))"
				   " FOR UPDATE SKIP LOCKED",
				   lengthof(types), types, values, NULL, false) > 0)
		return true;
	/* the first time ever; whoever comes second to it leaves it alone */
	return SpiUtilRun(&insertPlan,
					  "INSERT INTO personalize._popular_state (list, made_at, cost, events)"
					  " SELECT $1, clock_timestamp(), '0', -1"
					  " WHERE NOT EXISTS (SELECT FROM personalize._popular_state s WHERE s.list = $1)"
					  " ON CONFLICT DO NOTHING",
					  1, types, values, NULL, false) > 0;
}

/* Make a list anew if it is time and nobody else is at it. */
static void
Refresh(const KeptList *list, bool ifBehind)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID, INT8OID};
	Datum		values[2];
	instr_time	start;
	instr_time	end;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	if (Claim(list, ifBehind))
	{
		INSTR_TIME_SET_CURRENT(start);
		list->write();
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, start);
		values[0] = CStringGetTextDatum(list->name);
		values[1] = Int64GetDatum((int64) INSTR_TIME_GET_MICROSEC(end));
		SpiUtilRun(&plan,
				   "UPDATE personalize._popular_state SET made_at = clock_timestamp(),"
				   " cost = $2 * interval '1 microsecond',"
				   " events = coalesce((SELECT p.events FROM personalize.processor p WHERE p.processor = 2), 0)"
				   " WHERE list = $1",
				   lengthof(types), types, values, NULL, false);
	}
	SpiUtilEnd(&scope);
}

/* Make the lists anew whose time it is. */
void
KeptListRefresh(void)
{
	for (int i = 0; i < listCount; i++)
		Refresh(lists[i], false);
}

/* The same, for those that are older than the statistics. */
void
KeptListRefreshIfDue(void)
{
	for (int i = 0; i < listCount; i++)
		Refresh(lists[i], true);
}

/*
 * Say that statistics were taken back, which no number of events tells.  A small
 * shop's lists are made anew at once, others by the next batch.
 */
void
KeptListSpoil(void)
{
	static SPIPlanPtr plan = NULL;

	SpiUtilRunAsOwner(&plan,
					  "UPDATE personalize._popular_state SET made_at = 'epoch', events = -1",
					  0, NULL, NULL, NULL, false);
	for (int i = 0; i < listCount; i++)
		if (IsSmall(lists[i]))
			Refresh(lists[i], false);
}
