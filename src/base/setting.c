/*
 * setting.c
 *		Settings of a session that change how values are read and printed.
 *
 * What the extension stores or compares must not depend on who happens to call
 * it.  The SQL that C runs (spi_util.c) and the functions of the install script
 * (grants.sql) therefore run under these settings, whatever the session has.
 */
#include "postgres.h"

#include "base/setting.h"

#include "access/xact.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(personalize_pinned_setting);

typedef struct PinnedSetting
{
	const char *name;
	const char *value;
} PinnedSetting;

static const PinnedSetting pinnedSettings[] = {
	{"array_nulls", "on"},
	{"bytea_output", "hex"},
	{"DateStyle", "ISO, MDY"},
	{"extra_float_digits", "1"},
	{"IntervalStyle", "postgres"},
	{"quote_all_identifiers", "off"},
	{"standard_conforming_strings", "on"},
	{"TimeZone", "UTC"},
	{"transform_null_equals", "off"}
};

/* Set one until the caller's nest level of settings ends. */
void
SettingPin(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Have the transaction write nothing.  The variable is set itself, since servers from 16 on
 * refuse to set transaction_read_only in a function; transactions put it back.
 */
bool
SettingBeginReadOnly(void)
{
	bool		before = XactReadOnly;

	XactReadOnly = true;
	return before;
}

/* As it was. */
void
SettingEndReadOnly(bool before)
{
	XactReadOnly = before;
}

/* Set those that are otherwise. */
void
SettingPinAll(void)
{
	for (int i = 0; i < lengthof(pinnedSettings); i++)
	{
		const PinnedSetting *setting = &pinnedSettings[i];

		if (strcmp(GetConfigOption(setting->name, false, false), setting->value) != 0)
			SettingPin(setting->name, setting->value);
	}
}

/* _pinned_setting() → (name, value) */
Datum
personalize_pinned_setting(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(pinnedSettings); i++)
	{
		Datum		values[2] = {CStringGetTextDatum(pinnedSettings[i].name),
		CStringGetTextDatum(pinnedSettings[i].value)};
		bool		nulls[2] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
