/*
 * fuzz_consent.c
 *		Feeds arbitrary bytes to the decoders of consent strings.
 *
 * An entry point for libFuzzer, and for standalone.c, which needs no fuzzer.  Beyond what sanitizers see, it checks what must hold of every string
 * that is taken for valid.  See Makefile.
 */
#include "people/gpp.h"
#include "people/tcf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop with a message unless a condition holds. */
#define CHECK(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* Both ways of reading a list of vendors agree. */
static void
CheckVendors(const TcfVendors *vendors)
{
	uint8_t		set[TCF_VENDOR_SET_BYTES];
	uint32_t	asked[] = {0, 1, 2, 7, 8, 9, 702, vendors->max, vendors->max + 1, TCF_MAX_VENDOR};

	TcfVendorSet(vendors, set);
	CHECK((set[0] & 1) == 0);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		if (asked[i] <= TCF_MAX_VENDOR)
			CHECK(TcfHasVendor(vendors, asked[i]) == (set[asked[i] / 8] >> asked[i] % 8 & 1));
	CHECK(vendors->max == 0 || vendors->max == TCF_MAX_VENDOR || !TcfHasVendor(vendors, vendors->max + 1));
}

/* What holds of a valid TC string. */
static void
CheckTcf(const TcfString *tcf)
{
	static const uint32_t vendors[] = {0, 1, 32, TCF_MAX_VENDOR};
	BitReader	reader = tcf->restrictions;

	CHECK(tcf->version == 2);
	CHECK(tcf->created != 0 && tcf->created <= tcf->lastUpdated);
	CHECK(strlen(tcf->language) == 2 && strlen(tcf->publisherCountry) == 2);
	CHECK(tcf->customCount <= 63);
	CheckVendors(&tcf->vendorConsent);
	CheckVendors(&tcf->vendorInterest);
	CheckVendors(&tcf->disclosed);
	CheckVendors(&tcf->allowed);
	for (int i = 0; i < tcf->restrictionCount; i++)
	{
		TcfRestriction restriction;

		TcfNextRestriction(&reader, &restriction);
		CHECK(!reader.overrun && restriction.purpose > 0);
		CheckVendors(&restriction.vendors);
	}
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
	{
		TcfAnswer	answers[TCF_PURPOSES];
		uint32_t	purposes = vendors[i] ? tcf->purposesConsent : tcf->publisherConsent;

		TcfAnswers(tcf, vendors[i], answers);
		for (int purpose = 0; purpose < TCF_PURPOSES; purpose++)
		{
			CHECK(answers[purpose] != TCF_CONSENTED || (purposes >> purpose & 1));
			CHECK(answers[purpose] != TCF_CONSENTED || vendors[i] == 0 ||
				  TcfHasVendor(&tcf->vendorConsent, vendors[i]));
		}
	}
}

/* Decode as a TC string. */
static void
FuzzTcf(const char *data, size_t size)
{
	TcfString	tcf;
	const char *error;

	if (TcfDecode(data, size, &tcf, &error) == TCF_VALID)
	{
		CHECK(error == NULL);
		CheckTcf(&tcf);
	}
	else
		CHECK(error != NULL);
}

/* Decode as the US national section. */
static void
FuzzUsNational(const char *data, size_t size)
{
	GppUsNational section;
	const char *error;

	if (GppDecodeUsNational(data, size, &section, &error) != GPP_VALID)
	{
		CHECK(error != NULL);
		return;
	}
	CHECK(error == NULL && section.version >= 1 && section.version <= 2);
	for (int use = 0; use < GPP_USES; use++)
		CHECK(section.optOut[use] <= GPP_NOT_OPTED_OUT);
}

/* Decode as a GPP string. */
static void
FuzzGpp(const char *data, size_t size)
{
	GppString	gpp;
	const char *error;
	GppStatus	status = GppDecode(data, size, &gpp, &error);

	CHECK(gpp.sectionCount <= GPP_MAX_SECTIONS);
	CHECK((status == GPP_VALID) == (error == NULL));
	for (int i = 0; i < gpp.sectionCount; i++)
	{
		CHECK(gpp.sections[i].id > (i > 0 ? gpp.sections[i - 1].id : 0));
		if (status != GPP_VALID)
			continue;
		CHECK(gpp.sections[i].data >= data && gpp.sections[i].data + gpp.sections[i].length <= data + size);
		FuzzTcf(gpp.sections[i].data, gpp.sections[i].length);
		FuzzUsNational(gpp.sections[i].data, gpp.sections[i].length);
	}
}

/* Try one input. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* an allocation of its very size, so that a sanitizer sees one byte too far */
	char	   *copy = malloc(size > 0 ? size : 1);

	CHECK(copy != NULL);
	memcpy(copy, data, size);
	FuzzTcf(copy, size);
	FuzzUsNational(copy, size);
	FuzzGpp(copy, size);
	free(copy);
	return 0;
}
