/*
 * audience.h
 *		For whom rules and modules of pages are.
 */
#ifndef PERSONALIZE_AUDIENCE_H
#define PERSONALIZE_AUDIENCE_H

#include "postgres.h"

#include "engines/context.h"

/* Who meets both; NULL: whoever. */
typedef struct Audience
{
	JsonPath   *path;			/* over the features of the profile */
	char	   *segment;		/* its name */
} Audience;

/* True if the person is in an audience. */
extern bool AudienceIncludes(EngineContext *context, const Audience *audience);

/* Refuse a jsonpath that could fail or take long; what: "audience of rule", name: that of the row. */
extern void AudienceCheckPath(const char *what, const char *name, Datum path);

/* Say that there is no such segment: a dump may restore it later. */
extern void AudienceCheckSegment(const char *what, const char *name, Datum segment);

#endif
