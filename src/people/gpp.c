/*
 * gpp.c
 *		Decodes strings of the IAB Global Privacy Platform.
 *
 * After the IAB Tech Lab's "Global Privacy Platform String" and "MSPA US
 * National Section", versions 1 and 2.  A string is a header that lists numbers
 * of sections, and the sections, with "~" between.  As in tcf.c, any text may
 * come: every length is checked before use and nothing is allocated.
 *
 * The specification's table of data types has booleans upside down; here 1 is
 * true, as in the IAB's own library and in every string seen.
 *
 * Uses nothing of the server; see bits.h.
 */
#include "people/gpp.h"

#include <string.h>

/* First field of the header. */
#define HEADER_TYPE 3

/* Section numbers and Fibonacci-coded lengths above are refused. */
#define MAX_SECTION_ID 4095

/* The one sub-section of section 7. */
#define SUBSECTION_GPC 1

/*
 * The next Fibonacci-coded number: a bit for each of 1, 2, 3, 5, 8 ... until two
 * set ones follow each other.  0 if there is none, or it is too big.
 */
static uint32_t
ReadFibonacci(BitReader *reader)
{
	uint32_t	value = 0;
	uint32_t	number = 1;
	uint32_t	next = 2;
	bool		last = false;

	while (number <= MAX_SECTION_ID && !reader->overrun)
	{
		bool		bit = BitsRead(reader, 1);
		uint32_t	sum = number + next;

		if (bit && last)
			return value;
		if (bit)
			value += number;
		last = bit;
		number = next;
		next = sum;
	}
	return 0;
}

/* Read the numbers of the sections. */
static const char *
ReadSectionIds(BitReader *reader, GppString *gpp)
{
	uint32_t	items = (uint32_t) BitsRead(reader, 12);
	uint32_t	id = 0;

	for (uint32_t i = 0; i < items; i++)
	{
		bool		isGroup = BitsRead(reader, 1);
		uint32_t	first = ReadFibonacci(reader);
		uint32_t	more = isGroup ? ReadFibonacci(reader) : 0;

		if (reader->overrun)
			return "the list of sections is longer than the header";
		if (first == 0 || (isGroup && more == 0))
			return "a section number is too big";
		id += first;
		for (uint32_t last = id + more; id <= last; id++)
		{
			if (id > MAX_SECTION_ID || gpp->sectionCount == GPP_MAX_SECTIONS)
				return "the header lists too many sections";
			gpp->sections[gpp->sectionCount++].id = (int) id;
		}
		id--;
	}
	return NULL;
}

/* Read the header. */
static const char *
ReadHeader(const char *data, size_t length, GppString *gpp)
{
	BitReader	reader;
	const char *error;

	if (!BitsBegin(&reader, data, length))
		return "the header has characters other than base64url's";
	if (BitsRead(&reader, 6) != HEADER_TYPE)
		return "it does not begin with a header";
	gpp->version = (int) BitsRead(&reader, 6);
	if (reader.overrun)
		return "the header is too short";
	if (gpp->version != 1)
		return NULL;
	error = ReadSectionIds(&reader, gpp);
	if (!error && reader.overrun)
		error = "the header is too short";
	if (!error && !BitsRestIsZero(&reader))
		error = "something follows the last field of the header";
	return error;
}

/* Find the texts of the sections. */
static const char *
SplitSections(const char *data, const char *end, GppString *gpp)
{
	int			found = 0;

	while (data)
	{
		const char *tilde = memchr(data, '~', end - data);

		if (found == gpp->sectionCount)
			return "there are more sections than the header lists";
		gpp->sections[found].data = data;
		gpp->sections[found].length = (tilde ? tilde : end) - data;
		found++;
		data = tilde ? tilde + 1 : NULL;
	}
	return found < gpp->sectionCount ? "there are fewer sections than the header lists" : NULL;
}

