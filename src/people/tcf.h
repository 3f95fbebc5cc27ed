/*
 * tcf.h
 *		Decodes TC strings of the IAB Transparency and Consent Framework.
 *
 * Uses nothing of the server; see bits.h.
 */
#ifndef PERSONALIZE_TCF_H
#define PERSONALIZE_TCF_H

#include "base/bits.h"

/* Longer strings are not looked at.  The longest valid ones seen have 2.5 kB. */
#define TCF_MAX_LENGTH (128 * 1024)

/* Numbers of purposes that a string can speak of. */
#define TCF_PURPOSES 24

/* Policy versions: 4 is that of TCF 2.2, 5 that of 2.3. */
#define TCF_POLICY_2_2 4
#define TCF_POLICY_2_3 5

/* Vendors are numbered from 1 to this. */
#define TCF_MAX_VENDOR 65535

/* Bytes of a set of vendors: a bit for each. */
#define TCF_VENDOR_SET_BYTES 8192

/* Types of a publisher restriction. */
#define TCF_NOT_ALLOWED 0
#define TCF_REQUIRE_CONSENT 1
#define TCF_REQUIRE_INTEREST 2

typedef enum TcfStatus
{
	TCF_VALID,
	TCF_MALFORMED,
	TCF_UNSUPPORTED				/* another version of the format */
} TcfStatus;

/* A list of vendors, where it stands in the string. */
typedef struct TcfVendors
{
	bool		present;
	bool		isRange;
	uint32_t	max;			/* no vendor is above; 0 for restrictions: unknown */
	uint32_t	entries;		/* of a range */
	BitReader	body;
} TcfVendors;

/* What a publisher restricts: a purpose of some vendors. */
typedef struct TcfRestriction
{
	int			purpose;
	int			type;
	TcfVendors	vendors;
} TcfRestriction;

/* A decoded string.  Points into the text it was decoded from. */
typedef struct TcfString
{
	int			version;
	uint64_t	created;		/* tenths of a second since 1970 */
	uint64_t	lastUpdated;
	int			cmpId;
	int			cmpVersion;
	int			consentScreen;
	char		language[3];
	int			vendorListVersion;
	int			policyVersion;
	bool		serviceSpecific;
	bool		nonStandardTexts;
	uint32_t	specialFeatures;	/* bit i is number i + 1, also below */
	uint32_t	purposesConsent;
	uint32_t	purposesInterest;	/* legitimate interest, as it stands */
	bool		purposeOneTreatment;
	char		publisherCountry[3];
	TcfVendors	vendorConsent;
	TcfVendors	vendorInterest;
	int			restrictionCount;
	BitReader	restrictions;	/* read with TcfNextRestriction */
	TcfVendors	disclosed;
	TcfVendors	allowed;
	bool		hasPublisher;	/* has the publisher segment, with: */
	uint32_t	publisherConsent;
	uint32_t	publisherInterest;
	int			customCount;
	uint64_t	customConsent;
	uint64_t	customInterest;
} TcfString;

/* What a string says about a purpose. */
typedef enum TcfAnswer
{
	TCF_CONSENTED,
	TCF_DENIED,
	TCF_LEGITIMATE_INTEREST,	/* not consent, though it may not be needed */
	TCF_RESTRICTED,				/* the publisher does not let the vendor */
	TCF_VENDOR_DENIED,			/* consent to the purpose, not to the vendor */
	TCF_NOT_DISCLOSED			/* purpose 1 where the law does not ask for it */
} TcfAnswer;

/*
 * Decode a string.  Anything but TCF_VALID leaves a sentence fragment in *error
 * and nothing in *tcf that may be relied upon, but for version.
 */
extern TcfStatus TcfDecode(const char *data, size_t length, TcfString *tcf, const char **error);

/* True if a list has a vendor. */
extern bool TcfHasVendor(const TcfVendors *vendors, uint32_t vendor);

/* The vendors of a list as bits: vendor v is bit v % 8 of byte v / 8. */
extern void TcfVendorSet(const TcfVendors *vendors, uint8_t *set);

/* The next restriction from a copy of tcf->restrictions; call restrictionCount times. */
extern void TcfNextRestriction(BitReader *reader, TcfRestriction *restriction);

/*
 * What a string says about purposes 1 to TCF_PURPOSES, answers[0] being purpose
 * 1: to a vendor, or to the publisher itself if vendor is 0.
 */
extern void TcfAnswers(const TcfString *tcf, uint32_t vendor, TcfAnswer *answers);

#endif
