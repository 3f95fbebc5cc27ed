/*
 * analyst_column.h
 *		What the planner is told of the columns of views for analysts.
 */
#ifndef PERSONALIZE_ANALYST_COLUMN_H
#define PERSONALIZE_ANALYST_COLUMN_H

#include "base/column_stat.h"
#include "signals/feature_state.h"

/* Columns of _profile_panes() after value_key. */
#define ANALYST_PANE_COLUMNS 9
extern void AnalystPaneDatums(const FeaturePane *pane, Datum *values, bool *nulls);

/* What some profiles have in a column of _profile_features(), _periods() or _profile_panes(). */
extern void AnalystSampleFeatures(const ColumnStat *column, ColumnSample *sample);
extern void AnalystSamplePanes(const ColumnStat *column, ColumnSample *sample);

/* Called once when the library is loaded. */
extern void AnalystColumnInit(void);

#endif
