/*
 * rule_effect.c
 *		rule_effect(): what a rule does to the answers for a person.
 *
 * Each engine is asked twice, with the rights of the caller: as if the rule were not there,
 * and as if it were enabled and valid.
 */
#include "postgres.h"

#include "base/argument.h"
#include "base/choice.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "engines/registry.h"
#include "engines/rule.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_rule_effect);

/* An answer. */
typedef struct Answer
{
	int			count;
	char	  **items;
	char	  **reasons;
} Answer;

/* The query that searches are asked: the given one, or else that of the rule; NULL: none. */
static text *
QueryOf(FunctionCallInfo fcinfo, const Rule *rule)
{
	return PG_ARGISNULL(4) ? rule->query : PG_GETARG_TEXT_PP(4);
}

/* Of what an engine cannot be asked without, what there is not. */
static int
Lacks(FunctionCallInfo fcinfo, const RegisteredEngine *engine, const Rule *rule)
{
	int			given = (PG_ARGISNULL(3) ? 0 : ENGINE_ASKED_ITEMS) | (QueryOf(fcinfo, rule) ? ENGINE_ASKED_QUERY : 0);

	return engine->previewNeeds & ~given;
}

/* Ask an engine, with the rule or without; of $1 user_id, $2 n, $3 items, $4 category, $5 query. */
static Answer
Ask(FunctionCallInfo fcinfo, const RegisteredEngine *engine, const Rule *rule, bool isThere)
{
	Oid			idType = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Oid			types[] = {idType, INT4OID, get_fn_expr_argtype(fcinfo->flinfo, 3), TEXTOID, TEXTOID};
	text	   *query = QueryOf(fcinfo, rule);
	Datum		values[] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), PointerGetDatum(rule->category),
		PointerGetDatum(query)};
	char		nulls[] = {
		PG_ARGISNULL(1) ? 'n' : ' ', ' ', PG_ARGISNULL(3) ? 'n' : ' ', rule->category == NULL ? 'n' : ' ',
		query == NULL ? 'n' : ' ', '\0'
	};
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr	plan;
	Answer		answer;

	SPI_connect();
	/* a prepared plan is never parallel: workers do not know what is pretended */
	plan = SPI_prepare(engine->preview, lengthof(types), types);
	RulePretend(rule->name, isThere);
	if (plan == NULL || SPI_execute_plan(plan, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "cannot ask engine %s", engine->name);
	RulePretend(NULL, false);
	MemoryContextSwitchTo(caller);
	answer.count = (int) SPI_processed;
	answer.items = palloc_array(char *, Max(answer.count, 1));
	answer.reasons = palloc_array(char *, Max(answer.count, 1));
	for (int i = 0; i < answer.count; i++)
	{
		char	   *item = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		answer.items[i] = MemoryContextStrdup(caller, item ? item : "");
		answer.reasons[i] = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
	}
	SPI_finish();
	return answer;
}

/* Put a row; a rank of 0 is none. */
static void
PutRow(ReturnSetInfo *output, const char *engine, const char *item, int without, int with, const char *reason)
{
	Datum		values[] = {
		CStringGetTextDatum(engine), CStringGetTextDatum(item), Int32GetDatum(without), Int32GetDatum(with),
		reason ? CStringGetTextDatum(reason) : (Datum) 0
	};
	bool		nulls[lengthof(values)] = {false, false, without == 0, with == 0, reason == NULL};

	tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
}

/* The rank of an item in an answer; 0: it is not there. */
static int
RankOf(const Answer *answer, const char *item)
{
	for (int i = 0; i < answer->count; i++)
		if (strcmp(answer->items[i], item) == 0)
			return i + 1;
	return 0;
}

/* Compare the answers of an engine. */
static void
Compare(FunctionCallInfo fcinfo, const RegisteredEngine *engine, const Rule *rule)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Answer		without = Ask(fcinfo, engine, rule, false);
	Answer		with = Ask(fcinfo, engine, rule, true);

	for (int i = 0; i < with.count; i++)
		PutRow(output, engine->name, with.items[i], RankOf(&without, with.items[i]), i + 1, with.reasons[i]);
	for (int i = 0; i < without.count; i++)
		if (RankOf(&with, without.items[i]) == 0)
			PutRow(output, engine->name, without.items[i], i + 1, 0, NULL);
}

/* The rule that is named; an error that lists them. */
static const Rule *
GetRule(FunctionCallInfo fcinfo)
{
	char	   *name;
	const Rule *rule;
	const char **names;
	int			count;

	ArgumentCheckGiven(fcinfo, 0, "rule");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	rule = RuleFind(name);
	names = RuleNames(&count);
	if (rule == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("rule \"%s\" does not exist", name),
				 count > 0 ? errhint("%s", ChoiceHint(name, "rules", names, Min(count, 100))) :
				 errhint("INSERT INTO personalize.rule makes one.")));
	return rule;
}

/* Complain if the rule's only engine cannot be asked. */
static void
CheckCanAsk(FunctionCallInfo fcinfo, const Rule *rule)
{
	int			lacks = rule->engine >= 0 ? Lacks(fcinfo, RegistryGet(rule->engine), rule) : 0;
	const char *what = lacks == ENGINE_ASKED_QUERY ? "a query" : "items";

	if (lacks != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" is for engine \"%s\", which is asked about %s", rule->name,
						RegistryGet(rule->engine)->name, what),
				 errhint("Call rule_effect() with %s.",
						 lacks == ENGINE_ASKED_QUERY ? "query, what is searched" : "items, the ids to ask about")));
}

/* rule_effect(rule, user_id, n, items, query) */
Datum
personalize_rule_effect(PG_FUNCTION_ARGS)
{
	const Rule *rule = GetRule(fcinfo);

	ArgumentCheckGiven(fcinfo, 2, "n");
	CheckCanAsk(fcinfo, rule);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	PG_TRY();
	{
		for (int i = 0; i < RegistryCount(); i++)
		{
			const RegisteredEngine *engine = RegistryGet(i);

			CHECK_FOR_INTERRUPTS();
			if ((rule->engine < 0 || rule->engine == i) && engine->preview != NULL &&
				Lacks(fcinfo, engine, rule) == 0)
				Compare(fcinfo, engine, rule);
		}
	}
	PG_FINALLY();
	{
		RulePretend(NULL, false);
	}
	PG_END_TRY();
	return (Datum) 0;
}
