/*
 * column_stat.h
 *		Statistics of columns of which ANALYZE keeps none.
 */
#ifndef PERSONALIZE_COLUMN_STAT_H
#define PERSONALIZE_COLUMN_STAT_H

#include "postgres.h"

#include "access/htup.h"
#include "nodes/pathnodes.h"

/* Values of a column, in a sample. */
typedef struct ColumnSample
{
	Oid			type;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	double		total;			/* so many there are */
} ColumnSample;

/* How often a column is one of the values that a statement asks for. */
typedef enum ColumnShare
{
	COLUMN_SAMPLED,				/* as a sample has it */
	COLUMN_UNIQUE,				/* in one row each */
	COLUMN_IMPLIED				/* always: another condition of the statement says the same */
} ColumnShare;

/* A column that the planner may ask about. */
typedef struct ColumnStat
{
	const char *relation;		/* a table or view; or the function whose result it is */
	const char *column;
	ColumnShare share;
	const char *follows;		/* COLUMN_IMPLIED by a condition on this column; NULL: without one */
	const char *table;			/* what query looks at a part of */
	const char *query;			/* the sample: $1 per cent of the pages of table, $2 readers() */
	const char *groups;			/* the same, one value for each group of views that group by the column */
	const char *ids;			/* the table with all values that there may be */
	void		(*take) (const struct ColumnStat *column, ColumnSample *sample);	/* instead of query */
	int32		(*readers) (void);	/* whose eyes the sample is seen with; NULL: anybody's */
} ColumnStat;

/* Make columns known, when the library is loaded; the array is kept. */
extern void ColumnStatRegister(const ColumnStat *columns, int count);

/* A column that was registered; NULL if it was not. */
extern const ColumnStat *ColumnStatFind(const char *relation, const char *column);

/*
 * What pg_statistic would say of the column, or of the groups of views by it, valid until
 * the statement ends; NULL: nothing.  Under an active snapshot.
 */
extern HeapTuple ColumnStatOf(const ColumnStat *column, bool ofGroups);

/* The name of a table or view of ours, of the table for a partition; NULL for others. */
extern const char *ColumnRelationName(Oid relation);

/* What conditions ask a column (a Var) to be: so many values, 0: anything. */
extern int	ColumnAsked(PlannerInfo *root, Node *column, Datum **values);

/* Have the planner told, from when the library is loaded. */
extern void ColumnHookInit(void);

#endif
