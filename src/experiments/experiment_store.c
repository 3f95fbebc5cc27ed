/*
 * experiment_store.c
 *		What must be known of the tables of experiments; force_variant().
 *
 * Assignments are stored nowhere, so forgetting somebody has only those to look for who
 * are forced to a variant.
 */
#include "postgres.h"

#include "experiments/experiment_store.h"

#include "base/argument.h"
#include "base/key.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "experiments/experiment.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "people/identity.h"
#include "people/person_removal.h"
#include "people/person_store.h"
#include "people/refused_id.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_force_variant);
PG_FUNCTION_INFO_V1(personalize_release_forced);

/* As many people one can force in all. */
#define MAX_FORCED 10000

/* experiment_force */
static void
PurgeForced(void *state, PersonRemoval *removal)
{
	static SPIPlanPtr plan = NULL;

	PersonRemovalDelete(removal, &plan,
						"DELETE FROM personalize.experiment_force WHERE user_key = ANY ($1) RETURNING user_key");
}

/* Put a row in the place of the one there is; variant NULL: only take it away. */
static int64
StoreForced(int64 userKey, Datum experiment, Datum variant, bool release)
{
	static SPIPlanPtr deletePlan = NULL;
	static SPIPlanPtr insertPlan = NULL;
	static SPIPlanPtr countPlan = NULL;
	const Oid	types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[] = {Int64GetDatum(userKey), experiment, variant};
	bool		isNull;
	int64		count;
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&deletePlan, "DELETE FROM personalize.experiment_force WHERE user_key = $1 AND experiment = $2",
			   2, types, values, NULL, false);
	if (!release)
		SpiUtilRun(&insertPlan, "INSERT INTO personalize.experiment_force (user_key, experiment, variant) VALUES ($1, $2, $3)"
				   " ON CONFLICT (user_key, experiment) DO UPDATE SET variant = EXCLUDED.variant",
				   3, types, values, NULL, false);
	SpiUtilRun(&countPlan, "SELECT count(*) FROM personalize.experiment_force", 0, NULL, NULL, NULL, false);
	count = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return count;
}

/* force_variant(user_id, experiment, variant) */
Datum
personalize_force_variant(PG_FUNCTION_ARGS)
{
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	int64		userKey;
	const Experiment *experiment;

	ArgumentCheckGiven(fcinfo, 1, "experiment");
	PreventCommandIfReadOnly("force_variant()");
	PreventCommandIfParallelMode("force_variant()");
	RefusedIdCheckPerson(userId);
	/* wait for whoever may be about to stop it */
	LockRelationOid(RelationFind("experiment", false), RowExclusiveLock);
	experiment = ExperimentFind(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!PG_ARGISNULL(2))
		ExperimentCheckVariant(experiment, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (experiment->stopped && !PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("experiment \"%s\" is stopped", experiment->name)));
	userKey = IdentityLockShared(userId).userKey;
	if (StoreForced(userKey, PG_GETARG_DATUM(1), PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2), PG_ARGISNULL(2)) > MAX_FORCED)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d people are forced to variants", MAX_FORCED),
				 errhint("Release some with force_variant(user_id, experiment, NULL).")));
	PG_RETURN_VOID();
}

/* _release_forced(name) */
Datum
personalize_release_forced(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {PG_GETARG_DATUM(0)};

	SpiUtilRunAsOwner(&plan, "DELETE FROM personalize.experiment_force WHERE experiment = $1", 1, types, values, NULL, false);
	PG_RETURN_VOID();
}

static const PersonTaker forcedTaker = {.begin = PERSON_NONE,.event = PERSON_NONE,.finish = PurgeForced};

/* What a person was forced to holds before what another id of hers was. */
static void
RekeyForced(PersonMove *move)
{
	static SPIPlanPtr deletePlan = NULL;
	static SPIPlanPtr updatePlan = NULL;
	const Oid	types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(move->from), Int64GetDatum(move->to)};
	SpiUtilScope scope;

	if (move->back)
		return;
	SpiUtilBegin(&scope);
	SpiUtilRun(&deletePlan,
			   "DELETE FROM personalize.experiment_force AS f USING personalize.experiment_force AS p"
			   " WHERE f.user_key = $1 AND p.user_key = $2 AND p.experiment = f.experiment",
			   2, types, values, NULL, false);
	SpiUtilRun(&updatePlan, "UPDATE personalize.experiment_force SET user_key = $2 WHERE user_key = $1",
			   2, types, values, NULL, false);
	SpiUtilEnd(&scope);
}

static const PersonMoving forcedMoving = {
	.missing = PERSON_NONE,.leave = PERSON_NONE,.rekey = RekeyForced,.settle = PERSON_NONE
};

#define FORCED_PEOPLE \
	"SELECT f.user_key, 0 AS purposes FROM personalize.experiment_force AS f"

static const PersonExport forcedCopy = {
	.as = "forced_variants",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('experiment', f.experiment, 'variant', f.variant)"
	" ORDER BY f.experiment), '[]')"
	" FROM personalize.experiment_force f WHERE f.user_key = $1",
	.meaning = "experiments in which a variant was set for you by hand"
};

static const PersonStore stores[] = {
	{
		.name = "experiment",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("experiment")
	},
	{
		.name = "experiment_variant",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("experiment_variant")
	},
	{
		.name = "experiment_holdout",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("experiment_holdout")
	},
	{
		.name = "experiment_force",
		.form = PERSON_STORE_PLAIN("experiment_force"),
		.unanalyzed = "user_key",
		.people = FORCED_PEOPLE,
		.keeps = FORCED_PEOPLE,
		.copy = &forcedCopy,
		.rank = 85,
		.receipt = "forced_variants",
		.forget = &forcedTaker,
		.moving = &forcedMoving,
		.none = PERSON_NO_MASK | PERSON_NO_RECEIPT_LEFT | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS |
		PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	}
};

/* Register them. */
void
ExperimentStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
