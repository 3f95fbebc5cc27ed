/*
 * json_filter.c
 *		jsonpath: whether a document passes a filter.
 */
#include "postgres.h"

#include "base/json_filter.h"

#include "compat.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"

/* An empty object. */
Datum
JsonFilterNoVariables(void)
{
	static Jsonb empty;

	empty.root.header = JB_FOBJECT;
	SET_VARSIZE(&empty, sizeof(empty));
	return JsonbPGetDatum(&empty);
}

/* Ask a filter. */
bool
JsonFilterAgrees(JsonPath *filter, Jsonb *document, bool zoned)
{
	LOCAL_FCINFO(call, 4);
	Datum		result;
	Jsonb	   *found;
	JsonbValue	scalar;

	InitFunctionCallInfoData(*call, NULL, 4, InvalidOid, NULL, NULL);
	call->args[0] = (NullableDatum) {.value = JsonbPGetDatum(document)};
	call->args[1] = (NullableDatum) {.value = PointerGetDatum(filter)};
	call->args[2] = (NullableDatum) {.value = JsonFilterNoVariables()};
	call->args[3] = (NullableDatum) {.value = BoolGetDatum(true)};
	result = zoned ? jsonb_path_query_first_tz(call) : jsonb_path_query_first(call);
	if (call->isnull)
		return false;
	found = DatumGetJsonbP(result);
	if (!JB_ROOT_IS_SCALAR(found) || !JsonbExtractScalar(&found->root, &scalar))
		return true;
	return scalar.type != jbvNull && !(scalar.type == jbvBool && !scalar.val.boolean);
}

/* True if a jsonpath method can neither fail on any event nor take long. */
static bool
IsSafeMethod(const char *name, int length)
{
	static const char *const safe[] = {
		"type", "size", "double", "ceiling", "floor", "abs", "keyvalue"
	};

	for (int i = 0; i < lengthof(safe); i++)
	{
		if (strlen(safe[i]) == length && strncmp(name, safe[i], length) == 0)
			return true;
	}
	return false;
}

/*
 * What a filter must not use, as it is written; NULL if all is well.  In the
 * text form that jsonpath_out gives, names of keys and variables are quoted.
 */
char *
JsonFilterFindUnsafe(const char *filter)
{
	bool		quoted = false;

	for (const char *p = filter; *p != '\0'; p++)
	{
		int			length = 0;

		if (quoted)
		{
			if (*p == '\\')
				p++;
			else if (*p == '"')
				quoted = false;
			continue;
		}
		quoted = *p == '"';
		if (*p == '$' && p[1] == '"')
			return "variables";
		if (*p == '*' && p[1] == '*')
			return "**";
		if (strncmp(p, "like_regex", strlen("like_regex")) == 0)
			return "like_regex";
		if (*p != '.' || !isalpha((unsigned char) p[1]))
			continue;
		while (isalnum((unsigned char) p[1 + length]) || p[1 + length] == '_')
			length++;
		if (!IsSafeMethod(p + 1, length))
			return pnstrdup(p, length + 1);
	}
	return NULL;
}
