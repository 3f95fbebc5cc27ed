/*
 * analyst_column.c
 *		What the planner is told of the columns of views for analysts (base/column_stat.h).
 *
 * Of events a sample is read with the reader's eyes.  Of packed profiles analyst_estimate.c
 * takes one.
 */
#include "postgres.h"

#include "profiles/analyst_column.h"

#include "people/policy.h"

/* Events that the reader may see, and what belongs to them. */
#define EVENTS " FROM personalize.event AS e TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"
#define TYPES " JOIN personalize.event_type AS t ON t.event OPERATOR(pg_catalog.=) e.event"
#define ITEMS " LEFT JOIN personalize.item AS i ON i.item_key OPERATOR(pg_catalog.=) e.item_key"
#define ITEMS_THEN ITEMS " LEFT JOIN personalize._item_past AS h ON h.item_key OPERATOR(pg_catalog.=) e.item_key" \
	" AND e.ts OPERATOR(pg_catalog.>=) h.since AND e.ts OPERATOR(pg_catalog.<) h.until"
#define READABLE " WHERE (personalize_internal._unrestricted(e.consent, e.user_key) OPERATOR(pg_catalog.&) $2) OPERATOR(pg_catalog.<>) 0"

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
