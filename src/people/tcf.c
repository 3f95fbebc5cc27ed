/*
 * tcf.c
 *		Decodes TC strings of the IAB Transparency and Consent Framework.
 *
 * After "Consent string and vendor list formats v2" of the IAB Tech Lab, with
 * the segments of TCF 2.3.  A string comes from a browser and may be anything:
 * each length in it is checked against what is there before it is used, lists of
 * vendors are read where they stand, and nothing is allocated.  The first pass
 * reads every field, so that a string is either valid as a whole or refused.
 *
 * Stricter than the format: nothing but zeros may follow the last field, and no
 * segment may come twice.  Laxer: a segment may be padded with "=", as some
 * libraries write it.
 *
 * Uses nothing of the server; see bits.h.
 */
#include "people/tcf.h"

#include <string.h>

/* Kinds of segments; their first three bits. */
enum
{
	SEGMENT_CORE,
	SEGMENT_DISCLOSED,
	SEGMENT_ALLOWED,
	SEGMENT_PUBLISHER
};

/* Two letters of six bits each; false if one is none. */
static bool
ReadLetters(BitReader *reader, char *letters)
{
	for (int i = 0; i < 2; i++)
	{
		uint64_t	letter = BitsRead(reader, 6);

		if (letter > 25)
			return false;
		letters[i] = (char) ('A' + letter);
	}
	letters[2] = '\0';
	return true;
}

/* Bits of which the first stands for number 1, as a mask with bit 0 for it. */
static uint64_t
ReadNumbers(BitReader *reader, int count)
{
	uint64_t	mask = 0;

	for (int i = 0; i < count; i++)
		mask |= BitsRead(reader, 1) << i;
	return mask;
}

/* One entry of a range: first and last vendor. */
static void
ReadEntry(BitReader *reader, uint32_t *first, uint32_t *last)
{
	bool		isGroup = BitsRead(reader, 1);

	*first = (uint32_t) BitsRead(reader, 16);
	*last = isGroup ? (uint32_t) BitsRead(reader, 16) : *first;
}

/* The entries of a range; vendors are at most max. */
static const char *
ReadRange(BitReader *reader, TcfVendors *vendors, uint32_t max)
{
	vendors->present = true;
	vendors->isRange = true;
	vendors->entries = (uint32_t) BitsRead(reader, 12);
	vendors->body = *reader;
	for (uint32_t i = 0; i < vendors->entries && !reader->overrun; i++)
	{
		uint32_t	first;
		uint32_t	last;

		ReadEntry(reader, &first, &last);
		if (reader->overrun)
			break;
		if (first == 0)
			return "a range names vendor 0";
		if (last < first)
			return "a range ends before it begins";
		if (last > max)
			return "a range names a vendor above its maximum";
	}
	return reader->overrun ? "a range of vendors is longer than the string" : NULL;
}

/* A list of vendors: its maximum, then a bit for each or a range. */
static const char *
ReadVendors(BitReader *reader, TcfVendors *vendors)
{
	vendors->present = true;
	vendors->max = (uint32_t) BitsRead(reader, 16);
	vendors->isRange = BitsRead(reader, 1);
	if (vendors->isRange)
		return ReadRange(reader, vendors, vendors->max);
	vendors->body = *reader;
	BitsSkip(reader, vendors->max);
	return reader->overrun ? "a list of vendors is longer than the string" : NULL;
}

/* The publisher's restrictions. */
static const char *
ReadRestrictions(BitReader *reader, TcfString *tcf)
{
	tcf->restrictionCount = (int) BitsRead(reader, 12);
	tcf->restrictions = *reader;
	for (int i = 0; i < tcf->restrictionCount && !reader->overrun; i++)
	{
		TcfVendors	vendors = {0};
		int			purpose = (int) BitsRead(reader, 6);
		const char *error;

		BitsSkip(reader, 2);
		if (purpose == 0 && !reader->overrun)
			return "a restriction names purpose 0";
		error = ReadRange(reader, &vendors, TCF_MAX_VENDOR);
		if (error)
			return error;
	}
	return reader->overrun ? "the list of restrictions is longer than the string" : NULL;
}

