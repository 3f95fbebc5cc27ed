/*
 * rule_check.c
 *		Refusing rows of table rule that could not be meant, or could break an answer.
 *
 * A rule is obeyed by every answer, so whatever could fail on some item or person, or take
 * long, is refused when it is written.
 */
#include "postgres.h"

#include <math.h>

#include "base/argument.h"
#include "base/choice.h"
#include "base/key.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "compat.h"
#include "engines/registry.h"
#include "engines/rule.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(personalize_check_rule);

#define MAX_NAME_BYTES 63
#define MAX_SCOPE_BYTES 512
#define MAX_ITEMS 1000
#define MAX_FACTOR 1000

/* The row that is written. */
typedef struct RuleRow
{
	TupleDesc	desc;
	Datum		values[RULE_COLUMN_ENABLED];
	bool		nulls[RULE_COLUMN_ENABLED];
	char	   *name;
	RuleKind	kind;
} RuleRow;

/* A column's value. */
static Datum
Value(const RuleRow *row, RuleColumn column)
{
	return row->values[column - 1];
}

/* True if a column has a value. */
static bool
Has(const RuleRow *row, RuleColumn column)
{
	return !row->nulls[column - 1];
}

/* The name of a column. */
static const char *
ColumnName(const RuleRow *row, RuleColumn column)
{
	return NameStr(TupleDescAttr(row->desc, column - 1)->attname);
}

/* Complain of a text that is empty, too long or has control characters. */
static void
CheckText(const RuleRow *row, RuleColumn column, int maxBytes)
{
	char	   *string;

	if (!Has(row, column))
		return;
	string = TextDatumGetCString(Value(row, column));
	if (!ChoiceIsName(string, maxBytes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" of a rule is empty, longer than %d bytes or has control characters",
						ColumnName(row, column), ChoiceShow(string), maxBytes)));
}

/* Complain of a word that is none of those a column may have; returns its place. */
static int
CheckWord(const RuleRow *row, RuleColumn column, const char *kinds, const char *const *words, int count)
{
	char	   *given = TextDatumGetCString(Value(row, column));
	int			place = ChoiceFind(given, words, count);

	if (place < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" of rule \"%s\" does not exist", ColumnName(row, column), given, row->name),
				 errhint("%s", ChoiceHint(given, kinds, words, count))));
	return place;
}

/* Complain if a column is given that this kind of rule does not have, or the other way round. */
static void
CheckIsOfKind(const RuleRow *row, RuleColumn column, bool isOfKind)
{
	if (Has(row, column) == isOfKind)
		return;
	ereport(ERROR,
			(errcode(isOfKind ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_INVALID_PARAMETER_VALUE),
			 isOfKind ?
			 errmsg("rule \"%s\" of kind %s needs %s", row->name, ruleKindNames[row->kind], ColumnName(row, column)) :
			 errmsg("rule \"%s\" of kind %s must not have %s", row->name, ruleKindNames[row->kind], ColumnName(row, column)),
			 errhint("boost and bury have a factor, pin has a place and slots have a share.")));
}

/* Complain of a number out of its range, the lower end of which does not belong to it. */
static void
CheckNumber(const RuleRow *row, RuleColumn column, double number, double above, double most)
{
	if (isnan(number) || number <= above || number > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of rule \"%s\" is %g, not above %g and at most %g", ColumnName(row, column),
						row->name, number, above, most)));
}

/* Complain of the numbers. */
static void
CheckNumbers(const RuleRow *row)
{
	bool		isFactor = row->kind == RULE_BOOST || row->kind == RULE_BURY;

	CheckIsOfKind(row, RULE_COLUMN_FACTOR, isFactor);
	CheckIsOfKind(row, RULE_COLUMN_PLACE, row->kind == RULE_PIN);
	CheckIsOfKind(row, RULE_COLUMN_SHARE, row->kind == RULE_SLOTS);
	if (isFactor)
		CheckNumber(row, RULE_COLUMN_FACTOR, DatumGetFloat8(Value(row, RULE_COLUMN_FACTOR)),
					row->kind == RULE_BOOST ? 1 : 0, row->kind == RULE_BOOST ? MAX_FACTOR : 1);
	if (row->kind == RULE_PIN)
		CheckNumber(row, RULE_COLUMN_PLACE, DatumGetInt32(Value(row, RULE_COLUMN_PLACE)), 0, ENGINE_MAX_ITEMS);
	if (row->kind == RULE_SLOTS)
		CheckNumber(row, RULE_COLUMN_SHARE, DatumGetFloat8(Value(row, RULE_COLUMN_SHARE)), 0, 1);
}

