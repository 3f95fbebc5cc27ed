/*
 * consent_source.c
 *		Takes payloads of consent platforms apart into documents of plain words.
 *
 * What a document says, by its keys, is in the comment of consent_from and in
 * docs/consent.md; src/people/consent_decode.sql maps it to purposes.  Payloads come from
 * browsers, so nothing here raises for what is in them: what is not understood
 * becomes a source that says no.
 */
#include "postgres.h"

#include "people/consent_decode.h"

#include "base/event_time.h"
#include "base/json_build.h"
#include "base/json_member.h"
#include "people/gpp.h"
#include "people/tcf.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* The longest that the policies of the IAB let a TC string live: 13 months. */
#define TCF_MAX_AGE_MINUTES (395 * 24 * 60)

/* 1 March 2026, since when TCF 2.3 is demanded of every string; days since 2000. */
#define TCF_2_3_DEMANDED (INT64CONST(9556) * USECS_PER_DAY)

/* Clocks of browsers may be ahead by this. */
#define CLOCK_TOLERANCE (5 * USECS_PER_MINUTE)

/* What a document is built from. */
typedef struct Decoding
{
	List	   *sources;
	TimestampTz asOf;
} Decoding;

static int	personalize_tcf_max_age = TCF_MAX_AGE_MINUTES;
static int	personalize_tcf_min_policy_version = TCF_POLICY_2_2;
static int	personalize_tcf_vendor_id = 0;

/* Names of the sources. */
static const char *const tcfSource = "tcf";
static const char *const gppSource = "gpp";
static const char *const usNationalSource = "usnat";
static const char *const consentModeSource = "consent_mode";
static const char *const gpcSource = "gpc";

/* Define the settings. */
void
ConsentSourceInit(void)
{
	DefineCustomIntVariable("personalize.tcf_max_age",
							"How long after its last update a TC string is consent.",
							"The policies of the IAB allow 13 months at most.",
							&personalize_tcf_max_age,
							TCF_MAX_AGE_MINUTES, 1, TCF_MAX_AGE_MINUTES,
							PGC_SUSET, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.tcf_min_policy_version",
							"The oldest TCF policy version of which a TC string is consent.",
							"4 is the policy of TCF 2.2, 5 that of TCF 2.3.",
							&personalize_tcf_min_policy_version,
							TCF_POLICY_2_2, TCF_POLICY_2_2, TCF_POLICY_2_3,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.tcf_vendor_id",
							"Your number in the IAB's global vendor list.",
							"0: you are no vendor; the publisher's own purposes in a TC string count.",
							&personalize_tcf_vendor_id,
							0, 0, TCF_MAX_VENDOR,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Point in time of the tenths of seconds in TC strings. */
TimestampTz
ConsentTcfTime(uint64 deciseconds)
{
	return (TimestampTz) deciseconds * (USECS_PER_SEC / 10) -
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* Add a source. */
static ConsentSource *
AddSource(Decoding *decoding, const char *name)
{
	ConsentSource *source = palloc0(sizeof(ConsentSource));

	source->name = name;
	decoding->sources = lappend(decoding->sources, source);
	return source;
}

/* Add a source that says no. */
static ConsentSource *
AddRefusal(Decoding *decoding, const char *name, const char *reason, const char *detail)
{
	ConsentSource *source = AddSource(decoding, name);

	source->reason = reason;
	source->detail = detail;
	return source;
}

/* True if a value is an object. */
static bool
IsObject(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/* True if a value is a string that reads so. */
static bool
IsString(const JsonbValue *value, const char *string)
{
	return value->type == jbvString && value->val.string.len == (int) strlen(string) &&
		memcmp(value->val.string.val, string, value->val.string.len) == 0;
}

/* True if a member is there and is not this string. */
static bool
MemberDiffers(JsonbContainer *object, const char *name, const char *string)
{
	JsonbValue	value;

	return JsonMemberGiven(object, name, &value) && !IsString(&value, string);
}

/* True if a number is this one. */
static bool
EqualsInteger(Numeric number, int64 integer)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number),
											NumericGetDatum(int64_to_numeric(integer))));
}

/* The word for an answer. */
static const char *
AnswerWord(TcfAnswer answer)
{
	switch (answer)
	{
		case TCF_CONSENTED:
			return "consented";
		case TCF_LEGITIMATE_INTEREST:
			return "legitimate_interest";
		case TCF_RESTRICTED:
			return "restricted";
		case TCF_VENDOR_DENIED:
			return "vendor_denied";
		case TCF_NOT_DISCLOSED:
			return "not_disclosed";
		case TCF_DENIED:
			break;
	}
	return "denied";
}

