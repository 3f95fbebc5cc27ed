/*
 * preference.c
 *		What a person told us: favourite and hidden brands, categories, items.
 *
 * Declared, not observed: a preference is no event and waits for no processor;
 * engines read the table itself and obey from the next statement on.  It is
 * kept under the purpose personalization and goes when that is withdrawn, which
 * the person's stripe lock orders against a preference set at the same time.
 */
#include "postgres.h"

#include "profiles/preference.h"

#include "access/xact.h"
#include "base/argument.h"
#include "base/key.h"
#include "base/keyed.h"
#include "base/lock.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "people/consent.h"
#include "people/identity.h"
#include "people/refused_id.h"
#include "people/restriction.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_set_preference);
PG_FUNCTION_INFO_V1(personalize_clear_preference);
PG_FUNCTION_INFO_V1(personalize_preferences_of);

/* Columns of preference; src/profiles/preference.sql. */
typedef enum PreferenceColumn
{
	PREFERENCE_USER_KEY = 1,
	PREFERENCE_NAME,
	PREFERENCE_VALUE,
	PREFERENCE_VALUE_KEY,
	PREFERENCE_SET_AT
} PreferenceColumn;

/* A preference's name, by subject and hidden. */
static const char *const preferenceName[PREFERENCE_SUBJECT_COUNT][2] = {
	{"favourite_brand", "hidden_brand"},
	{"favourite_category", "hidden_category"},
	{"favourite_item", "hidden_item"}
};

/* Find what a name means; the American spelling will do. */
static bool
ParseName(const char *name, PreferenceSubject *subject, bool *hidden)
{
	if (strncmp(name, "favorite_", 9) == 0)
		name = psprintf("favourite_%s", name + 9);
	for (int i = 0; i < PREFERENCE_SUBJECT_COUNT; i++)
		for (int j = 0; j < 2; j++)
			if (strcmp(name, preferenceName[i][j]) == 0)
			{
				*subject = (PreferenceSubject) i;
				*hidden = j == 1;
				return true;
			}
	return false;
}

/* The name argument; an error if there is no such preference. */
static void
GetName(FunctionCallInfo fcinfo, PreferenceSubject *subject, bool *hidden)
{
	char	   *name;

	ArgumentCheckGiven(fcinfo, 1, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!ParseName(name, subject, hidden))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no preference \"%s\"", name),
				 errhint("Preferences are: favourite_brand, favourite_category, favourite_item, hidden_brand, hidden_category, hidden_item.")));
}

/* A column of a row that has no nulls. */
static Datum
SlotValue(TupleTableSlot *slot, PreferenceColumn column)
{
	bool		isNull;

	return slot_getattr(slot, column, &isNull);
}

/* Count a preference where engines ask for it. */
static void
Classify(PreferenceList *list, const Preference *preference)
{
	KeySet	   *items = &list->items[preference->hidden];

	list->hiddenCount += preference->hidden;
	if (preference->subject != PREFERENCE_ITEM)
	{
		list->kinds[preference->hidden]++;
		return;
	}
	if (items->table == NULL)
		KeySetInit(items, 0);
	KeySetAdd(items, preference->key);
}

/* Read a person's preferences. */
PreferenceList *
PreferenceRead(int64 userKey, Snapshot snapshot)
{
	KeyedTable *table;
	PreferenceList *list = palloc0(sizeof(PreferenceList));
	TupleTableSlot *slot;

	if ((RestrictionOf(userKey) & PURPOSE_PERSONALIZATION) != 0)
		return list;
	table = KeyedOpen("preference", "preference_pkey", AccessShareLock);
	KeyedSeekFew(table, snapshot, userKey);
	while ((slot = KeyedNext(table, ForwardScanDirection)) != NULL)
	{
		Preference *preference;

		if (list->preferences == NULL)
			list->preferences = palloc(sizeof(Preference) * PREFERENCE_MAX);
		preference = &list->preferences[list->count];
		if (list->count == PREFERENCE_MAX ||
			!ParseName(TextDatumGetCString(SlotValue(slot, PREFERENCE_NAME)),
					   &preference->subject, &preference->hidden))
			continue;
		preference->key = DatumGetInt64(SlotValue(slot, PREFERENCE_VALUE_KEY));
		preference->value = DatumGetTextPCopy(SlotValue(slot, PREFERENCE_VALUE));
		preference->setAt = DatumGetTimestampTz(SlotValue(slot, PREFERENCE_SET_AT));
		Classify(list, preference);
		list->count++;
	}
	KeyedClose(table);
	return list;
}

/* True if a preference is about an item's brand or category. */
static bool
Matches(const Preference *preference, const ItemInfo *info)
{
	const text *value = preference->subject == PREFERENCE_BRAND ? info->brand : info->category;

	return preference->subject != PREFERENCE_ITEM && value != NULL &&
		VARSIZE_ANY_EXHDR(value) == VARSIZE_ANY_EXHDR(preference->value) &&
		memcmp(VARDATA_ANY(value), VARDATA_ANY(preference->value), VARSIZE_ANY_EXHDR(value)) == 0;
}

/* How many hidden, or favourite, preferences are about an item's brand and category. */
static int
CountMatches(const PreferenceList *list, bool hidden, const ItemInfo *info)
{
	int			count = 0;

	if (list->kinds[hidden] == 0 || info == NULL)
		return 0;
	for (int i = 0; i < list->count; i++)
		if (list->preferences[i].hidden == hidden && Matches(&list->preferences[i], info))
			count++;
	return count;
}

