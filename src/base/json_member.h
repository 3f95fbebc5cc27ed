/*
 * json_member.h
 *		Looking up a member of a JSON object.
 */
#ifndef PERSONALIZE_JSON_MEMBER_H
#define PERSONALIZE_JSON_MEMBER_H

#include "postgres.h"

#include "utils/jsonb.h"

/* A member, whatever it is; false if there is none, or this is no object. */
static inline bool
JsonMember(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return JsonContainerIsObject(object) &&
		getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL;
}

/* The same; JSON null counts as absent. */
static inline bool
JsonMemberGiven(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return JsonMember(object, name, value) && value->type != jbvNull;
}

#endif
