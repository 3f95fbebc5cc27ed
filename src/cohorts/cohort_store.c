/*
 * cohort_store.c
 *		What must be known of the tables of cohorts, which hold nobody's data.
 */
#include "postgres.h"

#include "cohorts/cohort.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{
		.name = "cohort_policy",
		.content = "settings",
		.form = "SELECT to_jsonb(p) - '{set_at,set_by}'::text[] FROM personalize.cohort_policy p"
	},
	{
		.name = "cohort_report",
		.content = "definitions",
		.form = "SELECT to_jsonb(r) - 'created_at' FROM personalize.cohort_report r"
	},
	{
		.name = "cohort_charge",
		.content = "a counter",
		.exempt = "what was told of people cannot be taken back"
	},
	{
		.name = "cohort_release",
		.content = "a counter",
		.exempt = "is random"
	}
};

/* Register them. */
void
CohortStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