/* True if the item's brand or category is hidden. */
bool
PreferenceHidesKind(const PreferenceList *list, const ItemInfo *info)
{
	return CountMatches(list, true, info) > 0;
}

/* How many of item, brand and category are favourites. */
int
PreferenceFavours(const PreferenceList *list, int64 itemKey, const ItemInfo *info)
{
	return KeySetHas(&list->items[false], itemKey) + CountMatches(list, false, info);
}

/* True if a person allows personalization, also under a snapshot older than the stripe lock. */
static bool
IsAllowed(int64 userKey)
{
	bool		allowed;

	PushActiveSnapshot(GetLatestSnapshot());
	allowed = (ConsentMaskOf(userKey) & PURPOSE_PERSONALIZATION) != 0;
	PopActiveSnapshot();
	return allowed;
}

/* Write a preference in place of its opposite, as of an id of the person; the number the person has then. */
static int64
StorePreference(int64 userKey, int64 idKey, PreferenceSubject subject, bool hidden, text *value)
{
	static SPIPlanPtr deletePlan;
	static SPIPlanPtr insertPlan;
	static SPIPlanPtr countPlan;
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID};
	Datum		values[] = {
		Int64GetDatum(userKey),
		CStringGetTextDatum(preferenceName[subject][!hidden]),
		PointerGetDatum(value),
		Int64GetDatum(KeyFromText(value)),
		Int64GetDatum(idKey)
	};
	SpiUtilScope scope;
	bool		isNull;
	int64		count;

	SpiUtilBegin(&scope);
	SpiUtilRun(&deletePlan,
			   "DELETE FROM personalize.preference"
			   " WHERE user_key = $1 AND name = $2 AND value = $3",
			   3, types, values, NULL, false);
	values[1] = CStringGetTextDatum(preferenceName[subject][hidden]);
	SpiUtilRun(&insertPlan,
			   "INSERT INTO personalize.preference (user_key, name, value, value_key, alias_key)"
			   " VALUES ($1, $2, $3, $4, nullif($5, $1))"
			   " ON CONFLICT (user_key, name, value) DO UPDATE SET set_at = EXCLUDED.set_at, alias_key = EXCLUDED.alias_key",
			   5, types, values, NULL, false);
	SpiUtilRun(&countPlan, "SELECT count(*) FROM personalize.preference WHERE user_key = $1",
			   1, types, values, NULL, false);
	count = DatumGetInt64(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return count;
}

/* Remember a preference; false if the person does not allow personalization. */
Datum
personalize_set_preference(PG_FUNCTION_ARGS)
{
	text	   *userId = KeyIdArgument(fcinfo, 0, "user_id");
	text	   *value = KeyIdArgument(fcinfo, 2, "value");
	PreferenceSubject subject;
	bool		hidden;
	Person		person;

	RefusedIdCheckPerson(userId);
	PreventCommandIfReadOnly("set_preference()");
	PreventCommandIfParallelMode("set_preference()");
	GetName(fcinfo, &subject, &hidden);
	person = IdentityLockShared(userId);
	PreferenceLock(person.userKey);
	if (!IsAllowed(person.userKey))
	{
		char	   *quoted = quote_literal_cstr(text_to_cstring(userId));

		ereport(WARNING,
				(errmsg("preference of user %s is not stored: purpose personalization is not allowed", quoted),
				 errhint("With the person's permission call SELECT personalize.grant_consent(%s, ARRAY['personalization'], 'source of the permission').",
						 quoted)));
		PG_RETURN_BOOL(false);
	}
	if (StorePreference(person.userKey, KeyFromText(userId), subject, hidden, value) > PREFERENCE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("user \"%s\" has %d preferences already",
						text_to_cstring(userId), PREFERENCE_MAX),
				 errhint("Forget some with personalize.clear_preference().")));
	PG_RETURN_BOOL(true);
}

/* Forget preferences; returns how many. */
Datum
personalize_clear_preference(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[3] = {0};
	char		nulls[] = {' ', 'n', 'n'};
	PreferenceSubject subject;
	bool		hidden;
	uint64		count;

	PreventCommandIfReadOnly("clear_preference()");
	PreventCommandIfParallelMode("clear_preference()");
	values[0] = Int64GetDatum(IdentityLockShared(KeyIdArgument(fcinfo, 0, "user_id")).userKey);
	if (!PG_ARGISNULL(1))
	{
		GetName(fcinfo, &subject, &hidden);
		values[1] = CStringGetTextDatum(preferenceName[subject][hidden]);
		nulls[1] = ' ';
	}
	if (!PG_ARGISNULL(2))
	{
		values[2] = PointerGetDatum(KeyIdArgument(fcinfo, 2, "value"));
		nulls[2] = ' ';
	}
	count = SpiUtilRunAsOwner(&plan,
							  "DELETE FROM personalize.preference WHERE user_key = $1"
							  " AND ($2 IS NULL OR name = $2) AND ($3 IS NULL OR value = $3)",
							  lengthof(types), types, values, nulls, false);
	PG_RETURN_INT64((int64) count);
}

/* What a person declared. */
Datum
personalize_preferences_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		userKey = IdentityKeyArgument(fcinfo, 0, "user_id");
	PreferenceList *list = PreferenceRead(userKey, GetActiveSnapshot());

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < list->count; i++)
	{
		Preference *preference = &list->preferences[i];
		Datum		values[] = {
			CStringGetTextDatum(preferenceName[preference->subject][preference->hidden]),
			PointerGetDatum(preference->value),
			Int64GetDatum(preference->key),
			TimestampTzGetDatum(preference->setAt)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