/* Take a string apart. */
GppStatus
GppDecode(const char *data, size_t length, GppString *gpp, const char **error)
{
	const char *end = data + length;
	const char *tilde;

	memset(gpp, 0, sizeof(GppString));
	*error = length == 0 ? "it is empty" : length > GPP_MAX_LENGTH ? "it is too long" : NULL;
	if (*error)
		return GPP_MALFORMED;
	tilde = memchr(data, '~', length);
	*error = ReadHeader(data, (tilde ? tilde : end) - data, gpp);
	if (!*error && gpp->version != 1)
	{
		*error = "its version is not 1";
		return GPP_UNSUPPORTED;
	}
	if (!*error)
		*error = SplitSections(tilde ? tilde + 1 : NULL, end, gpp);
	return *error ? GPP_MALFORMED : GPP_VALID;
}

/* Values of two bits each, of which none may be 3. */
static bool
ReadValues(BitReader *reader, int *values, int count)
{
	bool		valid = true;

	for (int i = 0; i < count; i++)
	{
		values[i] = (int) BitsRead(reader, 2);
		valid = valid && values[i] != 3;
	}
	return valid;
}

/* The first sub-section of section 7, after its version. */
static const char *
ReadUsNational(BitReader *reader, GppUsNational *section)
{
	bool		valid = true;

	section->sensitiveCount = section->version == 1 ? 12 : 16;
	section->childCount = section->version == 1 ? 2 : 3;
	valid &= ReadValues(reader, &section->sharingNotice, 1);
	valid &= ReadValues(reader, section->optOutNotice, GPP_USES);
	valid &= ReadValues(reader, &section->sensitiveOptOutNotice, 1);
	valid &= ReadValues(reader, &section->sensitiveLimitNotice, 1);
	valid &= ReadValues(reader, section->optOut, GPP_USES);
	valid &= ReadValues(reader, section->sensitive, section->sensitiveCount);
	valid &= ReadValues(reader, section->child, section->childCount);
	valid &= ReadValues(reader, &section->personalDataConsent, 1);
	valid &= ReadValues(reader, &section->mspaCovered, 1);
	valid &= ReadValues(reader, &section->mspaOptOutOption, 1);
	valid &= ReadValues(reader, &section->mspaServiceProvider, 1);
	if (reader->overrun)
		return "the section is too short";
	if (!valid)
		return "a field has the value 3, which means nothing";
	return BitsRestIsZero(reader) ? NULL : "something follows the last field";
}

/* A further sub-section of section 7. */
static const char *
ReadSubsection(BitReader *reader, GppUsNational *section)
{
	uint64_t	type = BitsRead(reader, 2);

	if (section->hasGpc || type != SUBSECTION_GPC)
		return "a sub-section is unknown or comes twice";
	section->hasGpc = true;
	section->gpc = BitsRead(reader, 1);
	if (reader->overrun)
		return "a sub-section is too short";
	return BitsRestIsZero(reader) ? NULL : "something follows the last field";
}

/* Decode the text of section 7. */
GppStatus
GppDecodeUsNational(const char *data, size_t length, GppUsNational *section, const char **error)
{
	const char *end = data + length;
	bool		isFirst = true;

	memset(section, 0, sizeof(GppUsNational));
	*error = length == 0 ? "the section is empty" : NULL;
	while (!*error)
	{
		const char *dot = memchr(data, '.', end - data);
		BitReader	reader;

		if (!BitsBegin(&reader, data, (dot ? dot : end) - data))
		{
			*error = "it has characters other than base64url's";
			break;
		}
		if (isFirst)
		{
			section->version = (int) BitsRead(&reader, 6);
			if (section->version < 1 || section->version > 2)
			{
				*error = "its version is neither 1 nor 2";
				return GPP_UNSUPPORTED;
			}
		}
		*error = isFirst ? ReadUsNational(&reader, section) : ReadSubsection(&reader, section);
		if (!dot)
			break;
		isFirst = false;
		data = dot + 1;
	}
	return *error ? GPP_MALFORMED : GPP_VALID;
}