/* Why a valid TC string is no consent at all; NULL if it can be. */
static const char *
FindTcfProblem(const TcfString *tcf, TimestampTz asOf, const char **detail)
{
	TimestampTz created = ConsentTcfTime(tcf->created);
	TimestampTz updated = ConsentTcfTime(tcf->lastUpdated);

	*detail = NULL;
	if (!tcf->serviceSpecific)
		return "not_service_specific";
	if (tcf->policyVersion < personalize_tcf_min_policy_version)
	{
		*detail = psprintf("policy version %d is below %d", tcf->policyVersion,
						   personalize_tcf_min_policy_version);
		return "policy_too_old";
	}
	if (tcf->policyVersion > TCF_POLICY_2_3)
	{
		*detail = psprintf("policy version %d is above %d", tcf->policyVersion, TCF_POLICY_2_3);
		return "policy_unknown";
	}
	if (created > asOf + CLOCK_TOLERANCE || updated > asOf + CLOCK_TOLERANCE)
	{
		*detail = psprintf("last updated %s", EventTimeFormat(updated));
		return "in_the_future";
	}
	if (updated < asOf - personalize_tcf_max_age * USECS_PER_MINUTE)
	{
		*detail = psprintf("last updated %s", EventTimeFormat(updated));
		return "expired";
	}
	if (!tcf->disclosed.present && (tcf->policyVersion >= TCF_POLICY_2_3 || updated >= TCF_2_3_DEMANDED))
	{
		*detail = "TCF 2.3 demands the segment of disclosed vendors";
		return "no_disclosed_vendors";
	}
	if (personalize_tcf_vendor_id == 0 && !tcf->hasPublisher)
	{
		*detail = "no publisher segment, and personalize.tcf_vendor_id is 0";
		return "no_publisher_purposes";
	}
	if (personalize_tcf_vendor_id != 0 && tcf->disclosed.present &&
		!TcfHasVendor(&tcf->disclosed, personalize_tcf_vendor_id))
	{
		*detail = psprintf("vendor %d", personalize_tcf_vendor_id);
		return "vendor_not_disclosed";
	}
	return NULL;
}