/* The fields of the core segment before its vendors. */
static const char *
ReadHeader(BitReader *reader, TcfString *tcf)
{
	tcf->created = BitsRead(reader, 36);
	tcf->lastUpdated = BitsRead(reader, 36);
	tcf->cmpId = (int) BitsRead(reader, 12);
	tcf->cmpVersion = (int) BitsRead(reader, 12);
	tcf->consentScreen = (int) BitsRead(reader, 6);
	if (!ReadLetters(reader, tcf->language))
		return "the language is not two letters";
	tcf->vendorListVersion = (int) BitsRead(reader, 12);
	tcf->policyVersion = (int) BitsRead(reader, 6);
	tcf->serviceSpecific = BitsRead(reader, 1);
	tcf->nonStandardTexts = BitsRead(reader, 1);
	tcf->specialFeatures = (uint32_t) ReadNumbers(reader, 12);
	tcf->purposesConsent = (uint32_t) ReadNumbers(reader, TCF_PURPOSES);
	tcf->purposesInterest = (uint32_t) ReadNumbers(reader, TCF_PURPOSES);
	tcf->purposeOneTreatment = BitsRead(reader, 1);
	if (!ReadLetters(reader, tcf->publisherCountry))
		return "the publisher's country is not two letters";
	if (reader->overrun)
		return "the string is too short";
	if (tcf->vendorListVersion == 0)
		return "the version of the vendor list is 0";
	if (tcf->created == 0)
		return "it has no time of creation";
	if (tcf->created > tcf->lastUpdated)
		return "it was created after its last update";
	return NULL;
}

/* The core segment after its version. */
static const char *
ReadCore(BitReader *reader, TcfString *tcf)
{
	const char *error = ReadHeader(reader, tcf);

	if (!error)
		error = ReadVendors(reader, &tcf->vendorConsent);
	if (!error)
		error = ReadVendors(reader, &tcf->vendorInterest);
	if (!error)
		error = ReadRestrictions(reader, tcf);
	return error;
}

/* The publisher segment after its type. */
static const char *
ReadPublisher(BitReader *reader, TcfString *tcf)
{
	tcf->hasPublisher = true;
	tcf->publisherConsent = (uint32_t) ReadNumbers(reader, TCF_PURPOSES);
	tcf->publisherInterest = (uint32_t) ReadNumbers(reader, TCF_PURPOSES);
	tcf->customCount = (int) BitsRead(reader, 6);
	tcf->customConsent = ReadNumbers(reader, tcf->customCount);
	tcf->customInterest = ReadNumbers(reader, tcf->customCount);
	return reader->overrun ? "the publisher segment is too short" : NULL;
}

/* A segment after the core. */
static const char *
ReadSegment(BitReader *reader, TcfString *tcf)
{
	switch (BitsRead(reader, 3))
	{
		case SEGMENT_CORE:
			return reader->overrun ? "a segment is empty" : "a core segment comes late";
		case SEGMENT_DISCLOSED:
			if (tcf->disclosed.present)
				return "the disclosed vendors come twice";
			return ReadVendors(reader, &tcf->disclosed);
		case SEGMENT_ALLOWED:
			if (tcf->allowed.present)
				return "the allowed vendors come twice";
			return ReadVendors(reader, &tcf->allowed);
		case SEGMENT_PUBLISHER:
			if (tcf->hasPublisher)
				return "the publisher segment comes twice";
			return ReadPublisher(reader, tcf);
		default:
			return "a segment is of an unknown type";
	}
}

/* Read from the beginning of a segment, without its padding. */
static bool
BeginSegment(BitReader *reader, const char *data, size_t length)
{
	for (int i = 0; i < 2 && length > 0 && data[length - 1] == '='; i++)
		length--;
	return BitsBegin(reader, data, length);
}

/* Decode a string. */
TcfStatus
TcfDecode(const char *data, size_t length, TcfString *tcf, const char **error)
{
	const char *end = data + length;
	bool		isCore = true;

	memset(tcf, 0, sizeof(TcfString));
	*error = length == 0 ? "it is empty" : length > TCF_MAX_LENGTH ? "it is too long" : NULL;
	while (!*error)
	{
		const char *dot = memchr(data, '.', end - data);
		const char *stop = dot ? dot : end;
		BitReader	reader;

		if (!BeginSegment(&reader, data, stop - data))
		{
			*error = "it has characters other than base64url's";
			break;
		}
		if (isCore)
		{
			tcf->version = (int) BitsRead(&reader, 6);
			if (tcf->version != 2)
			{
				*error = "its version is not 2";
				return TCF_UNSUPPORTED;
			}
		}
		*error = isCore ? ReadCore(&reader, tcf) : ReadSegment(&reader, tcf);
		if (!*error && !BitsRestIsZero(&reader))
			*error = "something follows the last field of a segment";
		if (!dot)
			break;
		isCore = false;
		data = dot + 1;
	}
	return *error ? TCF_MALFORMED : TCF_VALID;
}

