/*
 * analyst_column.c
 *		What the planner is told of the columns of views for analysts (base/column_stat.h).
 *
 * Of events a sample is read with the reader's eyes.  Of packed profiles analyst_estimate.c
 * takes one.
 */
#include "postgres.h"

#include "profiles/analyst_column.h"

#include "base/view_try.h"
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

/* Some of them. */
#define EVENTS_MET "SELECT e.*" EVENTS READABLE \
	" ORDER BY hashint8extended(e.user_key, (extract(epoch FROM e.ts) * 1000000)::bigint) LIMIT 1000"

/* People whose profiles are looked into. */
#define PEOPLE_MET(count) \
	"SELECT p.user_key FROM personalize.profile AS p TABLESAMPLE SYSTEM ($1) REPEATABLE (1)" \
	" ORDER BY hashint8extended(p.user_key, 1) LIMIT " #count


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

	static const ViewTry views[] = {
		{.view = "analytics_event",.table = "event",.part = EVENTS_MET,.readers = Readers},
		{.view = "profile_feature",.table = "profile",.keys = PEOPLE_MET(100),.key = "user_key",.lists = ",value,",.readers = Readers},
		{.view = "profile_pane",.table = "profile",.keys = PEOPLE_MET(100),.key = "user_key",.lists = ",value,",.readers = Readers},
		{.view = "profile_person",.table = "profile",.keys = PEOPLE_MET(1000),.key = "user_key",.tried = ",purposes,",.readers = Readers}
	};

	ColumnStatRegister(columns, lengthof(columns));
	ViewTryRegister(views, lengthof(views));
}
