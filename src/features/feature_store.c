/*
 * feature_store.c
 *		What must be known of the table of feature views, which holds nobody's data.
 */
#include "postgres.h"

#include "features/feature_view.h"

#include "people/person_store.h"

static const PersonStore store = {
	.name = "feature_view",
	.content = "definitions",
	.form = PERSON_STORE_PLAIN("feature_view")
};

/* Register it. */
void
FeatureStoreInit(void)
{
	PersonStoreRegister(&store, 1);
}
