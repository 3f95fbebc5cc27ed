/*
 * rule.c
 *		What a shop has said about its answers: table rule.
 *
 * Each backend keeps the rules until the table changes.  Which of them are in force is
 * asked once a call: by engine, module, query, category, time and audience.
 */
#include "postgres.h"

#include "engines/rule.h"

#include "base/choice.h"
#include "base/key.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "base/words.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "engines/registry.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

const char *const ruleKindNames[RULE_KINDS] = {"exclude", "require", "boost", "bury", "slots", "pin"};
const char *const ruleQueryMatchNames[RULE_QUERY_MATCHES] = {"exact", "contains"};

/* What a backend keeps of the table. */
typedef struct RuleTable
{
	int			count;
	Rule	   *rules;
} RuleTable;

static void *ReadTable(Relation relation, Snapshot snapshot);
static TableCache cache = {.table = "rule",.read = ReadTable};

/* What RulePretend was told. */
static const char *pretended = NULL;
static bool pretendedIsThere;

/* Watch the table. */
void
RuleInit(void)
{
	TableCacheRegister(&cache);
}

/* Until the next call, answer as if a rule were there, or were not. */
void
RulePretend(const char *name, bool isThere)
{
	pretended = name;
	pretendedIsThere = isThere;
}

/* A query in lower case, with one blank between words. */
static text *
FoldQuery(const text *query)
{
	char	   *lower = WordsLower(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));
	int			length = 0;

	for (const char *c = lower; *c != '\0'; c++)
	{
		bool		blank = *c == ' ' || *c == '\t' || *c == '\n' || *c == '\r';

		if (!blank)
			lower[length++] = *c;
		else if (length > 0 && lower[length - 1] != ' ')
			lower[length++] = ' ';
	}
	if (length > 0 && lower[length - 1] == ' ')
		length--;
	return cstring_to_text_with_len(lower, length);
}

/* The items of a rule. */
static void
ReadItems(Rule *rule, ArrayType *array)
{
	Datum	   *values;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &values, NULL, &rule->itemCount);
	rule->items = palloc_array(text *, rule->itemCount);
	rule->itemKeys = palloc_array(int64, rule->itemCount);
	KeySetInit(&rule->itemSet, rule->itemCount);
	for (int i = 0; i < rule->itemCount; i++)
	{
		rule->items[i] = DatumGetTextPP(values[i]);
		rule->itemKeys[i] = KeyFromText(rule->items[i]);
		KeySetAdd(&rule->itemSet, rule->itemKeys[i]);
	}
}

/* What of a row is a number or a word; false if the row must be passed over. */
static bool
ReadPlain(Rule *rule, TupleTableSlot *slot)
{
	char	   *engine = NULL;
	char	   *match;
	bool		isNull;
	Datum		value;

	rule->name = TextDatumGetCString(slot_getattr(slot, RULE_COLUMN_NAME, &isNull));
	rule->kind = ChoiceFind(TextDatumGetCString(slot_getattr(slot, RULE_COLUMN_KIND, &isNull)),
							ruleKindNames, RULE_KINDS);
	value = slot_getattr(slot, RULE_COLUMN_ENGINE, &isNull);
	if (!isNull)
		engine = TextDatumGetCString(value);
	rule->engine = engine ? RegistryFind(engine, true) : -1;
	match = TextDatumGetCString(slot_getattr(slot, RULE_COLUMN_QUERY_MATCH, &isNull));
	rule->queryMatch = ChoiceFind(match, ruleQueryMatchNames, RULE_QUERY_MATCHES);
	value = slot_getattr(slot, RULE_COLUMN_FACTOR, &isNull);
	rule->factor = isNull ? 1 : DatumGetFloat8(value);
	value = slot_getattr(slot, RULE_COLUMN_PLACE, &isNull);
	rule->place = isNull ? 0 : DatumGetInt32(value);
	value = slot_getattr(slot, RULE_COLUMN_SHARE, &isNull);
	rule->share = isNull ? 0 : DatumGetFloat8(value);
	rule->priority = DatumGetInt32(slot_getattr(slot, RULE_COLUMN_PRIORITY, &isNull));
	rule->enabled = DatumGetBool(slot_getattr(slot, RULE_COLUMN_ENABLED, &isNull));
	/* false: an engine or a word that this library does not know */
	return (engine == NULL || rule->engine >= 0) && (int) rule->kind >= 0 && (int) rule->queryMatch >= 0;
}

/* A row out of a slot; false if it must be passed over. */
static bool
ReadRow(void *row, TupleTableSlot *slot)
{
	Rule	   *rule = row;
	ArrayType  *items;

	if (!ReadPlain(rule, slot))
		return false;
	rule->module = TableRowCopy(slot, RULE_COLUMN_MODULE);
	rule->query = TableRowCopy(slot, RULE_COLUMN_QUERY);
	if (rule->query)
		rule->query = FoldQuery(rule->query);
	rule->category = TableRowCopy(slot, RULE_COLUMN_CATEGORY);
	rule->filter = TableRowCopy(slot, RULE_COLUMN_FILTER);
	rule->audience.path = TableRowCopy(slot, RULE_COLUMN_AUDIENCE);
	rule->audience.segment = TableRowText(slot, RULE_COLUMN_SEGMENT);
	items = TableRowCopy(slot, RULE_COLUMN_ITEMS);
	if (items)
		ReadItems(rule, items);
	TableRowRange(slot, RULE_COLUMN_VALID_DURING, &rule->since, &rule->until);
	return true;
}

