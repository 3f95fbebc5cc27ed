/*
 * json_filter.h
 *		jsonpath: whether a document passes a filter.
 */
#ifndef PERSONALIZE_JSON_FILTER_H
#define PERSONALIZE_JSON_FILTER_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/jsonpath.h"

/* An empty object, for what is asked without variables. */
extern Datum JsonFilterNoVariables(void);

/*
 * True if the first that a path finds is there and is neither false nor null;
 * structural errors are no.  Zoned: times may be compared as the session's zone has
 * them, which nothing stored may depend on.  What this allocates is left to the caller.
 */
extern bool JsonFilterAgrees(JsonPath *filter, Jsonb *document, bool zoned);

/*
 * What a filter that is kept must not use, since it could fail or take long: variables,
 * **, like_regex, most methods.  filter is as jsonpath_out writes it; NULL if all is well.
 */
extern char *JsonFilterFindUnsafe(const char *filter);

#endif
