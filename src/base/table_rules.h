/*
 * table_rules.h
 *		What holds for the rows of a table that is written below SQL.
 */
#ifndef PERSONALIZE_TABLE_RULES_H
#define PERSONALIZE_TABLE_RULES_H

#include "postgres.h"

#include "base/row_form.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "nodes/nodes.h"
#include "utils/relcache.h"

/*
 * The indexes, constraints and added columns of a table of the extension, to be
 * written in a way (CMD_INSERT, CMD_UPDATE or both, one after the other) that
 * TableRulesCheck has allowed.  It lives in the current context until it is closed.
 */
typedef struct TableRules TableRules;
extern TableRules *TableRulesOpen(Relation relation);
extern void TableRulesClose(TableRules *rules);

/*
 * Raise if something would have to be fired by this command that is not (a trigger,
 * key or rule), or if a publication needs a replica identity that the table has not.
 */
extern void TableRulesCheck(Relation relation, CmdType command);

/* The columns, and how rows are formed of them; both go with the rules. */
extern TupleDesc TableRulesDescriptor(const TableRules *rules);
extern const RowForm *TableRulesForm(const TableRules *rules);

/* How many columns the extension gives values for; others have been added. */
extern int	TableRulesColumns(const TableRules *rules);

/* True if rows need TableRulesComplete before they are written. */
extern bool TableRulesNeedCompletion(const TableRules *rules);

/*
 * Give the row in the slot the columns that have been added, as in the row it
 * replaces (NULL: none; then their defaults), and raise if it breaks a constraint.
 */
extern void TableRulesComplete(TableRules *rules, TupleTableSlot *slot, TupleTableSlot *replaced);

/*
 * Point the indexes at the row in the slot, which has just been written.  A row that
 * is equal to another in a unique index is an error, or false if it may be.  update
 * says which indexes a new version needs; NULL: the row is new.
 */
extern bool TableRulesEnter(TableRules *rules, TupleTableSlot *slot, bool mayBeEqual,
							const CompatUpdateIndexes *update);

/*
 * The same of a new version whose keys (unique indexes of columns) are those of the row it
 * replaces: no other can be equal to it, which to find out would mean to pass all versions
 * that an old snapshot keeps.
 */
extern void TableRulesEnterVersion(TableRules *rules, TupleTableSlot *slot, const CompatUpdateIndexes *update);

/*
 * Take the BRIN index out that covers just this column: from here on it is told of
 * rows by TableRulesEnterRepeated only, for whose neighbours the value is the same.
 */
extern void TableRulesTakeRepeated(TableRules *rules, AttrNumber column);
extern void TableRulesEnterRepeated(TableRules *rules, TupleTableSlot *slot);

/*
 * Have the indexes that forbid nothing told of rows in the order of their keys: by
 * TableRulesEnterSorted, which must be called before the end.
 */
extern void TableRulesSort(TableRules *rules);
extern void TableRulesEnterSorted(TableRules *rules);

#endif
