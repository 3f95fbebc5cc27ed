/*
 * audience.c
 *		For whom rules and modules of pages are.
 *
 * An audience is a jsonpath over the features of the profile, a segment, or both.  Who does
 * not allow recommendations, and personalization, for which features and segments are
 * counted, is in no audience.  Of the past the features are as raw events tell.
 */
#include "postgres.h"

#include "engines/audience.h"

#include "base/choice.h"
#include "base/json_filter.h"
#include "compat.h"
#include "people/consent.h"
#include "profiles/segment.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* The longest jsonpath. */
#define MAX_PATH_BYTES 1000

/* The profile by which audiences are told, read when it is first needed; NULL: it may not be used. */
static const ProfileView *
GetProfile(EngineContext *context)
{
	int64		userKey = context->visitor.userKey;

	if (!context->visitor.personal)
		return NULL;
	if (!context->audienceRead && (ConsentMaskOf(userKey) & PURPOSE_PERSONALIZATION) != 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(context->context);

		context->audienceProfile = context->past ?
			ProfileLoadPast(userKey, PURPOSE_PERSONALIZATION, context->now, context->places) :
			ProfileLoad(userKey, PURPOSE_PERSONALIZATION);
		MemoryContextSwitchTo(caller);
	}
	context->audienceRead = true;
	return context->audienceProfile;
}

/* True if the features are what a jsonpath asks for. */
static bool
PathAgrees(EngineContext *context, const ProfileView *profile, JsonPath *path)
{
	if (context->features == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(context->context);

		context->features = ProfileFeaturesJson(profile, context->now);
		MemoryContextSwitchTo(caller);
	}
	return JsonFilterAgrees(path, context->features, false);
}

/* True if the person is in an audience. */
bool
AudienceIncludes(EngineContext *context, const Audience *audience)
{
	const ProfileView *profile;

	if (audience->path == NULL && audience->segment == NULL)
		return true;
	profile = GetProfile(context);
	return profile != NULL &&
		(audience->segment == NULL || SegmentHas(profile, audience->segment, context->now)) &&
		(audience->path == NULL || PathAgrees(context, profile, audience->path));
}

/* Refuse a jsonpath that could fail or take long. */
void
AudienceCheckPath(const char *what, const char *name, Datum value)
{
	char	   *path = DatumGetCString(DirectFunctionCall1(jsonpath_out, value));
	char	   *unsafe;

	if (strlen(path) > MAX_PATH_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" is longer than %d bytes", what, name, MAX_PATH_BYTES)));
	unsafe = JsonFilterFindUnsafe(path);
	if (unsafe != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s \"%s\" must not use %s", what, name, unsafe),
				 errdetail("It is asked in every answer, and this may fail or take long."),
				 errhint("Name the path, compare with == or starts with, and use no methods but type, size, double, ceiling, floor, abs and keyvalue.")));
}

/* Say that there is no such segment. */
void
AudienceCheckSegment(const char *what, const char *name, Datum value)
{
	char	   *segment = TextDatumGetCString(value);
	const char **names;
	int			count = SegmentNames(&names);

	if (ChoiceFind(segment, names, count) < 0)
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s \"%s\" is for segment \"%s\", which does not exist", what, name, segment),
				 errhint("%s", ChoiceHint(segment, "segments", names, count))));
}
