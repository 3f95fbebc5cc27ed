/*
 * analyst_column.c
 *		What the planner is told of the columns of views for analysts (base/column_stat.h).
 *
 * Of events a sample is read with the reader's eyes.  Of packed profiles analyst_estimate.c
 * takes one.
 */
#include "postgres.h"

#include "profiles/analyst_column.h"

#include "compat.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "people/policy.h"
#include "utils/builtins.h"

/* Events that the reader may see, and what belongs to them. */
#define EVENTS " FROM personalize.event AS e TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"
#define TYPES " JOIN personalize.event_type AS t ON t.event OPERATOR(pg_catalog.=) e.event"
#define ITEMS " LEFT JOIN personalize.item AS i ON i.item_key OPERATOR(pg_catalog.=) e.item_key"
#define PEOPLE " LEFT JOIN personalize.subject AS s ON s.user_key OPERATOR(pg_catalog.=) e.user_key"
#define ITEMS_THEN ITEMS " LEFT JOIN personalize._item_past AS h ON h.item_key OPERATOR(pg_catalog.=) e.item_key" \
	" AND e.ts OPERATOR(pg_catalog.>=) h.since AND e.ts OPERATOR(pg_catalog.<) h.until"
#define READABLE " WHERE (personalize_internal._unrestricted(e.consent, e.user_key) OPERATOR(pg_catalog.&) $2) OPERATOR(pg_catalog.<>) 0"

PG_FUNCTION_INFO_V1(personalize_conditions_tried);
PG_FUNCTION_INFO_V1(personalize_conditions_tried_support);

/* _conditions_tried(view): yes. */
Datum
personalize_conditions_tried(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* Planner support of _conditions_tried(). */
Datum
personalize_conditions_tried_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	const Const *view;

	if (!IsA(request, SupportRequestSimplify) || !IsA(linitial(request->fcall->args), Const))
		PG_RETURN_POINTER(NULL);
	view = linitial(request->fcall->args);
	if (!view->constisnull)
		ColumnTryConditions(request->root, TextDatumGetCString(view->constvalue));
	PG_RETURN_POINTER(makeBoolConst(true, false));
}

/* The purposes of the reader. */
static int32
Readers(void)
{
	return PolicyBits(NULL);
}

/* Called once when the library is loaded. */
void
AnalystColumnInit(void)
{
	static const ColumnStat columns[] = {
		{.relation = "event",.column = "user_key",.table = "event",.ids = "subject",.readers = Readers,
			.query = "SELECT e.user_key" EVENTS READABLE},
		{.relation = "event",.column = "item_key",.table = "event",.ids = "item",.readers = Readers,
			.query = "SELECT e.item_key" EVENTS READABLE},
		{.relation = "event",.column = "event",.table = "event",.readers = Readers,
			.query = "SELECT e.event" EVENTS READABLE},
		{.relation = "analytics_event",.column = "value",.table = "event",.readers = Readers,
			.query = "SELECT e.value" EVENTS READABLE},
		{.relation = "analytics_event",.column = "ts",.table = "event",.readers = Readers,
			.query = "SELECT e.ts" EVENTS READABLE},
		{.relation = "analytics_event",.column = "received_at",.table = "event",.readers = Readers,
			.query = "SELECT e.received_at" EVENTS READABLE},
		{.relation = "analytics_event",.column = "properties",.table = "event",.readers = Readers,
			.query = "SELECT e.properties" EVENTS READABLE},
		{.relation = "analytics_event",.column = "user_id",.share = COLUMN_IMPLIED,.table = "event",.ids = "subject",.readers = Readers,
			.query = "SELECT s.user_id" EVENTS PEOPLE READABLE},
		{.relation = "analytics_event",.column = "item_id",.table = "event",.readers = Readers,
			.query = "SELECT i.item_id" EVENTS ITEMS READABLE},
		{.relation = "analytics_event",.column = "event",.table = "event",.readers = Readers,
			.query = "SELECT t.name" EVENTS TYPES READABLE},
		{.relation = "analytics_event",.column = "category",.table = "event",.readers = Readers,
			.query = "SELECT personalize_internal._then(h.item_key, h.category, i.category)" EVENTS ITEMS_THEN READABLE},
		{.relation = "analytics_event",.column = "brand",.table = "event",.readers = Readers,
			.query = "SELECT personalize_internal._then(h.item_key, h.brand, i.brand)" EVENTS ITEMS_THEN READABLE},
		{.relation = "subject",.column = "user_key",.share = COLUMN_IMPLIED,.follows = "user_id"},
		{.relation = "profile",.column = "user_key",.share = COLUMN_UNIQUE},
		{.relation = "signal_state",.column = "complete_since",.table = "signal_state",
			.query = "SELECT t.complete_since FROM personalize.signal AS d LEFT JOIN personalize.signal_state AS t ON t.signal OPERATOR(pg_catalog.=) d.signal"},
		{.relation = "_periods",.column = "period",.share = COLUMN_UNIQUE,.table = "profile",.readers = Readers,.take = AnalystSampleFeatures},
		{.relation = "_profile_features",.column = "count",.table = "profile",.readers = Readers,.take = AnalystSampleFeatures},
		{.relation = "_profile_features",.column = "sum",.table = "profile",.readers = Readers,.take = AnalystSampleFeatures},
		{.relation = "_profile_features",.column = "last_seen",.table = "profile",.readers = Readers,.take = AnalystSampleFeatures},
		{.relation = "_profile_panes",.column = "pane_start",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "pane_end",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "grain",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "count",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "sum",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "min",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "max",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "first",.table = "profile",.readers = Readers,.take = AnalystSamplePanes},
		{.relation = "_profile_panes",.column = "last",.table = "profile",.readers = Readers,.take = AnalystSamplePanes}
	};

	ColumnStatRegister(columns, lengthof(columns));
}
