/*
 * gpp.h
 *		Decodes strings of the IAB Global Privacy Platform.
 *
 * Uses nothing of the server; see bits.h.
 */
#ifndef PERSONALIZE_GPP_H
#define PERSONALIZE_GPP_H

#include "base/bits.h"

/* Longer strings are not looked at. */
#define GPP_MAX_LENGTH (256 * 1024)

/* No string has more sections. */
#define GPP_MAX_SECTIONS 64

/* Numbers of the sections that are understood. */
#define GPP_TCF_EU 2
#define GPP_US_NATIONAL 7

typedef enum GppStatus
{
	GPP_VALID,
	GPP_MALFORMED,
	GPP_UNSUPPORTED				/* another version of the format */
} GppStatus;

/* A section: its number, and its text in the string. */
typedef struct GppSection
{
	int			id;
	const char *data;
	size_t		length;
} GppSection;

/* A string taken apart.  Points into the text it was decoded from. */
typedef struct GppString
{
	int			version;
	int			sectionCount;
	GppSection	sections[GPP_MAX_SECTIONS];
} GppString;

/* What may be sold, shared or targeted; order of the fields. */
typedef enum GppUse
{
	GPP_SALE,
	GPP_SHARING,
	GPP_TARGETED_ADVERTISING,
	GPP_USES
} GppUse;

/* Values of fields about notices: 0 not applicable, and */
#define GPP_NOTICE_GIVEN 1

/* Values of fields about opting out: 0 not applicable, and */
#define GPP_OPTED_OUT 1
#define GPP_NOT_OPTED_OUT 2

/* Values of fields about consent: 0 not applicable, and */
#define GPP_NO_CONSENT 1

#define GPP_MAX_SENSITIVE 16
#define GPP_MAX_CHILD 3

/* The US national section. */
typedef struct GppUsNational
{
	int			version;
	int			sharingNotice;
	int			optOutNotice[GPP_USES];
	int			sensitiveOptOutNotice;
	int			sensitiveLimitNotice;
	int			optOut[GPP_USES];
	int			sensitiveCount;
	int			sensitive[GPP_MAX_SENSITIVE];
	int			childCount;
	int			child[GPP_MAX_CHILD];
	int			personalDataConsent;
	int			mspaCovered;
	int			mspaOptOutOption;
	int			mspaServiceProvider;
	bool		hasGpc;			/* says whether the browser's control is on */
	bool		gpc;
} GppUsNational;

/*
 * Take a string apart.  Anything but GPP_VALID leaves a sentence fragment in
 * *error; sectionCount and the sections' numbers then tell what the header
 * promised, as far as it could be read.
 */
extern GppStatus GppDecode(const char *data, size_t length, GppString *gpp, const char **error);

/* Decode the text of section 7. */
extern GppStatus GppDecodeUsNational(const char *data, size_t length, GppUsNational *section,
									 const char **error);

#endif