/* What a TC string says, as words: by number of purpose, custom ones by custom_number. */
static Jsonb *
BuildTcfDocument(const TcfString *tcf)
{
	JsonbParseState *state = NULL;
	TcfAnswer	answers[TCF_PURPOSES];
	char		key[16];

	TcfAnswers(tcf, personalize_tcf_vendor_id, answers);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < TCF_PURPOSES; i++)
	{
		snprintf(key, sizeof(key), "%d", i + 1);
		JsonPushString(&state, pstrdup(key), AnswerWord(answers[i]));
	}
	for (int i = 0; i < tcf->customCount; i++)
	{
		uint64		bit = UINT64CONST(1) << i;

		snprintf(key, sizeof(key), "custom_%d", i + 1);
		JsonPushString(&state, pstrdup(key),
						  AnswerWord((tcf->customConsent & bit) ? TCF_CONSENTED :
									 (tcf->customInterest & bit) ? TCF_LEGITIMATE_INTEREST : TCF_DENIED));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A TC string. */
static void
AddTcfString(Decoding *decoding, const char *data, size_t length)
{
	TcfString	tcf;
	const char *detail;
	TcfStatus	status = TcfDecode(data, length, &tcf, &detail);
	const char *problem = status == TCF_VALID ? FindTcfProblem(&tcf, decoding->asOf, &detail) :
		status == TCF_UNSUPPORTED ? "unsupported_version" : "malformed";

	if (problem)
		AddRefusal(decoding, tcfSource, problem, detail);
	else
		AddSource(decoding, tcfSource)->document = BuildTcfDocument(&tcf);
}

/* A TC string, or TCData as __tcfapi() hands it out. */
static void
AddTcf(Decoding *decoding, const JsonbValue *value)
{
	JsonbContainer *data;
	JsonbValue	member;

	if (value->type == jbvString)
	{
		AddTcfString(decoding, value->val.string.val, value->val.string.len);
		return;
	}
	if (!IsObject(value))
	{
		AddRefusal(decoding, tcfSource, "malformed", "neither a TC string nor TCData");
		return;
	}
	data = value->val.binary.data;
	if (MemberDiffers(data, "cmpStatus", "loaded") ||
		(MemberDiffers(data, "eventStatus", "tcloaded") &&
		 MemberDiffers(data, "eventStatus", "useractioncomplete")))
		AddRefusal(decoding, tcfSource, "pending", NULL);
	else if (!JsonMemberGiven(data, "tcString", &member) || IsString(&member, ""))
	{
		/* where the GDPR does not apply, the platform has nothing to say */
		if (!JsonMemberGiven(data, "gdprApplies", &member) || member.type != jbvBool || member.val.boolean)
			AddRefusal(decoding, tcfSource, "malformed", "TCData without tcString");
	}
	else if (member.type != jbvString)
		AddRefusal(decoding, tcfSource, "malformed", "tcString is not a string");
	else
		AddTcfString(decoding, member.val.string.val, member.val.string.len);
}

/* The word for what a person said about a use. */
static const char *
UseWord(const GppUsNational *section, GppUse use)
{
	if (section->optOut[use] == GPP_OPTED_OUT)
		return "opted_out";
	if (section->hasGpc && section->gpc)
		return "gpc";
	for (int i = 0; i < section->childCount; i++)
		if (section->child[i] == GPP_NO_CONSENT)
			return "child";
	if (section->optOut[use] != GPP_NOT_OPTED_OUT)
		return "not_applicable";
	if (section->optOutNotice[use] != GPP_NOTICE_GIVEN)
		return "no_notice";
	return section->hasGpc ? "not_opted_out" : "gpc_unknown";
}

/* The US national section. */
static void
AddUsNational(Decoding *decoding, const GppSection *text)
{
	GppUsNational section;
	const char *detail;
	GppStatus	status = GppDecodeUsNational(text->data, text->length, &section, &detail);
	JsonbParseState *state = NULL;

	if (status != GPP_VALID)
	{
		AddRefusal(decoding, usNationalSource,
				   status == GPP_UNSUPPORTED ? "unsupported_version" : "malformed", detail);
		return;
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	JsonPushString(&state, "sale", UseWord(&section, GPP_SALE));
	JsonPushString(&state, "sharing", UseWord(&section, GPP_SHARING));
	JsonPushString(&state, "targeted_advertising", UseWord(&section, GPP_TARGETED_ADVERTISING));
	AddSource(decoding, usNationalSource)->document =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A section of a GPP string. */
static void
AddSection(Decoding *decoding, const GppSection *section)
{
	if (section->id == GPP_TCF_EU)
		AddTcfString(decoding, section->data, section->length);
	else if (section->id == GPP_US_NATIONAL)
		AddUsNational(decoding, section);
	else
		AddRefusal(decoding, gppSource, "not_supported",
				   psprintf("section %d", section->id))->everything = true;
}

/* In place of ids of sections: those that apply are not known yet; none applies. */
#define GPP_SECTION_UNKNOWN 0
#define GPP_SECTION_NONE (-1)

/* A section that applies, as the platform says. */
static void
AddApplicable(Decoding *decoding, const GppString *gpp, const JsonbValue *id)
{
	bool		isNumber = id->type == jbvNumeric;

	if (isNumber && EqualsInteger(id->val.numeric, GPP_SECTION_NONE))
		return;
	if (isNumber && EqualsInteger(id->val.numeric, GPP_SECTION_UNKNOWN))
	{
		AddRefusal(decoding, gppSource, "pending",
				   "the platform does not know yet which sections apply")->everything = true;
		return;
	}
	for (int i = 0; isNumber && i < gpp->sectionCount; i++)
	{
		if (EqualsInteger(id->val.numeric, gpp->sections[i].id))
		{
			AddSection(decoding, &gpp->sections[i]);
			return;
		}
	}
	AddRefusal(decoding, gppSource, "malformed",
			   "a section that applies is not in the string")->everything = true;
}

/* The sections of a GPP string that apply, as the platform says; all if it does not. */
static void
AddSections(Decoding *decoding, const GppString *gpp, JsonbContainer *applicable)
{
	JsonbIterator *iterator;
	JsonbValue	element;
	JsonbIteratorToken token;

	for (int i = 0; i < gpp->sectionCount && applicable == NULL; i++)
		AddSection(decoding, &gpp->sections[i]);
	if (applicable == NULL)
		return;
	iterator = JsonbIteratorInit(applicable);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			AddApplicable(decoding, gpp, &element);
}

/* A GPP string. */
static void
AddGppString(Decoding *decoding, const JsonbValue *string, JsonbContainer *applicable)
{
	GppString	gpp;
	const char *detail;
	GppStatus	status;

	if (string->type != jbvString)
	{
		AddRefusal(decoding, gppSource, "malformed", "not a GPP string")->everything = true;
		return;
	}
	status = GppDecode(string->val.string.val, string->val.string.len, &gpp, &detail);
	if (status != GPP_VALID)
		AddRefusal(decoding, gppSource,
				   status == GPP_UNSUPPORTED ? "unsupported_version" : "malformed",
				   detail)->everything = true;
	else
		AddSections(decoding, &gpp, applicable);
}

/* A GPP string, or what __gpp() hands out. */
static void
AddGpp(Decoding *decoding, const JsonbValue *value)
{
	JsonbContainer *data;
	JsonbValue	string = {.type = jbvNull};
	JsonbValue	sections;

	if (!IsObject(value))
	{
		AddGppString(decoding, value, NULL);
		return;
	}
	data = value->val.binary.data;
	if (MemberDiffers(data, "cmpStatus", "loaded") || MemberDiffers(data, "signalStatus", "ready"))
	{
		AddRefusal(decoding, gppSource, "pending", NULL)->everything = true;
		return;
	}
	(void) JsonMemberGiven(data, "gppString", &string);
	if (!JsonMemberGiven(data, "applicableSections", &sections))
		AddGppString(decoding, &string, NULL);
	else if (sections.type == jbvBinary && JsonContainerIsArray(sections.val.binary.data))
		AddGppString(decoding, &string, sections.val.binary.data);
	else
		AddRefusal(decoding, gppSource, "malformed", "applicableSections is not an array")->everything = true;
}

/* The word for a parameter of consent mode. */
static const char *
ParameterWord(const JsonbValue *value, const char *granted)
{
	return IsString(value, "granted") ? granted : IsString(value, "denied") ? "denied" : "unknown";
}

/*
 * Google Consent Mode v2: the parameters, or the objects handed to gtag's
 * default and update commands.  A default that nobody updated was not said by a
 * person.
 */
static void
AddConsentMode(Decoding *decoding, const JsonbValue *value)
{
	static const char *const parameters[] = {
		"ad_personalization", "ad_storage", "ad_user_data", "analytics_storage",
		"functionality_storage", "personalization_storage", "security_storage"
	};
	JsonbContainer *object;
	JsonbContainer *update;
	JsonbContainer *defaults = NULL;
	JsonbValue	member;
	JsonbParseState *state = NULL;
	const char *granted = "granted";

	if (!IsObject(value))
	{
		AddRefusal(decoding, consentModeSource, "malformed", "not an object");
		return;
	}
	object = update = value->val.binary.data;
	if (JsonMemberGiven(object, "default", &member) || JsonMemberGiven(object, "update", &member))
	{
		defaults = JsonMemberGiven(object, "default", &member) && IsObject(&member) ? member.val.binary.data : NULL;
		update = JsonMemberGiven(object, "update", &member) && IsObject(&member) ? member.val.binary.data : NULL;
	}
	else if (JsonMemberGiven(object, "wait_for_update", &member))
		granted = "pending";
	else if (JsonMemberGiven(object, "region", &member))
		granted = "implicit";

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(parameters); i++)
	{
		if (update && JsonMemberGiven(update, parameters[i], &member))
			JsonPushString(&state, parameters[i], ParameterWord(&member, granted));
		else if (defaults && JsonMemberGiven(defaults, parameters[i], &member))
			JsonPushString(&state, parameters[i], ParameterWord(&member, "implicit"));
	}
	AddSource(decoding, consentModeSource)->document =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Global Privacy Control: navigator.globalPrivacyControl, or the header Sec-GPC. */
static void
AddGpc(Decoding *decoding, const JsonbValue *value)
{
	JsonbParseState *state = NULL;
	bool		isNumber = value->type == jbvNumeric;
	bool		on;
	bool		off;
	ConsentSource *source;

	on = (value->type == jbvBool && value->val.boolean) || IsString(value, "1") ||
		IsString(value, "true") || (isNumber && EqualsInteger(value->val.numeric, 1));
	off = (value->type == jbvBool && !value->val.boolean) || IsString(value, "0") ||
		IsString(value, "false") || (isNumber && EqualsInteger(value->val.numeric, 0));
	if (!on && !off)
	{
		AddRefusal(decoding, gpcSource, "malformed", "neither true nor false");
		return;
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	JsonPushString(&state, "gpc", on ? "opted_out" : "not_opted_out");
	source = AddSource(decoding, gpcSource);
	source->document = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	source->onlyRefuses = true;
}

/* The sources in a payload. */
List *
ConsentSourceList(const Jsonb *payload, TimestampTz asOf)
{
	JsonbContainer *root = unconstify(JsonbContainer *, &payload->root);
	Decoding	decoding = {.asOf = asOf};
	JsonbValue	value;

	if (!JsonContainerIsObject(root))
	{
		AddRefusal(&decoding, "payload", "malformed", "not a JSON object")->everything = true;
		return decoding.sources;
	}
	if (JsonMemberGiven(root, "tcf", &value))
		AddTcf(&decoding, &value);
	if (JsonMemberGiven(root, "gpp", &value))
		AddGpp(&decoding, &value);
	if (JsonMemberGiven(root, "consent_mode", &value))
		AddConsentMode(&decoding, &value);
	if (JsonMemberGiven(root, "gpc", &value))
		AddGpc(&decoding, &value);
	return decoding.sources;
}

/* True for names of sources that are understood without a mapping of one's own. */
bool
ConsentSourceIsKnown(const char *name)
{
	const char *const known[] = {
		tcfSource, gppSource, usNationalSource, consentModeSource, gpcSource
	};

	for (int i = 0; i < lengthof(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}
