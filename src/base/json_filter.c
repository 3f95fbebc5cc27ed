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
