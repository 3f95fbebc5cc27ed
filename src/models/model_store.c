/*
 * model_store.c
 *		What must be known of the table of models: whom they may have learnt from.
 *
 * Its numbers count those who go after it was fitted (people/person_fit).
 *
 * Whoever trains locks the table and then looks who is there still (ModelLock), and whoever
 * takes people away locks it before their pages go: each sees what the other has done.
 */
#include "postgres.h"

#include "models/model_store.h"

#include "people/person_fit.h"

/* There are fewer models than people. */
static PersonFit fit = {
	.lock = "LOCK TABLE personalize.model IN ROW EXCLUSIVE MODE",
	.count = "UPDATE personalize.model AS m SET forgotten = m.forgotten + c.count"
	" FROM (SELECT o.name, o.version, count(*) AS count"
	"  FROM personalize.model AS o, unnest($1) AS p (user_key)"
	"  WHERE o.since IS NOT NULL AND " PERSON_FITTED("o.since", "o.until")
	"  GROUP BY 1, 2) AS c"
	" WHERE m.name = c.name AND m.version = c.version"
};

/* Count people in the models that may have learnt from them. */
static void *
CountForgotten(PersonRemoval *removal)
{
	PersonFitCount(&fit, removal);
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
