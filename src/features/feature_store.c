/*
 * feature_store.c
 *		What must be known of the tables of feature views, which hold nobody's data.
 */
#include "postgres.h"

#include "features/feature_view.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{
		.name = "feature_view",
		.content = "definitions",
		.form = "SELECT to_jsonb(v) - '{created_at,owner}'::text[] FROM personalize.feature_view v"
	},
	{
		.name = "feature_stats",
		.content = "statistics of samples; texts that at least 20 people of one have",
		.exempt = "says when it was computed"
	}
};

/* Register them. */
void
FeatureStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