/* Order rules by priority, the highest first, then by name. */
static int
CompareRules(const void *left, const void *right)
{
	const Rule *a = left;
	const Rule *b = right;

	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Read the table. */
static void *
ReadTable(Relation relation, Snapshot snapshot)
{
	RuleTable  *table = palloc_object(RuleTable);
	TableRows	rows = TableRowsRead(relation, snapshot, sizeof(Rule), ReadRow, CompareRules);

	table->count = rows.count;
	table->rules = rows.rows;
	return table;
}

/* A rule by its name. */
const Rule *
RuleFind(const char *name)
{
	const RuleTable *table = TableCacheGet(&cache);

	for (int i = 0; i < table->count; i++)
		if (strcmp(table->rules[i].name, name) == 0)
			return &table->rules[i];
	return NULL;
}

/* The names of all rules. */
const char **
RuleNames(int *count)
{
	const RuleTable *table = TableCacheGet(&cache);
	const char **names = palloc_array(const char *, Max(table->count, 1));

	for (int i = 0; i < table->count; i++)
		names[i] = table->rules[i].name;
	*count = table->count;
	return names;
}

/* True if the query, folded, is the rule's, or contains it. */
static bool
QueryAgrees(const Rule *rule, const text *query)
{
	int			length = VARSIZE_ANY_EXHDR(rule->query);
	int			rest;

	if (query == NULL)
		return false;
	if (rule->queryMatch == RULE_QUERY_EXACT)
		return TextIsSame(rule->query, query);
	rest = (int) VARSIZE_ANY_EXHDR(query) - length;
	for (int i = 0; i <= rest; i++)
		if (memcmp(VARDATA_ANY(query) + i, VARDATA_ANY(rule->query), length) == 0)
			return true;
	return false;
}

/* True if a rule is enabled and valid, or pretended to be. */
static bool
IsValid(const Rule *rule, TimestampTz now)
{
	if (pretended != NULL && strcmp(rule->name, pretended) == 0)
		return pretendedIsThere;
	return rule->enabled && rule->since <= now && now < rule->until;
}

/* True if a rule is about calls like this one; query is folded. */
static bool
IsOfCall(const Rule *rule, const EngineContext *context, const text *query)
{
	return (rule->engine < 0 || rule->engine == context->engine) &&
		(rule->module == NULL || (context->module && TextIsSame(rule->module, context->module))) &&
		(rule->category == NULL || (context->category && TextIsSame(rule->category, context->category))) &&
		(rule->query == NULL || QueryAgrees(rule, query));
}

/* Find the rules that are in force. */
void
RuleEnter(EngineContext *context)
{
	const RuleTable *table = TableCacheGet(&cache);
	text	   *query = NULL;
	RuleScope  *scope = NULL;

	if (table->count > 0 && context->query != NULL)
		query = FoldQuery(context->query);
	for (int i = 0; i < table->count; i++)
	{
		const Rule *rule = &table->rules[i];

		if (!IsValid(rule, context->now) || !IsOfCall(rule, context, query) ||
			!AudienceIncludes(context, &rule->audience))
			continue;
		if (scope == NULL)
		{
			scope = palloc0(sizeof(RuleScope));
			scope->rules = palloc_extended(sizeof(Rule *) * table->count, MCXT_ALLOC_HUGE);
		}
		scope->rules[scope->count++] = rule;
		scope->kinds[rule->kind]++;
	}
	context->rules = scope;
}

/* True if there are rules at all. */
bool
RuleExists(void)
{
	return ((const RuleTable *) TableCacheGet(&cache))->count > 0;
}

/* True if a rule is about the item. */
bool
RuleIsAbout(EngineContext *context, const Rule *rule, int64 itemKey)
{
	return rule->filter != NULL ? ContextFilterAgrees(context, rule->filter, itemKey) :
		KeySetHas(&rule->itemSet, itemKey);
}

/* The rule that excludes the item, or requires others. */
const Rule *
RuleAgainst(EngineContext *context, int64 itemKey)
{
	if (RuleCount(context, RULE_EXCLUDE) + RuleCount(context, RULE_REQUIRE) == 0)
		return NULL;
	for (int i = 0; i < context->rules->count; i++)
	{
		const Rule *rule = context->rules->rules[i];

		if (rule->kind <= RULE_REQUIRE &&
			RuleIsAbout(context, rule, itemKey) != (rule->kind == RULE_REQUIRE))
			return rule;
	}
	return NULL;
}

/* True if no rule speaks against the item. */
bool
RuleAdmits(EngineContext *context, int64 itemKey)
{
	return RuleAgainst(context, itemKey) == NULL;
}

/* What boosts and burials multiply the item's score with. */
double
RuleFactor(EngineContext *context, int64 itemKey)
{
	double		factor = 1;

	if (RuleCount(context, RULE_BOOST) + RuleCount(context, RULE_BURY) == 0)
		return factor;
	for (int i = 0; i < context->rules->count; i++)
	{
		const Rule *rule = context->rules->rules[i];

		if ((rule->kind == RULE_BOOST || rule->kind == RULE_BURY) && RuleIsAbout(context, rule, itemKey))
			factor *= rule->factor;
	}
	return factor;
}