/* Complain of the items. */
static void
CheckItems(const RuleRow *row)
{
	ArrayType  *array;
	Datum	   *ids;
	bool	   *nulls;
	int			count;

	if (!Has(row, RULE_COLUMN_ITEMS))
		return;
	array = DatumGetArrayTypeP(Value(row, RULE_COLUMN_ITEMS));
	count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (count < 1 || count > MAX_ITEMS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" has %d items, not 1 to %d", row->name, count, MAX_ITEMS),
				 errhint("For more, use filter, a jsonpath over the catalogue row.")));
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &ids, &nulls, &count);
	for (int i = 0; i < count; i++)
		(void) KeyCheckElement(ids[i], nulls[i], "items");
}

/* Complain of a jsonpath that could fail or take long. */
static void
CheckPath(const RuleRow *row, RuleColumn column)
{
	if (Has(row, column))
		AudienceCheckPath(psprintf("%s of rule", ColumnName(row, column)), row->name, Value(row, column));
}

/* Complain of what the rule is about. */
static void
CheckTarget(const RuleRow *row)
{
	bool		hasFilter = Has(row, RULE_COLUMN_FILTER);

	if (Has(row, RULE_COLUMN_ITEMS) == hasFilter || (row->kind == RULE_PIN && hasFilter))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 row->kind == RULE_PIN ?
				 errmsg("rule \"%s\" of kind pin needs items, and no filter", row->name) :
				 errmsg("rule \"%s\" needs either items or a filter", row->name),
				 errhint("items are ids of the catalogue, filter is a jsonpath over its rows, like '$.brand == \"acme\"'.")));
	CheckItems(row);
	CheckPath(row, RULE_COLUMN_FILTER);
}

/* Complain of when and for whom it holds. */
static void
CheckScope(const RuleRow *row)
{
	if (Has(row, RULE_COLUMN_ENGINE))
		RegistryFind(TextDatumGetCString(Value(row, RULE_COLUMN_ENGINE)), false);
	CheckText(row, RULE_COLUMN_MODULE, MAX_SCOPE_BYTES);
	CheckText(row, RULE_COLUMN_QUERY, MAX_SCOPE_BYTES);
	CheckText(row, RULE_COLUMN_CATEGORY, MAX_SCOPE_BYTES);
	CheckWord(row, RULE_COLUMN_QUERY_MATCH, "ways to compare a query", ruleQueryMatchNames, RULE_QUERY_MATCHES);
	CheckPath(row, RULE_COLUMN_AUDIENCE);
	if (Has(row, RULE_COLUMN_SEGMENT))
		AudienceCheckSegment("rule", row->name, Value(row, RULE_COLUMN_SEGMENT));
	if (RangeIsEmpty(DatumGetRangeTypeP(Value(row, RULE_COLUMN_VALID_DURING))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" would never be valid: valid_during is empty", row->name),
				 errhint("Write it like tstzrange('2030-11-29', '2030-11-30'); (,) is always.")));
}

/* Take the row apart, or complain of nulls. */
static void
TakeRow(RuleRow *row, HeapTuple tuple, TupleDesc desc)
{
	static const RuleColumn needed[] = {
		RULE_COLUMN_NAME, RULE_COLUMN_KIND, RULE_COLUMN_QUERY_MATCH, RULE_COLUMN_VALID_DURING,
		RULE_COLUMN_PRIORITY, RULE_COLUMN_ENABLED
	};

	row->desc = desc;
	for (int i = 0; i < RULE_COLUMN_ENABLED; i++)
		row->values[i] = heap_getattr(tuple, i + 1, desc, &row->nulls[i]);
	for (int i = 0; i < lengthof(needed); i++)
		if (!Has(row, needed[i]))
			ArgumentReportNull(psprintf("%s of a rule", ColumnName(row, needed[i])));
	CheckText(row, RULE_COLUMN_NAME, MAX_NAME_BYTES);
	row->name = TextDatumGetCString(Value(row, RULE_COLUMN_NAME));
	row->kind = CheckWord(row, RULE_COLUMN_KIND, "kinds of rules", ruleKindNames, RULE_KINDS);
}

/* Trigger _check_rule(). */
Datum
personalize_check_rule(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	RuleRow		row;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_check_rule must be called as a trigger")));
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	TakeRow(&row, tuple, RelationGetDescr(trigger->tg_relation));
	CheckNumbers(&row);
	CheckTarget(&row);
	CheckScope(&row);
	return PointerGetDatum(tuple);
}