/* True if a list has a vendor. */
bool
TcfHasVendor(const TcfVendors *vendors, uint32_t vendor)
{
	BitReader	reader = vendors->body;

	if (!vendors->present || vendor == 0)
		return false;
	if (!vendors->isRange)
		return vendor <= vendors->max && BitsTest(&reader, reader.at + vendor - 1);
	for (uint32_t i = 0; i < vendors->entries; i++)
	{
		uint32_t	first;
		uint32_t	last;

		ReadEntry(&reader, &first, &last);
		if (first <= vendor && vendor <= last)
			return true;
	}
	return false;
}

/* Set the bits first to last of a set. */
static void
SetBits(uint8_t *set, uint32_t first, uint32_t last)
{
	while (first <= last && first % 8 != 0)
	{
		set[first / 8] |= 1 << first % 8;
		first++;
	}
	while (first + 7 <= last)
	{
		set[first / 8] = 0xff;
		first += 8;
	}
	while (first <= last)
	{
		set[first / 8] |= 1 << first % 8;
		first++;
	}
}

/* The vendors of a list as bits. */
void
TcfVendorSet(const TcfVendors *vendors, uint8_t *set)
{
	BitReader	reader = vendors->body;

	memset(set, 0, TCF_VENDOR_SET_BYTES);
	if (!vendors->present)
		return;
	if (!vendors->isRange)
	{
		for (uint32_t vendor = 1; vendor <= vendors->max; vendor++)
			if (BitsRead(&reader, 1))
				set[vendor / 8] |= 1 << vendor % 8;
		return;
	}
	for (uint32_t i = 0; i < vendors->entries; i++)
	{
		uint32_t	first;
		uint32_t	last;

		ReadEntry(&reader, &first, &last);
		SetBits(set, first, last);
	}
}

/* The next restriction. */
void
TcfNextRestriction(BitReader *reader, TcfRestriction *restriction)
{
	memset(&restriction->vendors, 0, sizeof(TcfVendors));
	restriction->purpose = (int) BitsRead(reader, 6);
	restriction->type = (int) BitsRead(reader, 2);
	(void) ReadRange(reader, &restriction->vendors, TCF_MAX_VENDOR);
}

/* Purposes that a vendor may not pursue on the ground of consent. */
static uint32_t
RestrictedPurposes(const TcfString *tcf, uint32_t vendor)
{
	BitReader	reader = tcf->restrictions;
	uint32_t	restricted = 0;

	for (int i = 0; i < tcf->restrictionCount; i++)
	{
		TcfRestriction restriction;

		TcfNextRestriction(&reader, &restriction);
		if (restriction.type != TCF_REQUIRE_CONSENT && restriction.purpose <= TCF_PURPOSES &&
			TcfHasVendor(&restriction.vendors, vendor))
			restricted |= UINT32_C(1) << (restriction.purpose - 1);
	}
	return restricted;
}

/*
 * Purposes for which legitimate interest is stated.  Since policy 4 it is no
 * ground for purposes 1 and 3 to 6, whatever the string says.
 */
static uint32_t
EffectiveInterest(const TcfString *tcf, uint32_t purposes)
{
	const uint32_t never = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5;

	return tcf->policyVersion >= TCF_POLICY_2_2 ? purposes & ~never : purposes;
}

/* What a string says about each purpose to a vendor, or to the publisher. */
void
TcfAnswers(const TcfString *tcf, uint32_t vendor, TcfAnswer *answers)
{
	bool		toVendor = vendor != 0;
	uint32_t	consent = toVendor ? tcf->purposesConsent : tcf->publisherConsent;
	uint32_t	interest = EffectiveInterest(tcf, toVendor ? tcf->purposesInterest : tcf->publisherInterest);
	uint32_t	restricted = toVendor ? RestrictedPurposes(tcf, vendor) : 0;
	bool		vendorConsent = !toVendor || TcfHasVendor(&tcf->vendorConsent, vendor);
	bool		vendorInterest = !toVendor || TcfHasVendor(&tcf->vendorInterest, vendor);

	for (int i = 0; i < TCF_PURPOSES; i++)
	{
		uint32_t	bit = UINT32_C(1) << i;

		if (restricted & bit)
			answers[i] = TCF_RESTRICTED;
		else if ((consent & bit) && vendorConsent)
			answers[i] = TCF_CONSENTED;
		else if (i == 0 && tcf->purposeOneTreatment)
			answers[i] = TCF_NOT_DISCLOSED;
		else if ((interest & bit) && vendorInterest)
			answers[i] = TCF_LEGITIMATE_INTEREST;
		else
			answers[i] = (consent & bit) ? TCF_VENDOR_DENIED : TCF_DENIED;
	}
}
