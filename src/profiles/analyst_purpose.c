/*
 * analyst_purpose.c
 *		Telling readers of profiles which purposes there is something for.
 *
 * Of profiles there is something for the purposes of signals only.  Who reads for
 * another would see no rows and take that for an answer; it is an error that names
 * the purposes instead.  Functions ask for it; views call _signals_covered().  It is
 * asked when a statement is planned, where conditions on the signal are known, too:
 * a signal that the statement asks for by name is looked at by itself.  It is asked
 * again when the statement runs, since a plan may outlive a setting.
 */
#include "postgres.h"

#include "profiles/analyst_purpose.h"

#include "base/asked.h"
#include "base/relation.h"
#include "compat.h"
#include "fmgr.h"
#include "nodes/supportnodes.h"
#include "parser/parsetree.h"
#include "people/policy.h"
#include "people/purpose.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_signals_covered);
PG_FUNCTION_INFO_V1(personalize_signals_covered_support);
PG_FUNCTION_INFO_V1(personalize_signal_is_shown);

/* Column signal.name; src/signals/signal.sql. */
#define SIGNAL_NAME 2

/* An error unless a signal is counted for the purpose in force. */
bool
AnalystCheckSignal(const Signal *signal, int32 bits)
{
	PurposeCatalogue *purposes;

	if ((signal->purposes & bits) != 0)
		return true;
	if (PolicyIsSilent())
		return false;
	purposes = PurposeCatalogueNow();
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("signal \"%s\" is not counted for purpose \"%s\"",
					signal->name, PurposeFormatMask(bits, purposes)),
			 errdetail("It is counted for: %s.", PurposeFormatMask(signal->purposes, purposes)),
			 errhint("Set personalize.purpose to a purpose that it is counted for.")));
	return false;
}

/* An error unless the purpose in force is one of those that what is kept for. */
bool
AnalystCheckKept(const char *what, int32 kept, int32 bits)
{
	PurposeCatalogue *purposes;

	if (kept == 0 || (kept & bits) != 0)
		return true;
	if (PolicyIsSilent())
		return false;
	purposes = PurposeCatalogueNow();
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s is not kept for purpose \"%s\"", what, PurposeFormatMask(bits, purposes)),
			 errdetail("It is kept for: %s.", PurposeFormatMask(kept, purposes)),
			 errhint("Name one of them as the argument purpose, or set personalize.purpose to it.")));
	return false;
}

/* An error unless some signal is counted for the purpose in force. */
bool
AnalystCheckAnySignal(int32 bits)
{
	const SignalSet *set = SignalSetGet();
	PurposeCatalogue *purposes;
	int32		counted = 0;

	for (int i = 0; i < set->count; i++)
		if (set->signals[i].enabled)
			counted |= set->signals[i].purposes;
	if (counted == 0 || (counted & bits) != 0)
		return true;
	if (PolicyIsSilent())
		return false;
	purposes = PurposeCatalogueNow();
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("no signal is counted for purpose \"%s\"", PurposeFormatMask(bits, purposes)),
			 errdetail("Signals are counted for: %s.", PurposeFormatMask(counted, purposes)),
			 errhint("Set personalize.purpose to one of them. What people did is in personalize.analytics_event, for every purpose that they allow.")));
	return false;
}

/* The enabled signal of a name; NULL if there is none. */
static const Signal *
FindByName(const text *name)
{
	const Signal *signal = SignalFindByName(SignalSetGet(), text_to_cstring(name));

	return signal != NULL && signal->enabled ? signal : NULL;
}

/* Of signals that are asked for by name one must be counted for the purpose. */
static void
CheckNamed(const AskedTexts *names, int32 bits)
{
	const Signal *uncounted = NULL;

	for (int i = 0; i < names->count; i++)
	{
		const Signal *signal = FindByName(names->texts[i]);

		if (signal == NULL)
			continue;
		if ((signal->purposes & bits) != 0)
			return;
		uncounted = signal;
	}
	if (uncounted != NULL)
		AnalystCheckSignal(uncounted, bits);
}

/* True for the column of table signal (*arg) with the names. */
static bool
IsSignalName(void *arg, PlannerInfo *root, Node *node)
{
	const RangeTblEntry *table;

	if (!IsA(node, Var) || ((Var *) node)->varlevelsup > 0 || ((Var *) node)->varattno != SIGNAL_NAME)
		return false;
	table = rt_fetch(((Var *) node)->varno, root->parse->rtable);
	return table->rtekind == RTE_RELATION && table->relid == *(Oid *) arg;
}

/* The signal that a statement asks for by name. */
const Signal *
AnalystAskedSignal(PlannerInfo *root)
{
	const SignalSet *set = SignalSetGet();
	Oid			table = RelationFind("signal", true);
	const text *name = AskedOne(AskedConditions(root, IsSignalName, &table));

	for (int i = 0; i < set->count && name != NULL; i++)
		if (strlen(set->signals[i].name) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(set->signals[i].name, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0)
			return &set->signals[i];
	return NULL;
}

/* _signals_covered(): an error, or false, if no signal is counted for the purpose in force. */
Datum
personalize_signals_covered(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(AnalystCheckAnySignal(PolicyBits(NULL)));
}

/* _signal_is_shown(enabled, dropped): by what signal_state says of it; NULL: nothing. */
Datum
personalize_signal_is_shown(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL((PG_ARGISNULL(0) || PG_GETARG_BOOL(0)) && (PG_ARGISNULL(1) || !PG_GETARG_BOOL(1)));
}

/* Planner support of _signals_covered(). */
Datum
personalize_signals_covered_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	Oid			table = RelationFind("signal", true);
	int32		bits;
	ListCell   *cell;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	bits = PolicyBits(NULL);
	if (bits == 0 || bits == POLICY_EVERYTHING)
		PG_RETURN_POINTER(NULL);
	AnalystCheckAnySignal(bits);
	foreach(cell, AskedConditions(((SupportRequestSimplify *) request)->root, IsSignalName, &table))
		CheckNamed(lfirst(cell), bits);
	PG_RETURN_POINTER(NULL);
}
