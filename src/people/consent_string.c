/*
 * consent_string.c
 *		decode_tcf and decode_gpp: every field of a consent string, as JSON.
 *
 * For people who want to know what is in a string.  Whether it is consent is
 * the matter of consent_from.
 */
#include "postgres.h"

#include "base/json_build.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "people/consent_decode.h"
#include "people/gpp.h"
#include "people/tcf.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(personalize_decode_tcf);
PG_FUNCTION_INFO_V1(personalize_decode_gpp);

/* Append an array of whole numbers. */
static void
PushNumbers(JsonbParseState **state, const char *key, const int *numbers, int count)
{
	JsonbValue	value = {.type = jbvNumeric};

	JsonPushKey(state, key);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		value.val.numeric = int64_to_numeric(numbers[i]);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* Append the numbers in a mask, bit 0 being number 1. */
static void
PushMask(JsonbParseState **state, const char *key, uint64 mask)
{
	int			numbers[64];
	int			count = 0;

	for (int i = 0; i < 64; i++)
		if (mask >> i & 1)
			numbers[count++] = i + 1;
	PushNumbers(state, key, numbers, count);
}

/* Append a point in time, in UTC. */
static void
PushTime(JsonbParseState **state, const char *key, uint64 deciseconds)
{
	TimestampTz time = ConsentTcfTime(deciseconds);
	int			zone = 0;
	char	   *string = palloc(MAXDATELEN + 1);

	JsonEncodeDateTime(string, TimestampTzGetDatum(time), TIMESTAMPTZOID, &zone);
	JsonPushString(state, key, string);
}

/* The vendors of a list as "1-4,7"; as short as the list, unlike an array of them. */
static char *
FormatVendors(const TcfVendors *vendors)
{
	uint8	   *set = palloc(TCF_VENDOR_SET_BYTES);
	StringInfoData string;

	CHECK_FOR_INTERRUPTS();
	TcfVendorSet(vendors, set);
	initStringInfo(&string);
	for (int first = 1; first <= TCF_MAX_VENDOR; first++)
	{
		int			last = first;

		if (first % 8 == 0 && set[first / 8] == 0)
			first += 7;
		if (!(set[first / 8] >> first % 8 & 1))
			continue;
		while (last < TCF_MAX_VENDOR && (set[(last + 1) / 8] >> (last + 1) % 8 & 1))
			last++;
		appendStringInfo(&string, last > first ? "%s%d-%d" : "%s%d", string.len > 0 ? "," : "", first, last);
		first = last;
	}
	pfree(set);
	return string.data;
}

/* Append a list of vendors, if there is one. */
static void
PushVendors(JsonbParseState **state, const char *key, const TcfVendors *vendors)
{
	if (!vendors->present)
		return;
	JsonPushKey(state, key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	JsonPushNumber(state, "max", vendors->max);
	JsonPushBool(state, "range_encoded", vendors->isRange);
	JsonPushString(state, "ids", FormatVendors(vendors));
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Append the publisher's restrictions. */
static void
PushRestrictions(JsonbParseState **state, const TcfString *tcf)
{
	BitReader	reader = tcf->restrictions;

	JsonPushKey(state, "pub_restrictions");
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < tcf->restrictionCount; i++)
	{
		TcfRestriction restriction;

		TcfNextRestriction(&reader, &restriction);
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		JsonPushNumber(state, "purpose", restriction.purpose);
		JsonPushNumber(state, "type", restriction.type);
		JsonPushString(state, "ids", FormatVendors(&restriction.vendors));
		pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* Append the publisher segment, if there is one. */
static void
PushPublisher(JsonbParseState **state, const TcfString *tcf)
{
	if (!tcf->hasPublisher)
		return;
	JsonPushKey(state, "publisher_tc");
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	PushMask(state, "purposes_consent", tcf->publisherConsent);
	PushMask(state, "purposes_li", tcf->publisherInterest);
	JsonPushNumber(state, "custom_purposes", tcf->customCount);
	PushMask(state, "custom_consent", tcf->customConsent);
	PushMask(state, "custom_li", tcf->customInterest);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Append a TC string as an object; returns it if that is all there is. */
static JsonbValue *
PushTcf(JsonbParseState **state, const char *data, size_t length)
{
	TcfString	tcf;
	const char *error;
	TcfStatus	status = TcfDecode(data, length, &tcf, &error);

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (status != TCF_VALID)
		JsonPushString(state, "error", error);
	if (status == TCF_UNSUPPORTED)
		JsonPushNumber(state, "version", tcf.version);
	if (status == TCF_VALID)
	{
		JsonPushNumber(state, "version", tcf.version);
		PushTime(state, "created", tcf.created);
		PushTime(state, "last_updated", tcf.lastUpdated);
		JsonPushNumber(state, "cmp_id", tcf.cmpId);
		JsonPushNumber(state, "cmp_version", tcf.cmpVersion);
		JsonPushNumber(state, "consent_screen", tcf.consentScreen);
		JsonPushString(state, "lang", pstrdup(tcf.language));
		JsonPushNumber(state, "vendor_list_version", tcf.vendorListVersion);
		JsonPushNumber(state, "policy_version", tcf.policyVersion);
		JsonPushBool(state, "is_service_specific", tcf.serviceSpecific);
		JsonPushBool(state, "use_non_standard_texts", tcf.nonStandardTexts);
		PushMask(state, "special_features", tcf.specialFeatures);
		PushMask(state, "purposes_consent", tcf.purposesConsent);
		PushMask(state, "purposes_li", tcf.purposesInterest);
		JsonPushBool(state, "purpose_one_treatment", tcf.purposeOneTreatment);
		JsonPushString(state, "publisher_cc", pstrdup(tcf.publisherCountry));
		PushVendors(state, "vendor_consent", &tcf.vendorConsent);
		PushVendors(state, "vendor_li", &tcf.vendorInterest);
		PushRestrictions(state, &tcf);
		PushVendors(state, "disclosed", &tcf.disclosed);
		PushVendors(state, "allowed", &tcf.allowed);
		PushPublisher(state, &tcf);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Append the US national section as an object, by the names of its specification. */
static void
PushUsNational(JsonbParseState **state, const char *data, size_t length)
{
	GppUsNational section;
	const char *error;
	GppStatus	status = GppDecodeUsNational(data, length, &section, &error);

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (status != GPP_VALID)
		JsonPushString(state, "error", error);
	else
	{
		JsonPushNumber(state, "Version", section.version);
		JsonPushNumber(state, "SharingNotice", section.sharingNotice);
		JsonPushNumber(state, "SaleOptOutNotice", section.optOutNotice[GPP_SALE]);
		JsonPushNumber(state, "SharingOptOutNotice", section.optOutNotice[GPP_SHARING]);
		JsonPushNumber(state, "TargetedAdvertisingOptOutNotice", section.optOutNotice[GPP_TARGETED_ADVERTISING]);
		JsonPushNumber(state, "SensitiveDataProcessingOptOutNotice", section.sensitiveOptOutNotice);
		JsonPushNumber(state, "SensitiveDataLimitUseNotice", section.sensitiveLimitNotice);
		JsonPushNumber(state, "SaleOptOut", section.optOut[GPP_SALE]);
		JsonPushNumber(state, "SharingOptOut", section.optOut[GPP_SHARING]);
		JsonPushNumber(state, "TargetedAdvertisingOptOut", section.optOut[GPP_TARGETED_ADVERTISING]);
		PushNumbers(state, "SensitiveDataProcessing", section.sensitive, section.sensitiveCount);
		PushNumbers(state, "KnownChildSensitiveDataConsents", section.child, section.childCount);
		JsonPushNumber(state, "PersonalDataConsents", section.personalDataConsent);
		JsonPushNumber(state, "MspaCoveredTransaction", section.mspaCovered);
		JsonPushNumber(state, "MspaOptOutOptionMode", section.mspaOptOutOption);
		JsonPushNumber(state, "MspaServiceProviderMode", section.mspaServiceProvider);
		if (section.hasGpc)
			JsonPushBool(state, "Gpc", section.gpc);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Append the sections of a GPP string as an object, those not understood as text. */
static void
PushSections(JsonbParseState **state, const GppString *gpp)
{
	JsonPushKey(state, "sections");
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < gpp->sectionCount; i++)
	{
		const GppSection *section = &gpp->sections[i];
		char	   *key = psprintf("%d", section->id);

		if (section->id == GPP_TCF_EU || section->id == GPP_US_NATIONAL)
			JsonPushKey(state, key);
		if (section->id == GPP_TCF_EU)
			(void) PushTcf(state, section->data, section->length);
		else if (section->id == GPP_US_NATIONAL)
			PushUsNational(state, section->data, section->length);
		else
			JsonPushString(state, key, pnstrdup(section->data, section->length));
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* decode_tcf(tc_string). */
Datum
personalize_decode_tcf(PG_FUNCTION_ARGS)
{
	text	   *string = PG_GETARG_TEXT_PP(0);
	JsonbParseState *state = NULL;

	PG_RETURN_JSONB_P(JsonbValueToJsonb(PushTcf(&state, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string))));
}

/* decode_gpp(gpp_string). */
Datum
personalize_decode_gpp(PG_FUNCTION_ARGS)
{
	text	   *string = PG_GETARG_TEXT_PP(0);
	JsonbParseState *state = NULL;
	GppString	gpp;
	const char *error;
	GppStatus	status = GppDecode(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string), &gpp, &error);
	int			ids[GPP_MAX_SECTIONS];

	for (int i = 0; i < gpp.sectionCount; i++)
		ids[i] = gpp.sections[i].id;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (status != GPP_VALID)
		JsonPushString(&state, "error", error);
	JsonPushNumber(&state, "version", gpp.version);
	PushNumbers(&state, "section_ids", ids, gpp.sectionCount);
	if (status == GPP_VALID)
		PushSections(&state, &gpp);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
