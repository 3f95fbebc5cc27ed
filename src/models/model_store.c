/*
 * model_store.c
 *		What must be known of the table of models: whom they may have learnt from.
 *
 * A model keeps nothing of a person but what its numbers have learnt, which cannot be taken
 * out.  So it notes the time of the pages it has seen, and counts who of those is forgotten,
 * or withdraws, after that; health() tells.  Whoever has no page of that time left has none
 * in the model, unless retention may have removed pages of that time: then only who came
 * later is known to be in none.
 *
 * Whoever trains locks the table and then looks who is there still (ModelLock), and whoever
 * takes people away locks it before their pages go: each sees what the other has done.
 */
#include "postgres.h"

#include "models/model_store.h"

#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "utils/array.h"

/* People ($1) whose pages a model may have seen; there are fewer models than people. */
#define COUNT_SQL \
	"UPDATE personalize.model AS m SET forgotten = m.forgotten + c.count" \
	" FROM (SELECT o.name, o.version, count(*) AS count" \
	"  FROM personalize.model AS o, unnest($1) AS p (user_key)" \
	"  WHERE o.since IS NOT NULL AND (EXISTS (" \
	"    SELECT FROM personalize.exposure AS e" \
	"    WHERE e.user_key = p.user_key AND e.query_key <> 0 AND e.shown_at >= o.since AND e.shown_at < o.until)" \
	"   OR (EXISTS (SELECT FROM personalize._gone AS g WHERE g.what = 'exposure' AND g.before > o.since)" \
	"    AND NOT EXISTS (SELECT FROM personalize.profile AS f" \
	"     WHERE f.user_key = p.user_key AND f.first_seen >= o.until)))" \
	"  GROUP BY 1, 2) AS c" \
	" WHERE m.name = c.name AND m.version = c.version"

/* Count people in the models that may have learnt from them, while their pages are there. */
static void *
CountForgotten(PersonRemoval *removal)
{
	static SPIPlanPtr lockPlan = NULL;
	static SPIPlanPtr countPlan = NULL;
	const Oid	types[] = {INT8ARRAYOID};
	Datum	   *keys = palloc(sizeof(Datum) * Max(removal->count, 1));
	Datum		value;
	SpiUtilScope scope;

	if ((removal->purposes & PURPOSE_ANALYTICS) == 0)
		return NULL;
	for (int i = 0; i < removal->count; i++)
		keys[i] = Int64GetDatum(removal->people[i].userKey);
	value = PointerGetDatum(construct_array(keys, removal->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SpiUtilBegin(&scope);
	SpiUtilRun(&lockPlan, "LOCK TABLE personalize.model IN ROW EXCLUSIVE MODE", 0, NULL, NULL, NULL, false);
	SpiUtilRun(&countPlan, COUNT_SQL, lengthof(types), types, &value, NULL, false);
	SpiUtilEnd(&scope);
	return NULL;
}

static const PersonTaker taker = {.begin = CountForgotten,.event = PERSON_NONE,.finish = PERSON_NONE};
static const PersonWithdrawal withdrawal = {
	.uncount = &taker,
	.clear = PERSON_NONE,
	.purge = PERSON_NONE,
	.recount = PERSON_NONE
};

static const PersonStore store = {
	.name = "model",
	.content = "definitions, what was learnt from everybody, and how many of these have been forgotten",
	.form = "SELECT to_jsonb(m) - '{imported_at,imported_by,forgotten}'::text[] FROM personalize.model m",
	/* before pages and counters are taken away */
	.rank = 5,
	.forget = &taker,
	.withdraw = &withdrawal
};

/* Register it. */
void
ModelStoreInit(void)
{
	PersonStoreRegister(&store, 1);
}
