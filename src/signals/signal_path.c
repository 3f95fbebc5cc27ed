/*
 * signal_path.c
 *		Key and value paths: where a signal finds what it counts.
 */
#include "postgres.h"

#include "signals/signal_path.h"

#include "base/choice.h"

#define PROPERTIES_PREFIX "properties."
#define MAX_PROPERTY_NAME 64

/* The name behind "properties."; NULL if it is not such a path. */
static char *
PropertyName(const char *string)
{
	const size_t prefixLength = strlen(PROPERTIES_PREFIX);

	if (strncmp(string, PROPERTIES_PREFIX, prefixLength) != 0 ||
		string[prefixLength] == '\0' ||
		strlen(string + prefixLength) > MAX_PROPERTY_NAME)
		return NULL;
	return unconstify(char *, string + prefixLength);
}

/* Parse a key path; false if malformed. */
bool
SignalPathParseKey(const char *string, SignalPath *path)
{
	static const struct
	{
		const char *name;
		SignalKeyKind kind;
	}			fixed[] = {
		{"none", SIGNAL_KEY_NONE}, {"item", SIGNAL_KEY_ITEM},
		{"item.category", SIGNAL_KEY_CATEGORY}, {"item.brand", SIGNAL_KEY_BRAND},
		{"item.tags", SIGNAL_KEY_TAGS}, {"item.price_band", SIGNAL_KEY_PRICE_BAND}
	};

	memset(path, 0, sizeof(SignalPath));
	for (int i = 0; i < lengthof(fixed); i++)
	{
		if (strcmp(string, fixed[i].name) == 0)
		{
			path->kind = fixed[i].kind;
			return true;
		}
	}
	path->kind = SIGNAL_KEY_PROPERTY;
	path->property = PropertyName(string);
	if (path->property == NULL)
		return false;
	path->words = strcmp(path->property, "query") == 0;
	return true;
}

/* Parse a value path; false if malformed. */
bool
SignalPathParseValue(const char *string, SignalFactor *factor, char **property)
{
	*property = NULL;
	*factor = SIGNAL_FACTOR_VALUE;
	if (strcmp(string, "value") == 0)
		return true;
	*factor = SIGNAL_FACTOR_PROPERTY;
	*property = PropertyName(string);
	return *property != NULL;
}

/* What to say of a path that is none: a word by itself may be something of the item, or a property. */
static char *
PathHint(const char *string, const char *kinds, const char *const *paths, int count)
{
	char	   *hint = ChoiceHint(string, kinds, paths, count);
	char	   *ofItem = psprintf("item.%s", string);

	if (string[0] == '\0' || string[strcspn(string, ". <>")] != '\0' || strlen(string) > MAX_PROPERTY_NAME ||
		ChoiceNearest(string, paths, count)[0] != '\0')
		return hint;
	for (int i = 0; i < count; i++)
		if (strncmp(paths[i], ofItem, strlen(ofItem)) == 0)
			return psprintf("Did you mean \"%s\"? %s", paths[i], hint);
	return psprintf("Did you mean \"" PROPERTIES_PREFIX "%s\"? %s", string, hint);
}

/* Complain unless a key path is one. */
void
SignalPathCheckKey(const char *string)
{
	static const char *const paths[] = {
		"item", "item.category", "item.brand", "item.tags", "item.price_band", "properties.<name>", "none"
	};
	SignalPath	path;

	if (!SignalPathParseKey(string, &path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid key_path \"%s\"", string),
				 errhint("%s", PathHint(string, "key paths", paths, lengthof(paths)))));
}

/* Complain unless a value path is one. */
void
SignalPathCheckValue(const char *string)
{
	static const char *const paths[] = {"value", "properties.<name>"};
	SignalFactor factor;
	char	   *property;

	if (!SignalPathParseValue(string, &factor, &property))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value_path \"%s\"", string),
				 errhint("%s", PathHint(string, "value paths", paths, lengthof(paths)))));
}
