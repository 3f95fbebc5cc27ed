/*
 * number.c
 *		The one reader of numbers that people and programs write.
 *
 * Prices come as JSON numbers, as strings of JSON numbers, and as people write
 * them in their country.  What can mean one number only is read; what can mean
 * two is refused rather than guessed, for a price that is wrong by a factor of
 * a thousand is worse than an event that is sent again.
 *
 *	- Blanks around it and one sign before it are no matter.
 *	- A single point is the decimal point, as in JSON.
 *	- A single comma is the decimal comma, unless one to three digits stand
 *	  before and exactly three behind it: "1,299" is refused.
 *	- Of a point and a comma the last is the decimal mark and the others divide
 *	  groups.  A mark that comes twice divides groups, as do blanks and
 *	  apostrophes.
 *	- Groups have three digits, the first one to three; between commas they may
 *	  also have two, as in India, but for the last.
 *	- An exponent may follow digits that are not grouped.
 *
 * docs/tracking.md, "Numbers", has the table.
 */
#include "postgres.h"

#include "base/number.h"

#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(personalize_item_number);

/* No number that means anything is longer. */
#define MAX_BYTES 64

/* The longest exponent, in digits. */
#define MAX_EXPONENT_DIGITS 3

#define MAX_GROUPS 24

#define NOT_A_NUMBER "is not a number"
#define TOO_LARGE "is too large"

/* The digits of a number as they are written, in groups. */
typedef struct Digits
{
	const char *start[MAX_GROUPS + 1];
	int			length[MAX_GROUPS + 1];
	char		marks[MAX_GROUPS];	/* behind each group but the last: . , ' or blank */
	int			markCount;
} Digits;

/* Bytes of the character at a place if it is one of a list of UTF-8 strings; else 0. */
static int
MatchUtf8(const char *at, const char *end, const char *const *list, int count)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		return 0;
	for (int i = 0; i < count; i++)
	{
		int			length = strlen(list[i]);

		if (end - at >= length && memcmp(at, list[i], length) == 0)
			return length;
	}
	return 0;
}

/* Bytes of the blank at a place, also the ones that typesetting puts into numbers. */
static int
BlankBytes(const char *at, const char *end)
{
	static const char *const blanks[] = {
		"\xC2\xA0", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
		"\xE2\x80\xAF", "\xE2\x80\x82", "\xE2\x80\x83", "\xE3\x80\x80", "\xEF\xBB\xBF"
	};

	if (at == end)
		return 0;
	if (*at == ' ' || (*at >= '\t' && *at <= '\r'))
		return 1;
	return IS_HIGHBIT_SET(*at) ? MatchUtf8(at, end, blanks, lengthof(blanks)) : 0;
}

/* Leave out the blanks around a string. */
void
NumberTrim(const char **string, int *length)
{
	const char *end = *string + *length;
	const char *stop;
	int			blank;

	while ((blank = BlankBytes(*string, end)) > 0)
		*string += blank;
	stop = *string;
	for (const char *at = stop; at < end;)
	{
		blank = BlankBytes(at, end);
		at += blank > 0 ? blank : 1;
		if (blank == 0)
			stop = at;
	}
	*length = stop - *string;
}

/* Bytes of the mark between digits at a place, and which it is; 0 if there is none. */
static int
GetMark(const char *at, const char *end, char *mark)
{
	static const char *const apostrophes[] = {"\xE2\x80\x99"};
	int			length;

	if (*at == '.' || *at == ',' || *at == '\'')
	{
		*mark = *at;
		return 1;
	}
	*mark = ' ';
	if ((length = BlankBytes(at, end)) > 0)
		return length;
	*mark = '\'';
	return MatchUtf8(at, end, apostrophes, lengthof(apostrophes));
}

/* Read a sign, if there is one; true: a minus. */
static bool
GetSign(const char **at, const char *end)
{
	static const char *const minus[] = {"\xE2\x88\x92"};
	int			length;

	if (*at < end && (**at == '-' || **at == '+'))
		return *(*at)++ == '-';
	length = *at < end ? MatchUtf8(*at, end, minus, lengthof(minus)) : 0;
	*at += length;
	return length > 0;
}

/* Split digits at their marks; false if anything else is among them. */
static bool
SplitDigits(const char **at, const char *end, Digits *digits)
{
	digits->markCount = 0;
	for (;;)
	{
		const char *start = *at;
		int			length;

		while (*at < end && **at >= '0' && **at <= '9')
			(*at)++;
		digits->start[digits->markCount] = start;
		digits->length[digits->markCount] = *at - start;
		if (*at == end || **at == 'e' || **at == 'E')
			return true;
		if (digits->markCount == MAX_GROUPS)
			return false;
		length = GetMark(*at, end, &digits->marks[digits->markCount]);
		if (length == 0)
			return false;
		*at += length;
		digits->markCount++;
	}
}

/* True if the groups before a mark number are groups of thousands. */
static bool
AreGroups(const Digits *digits, int markCount)
{
	bool		threes = digits->length[0] >= 1 && digits->length[0] <= 3;
	bool		twos = digits->length[0] >= 1 && digits->length[0] <= 2 && digits->marks[0] == ',';

	if (digits->length[0] > 0 && *digits->start[0] == '0')
		return false;
	for (int i = 1; i <= markCount; i++)
	{
		if (digits->marks[i - 1] != digits->marks[0])
			return false;
		threes &= digits->length[i] == 3;
		twos &= digits->length[i] == (i == markCount ? 3 : 2);
	}
	return threes || twos;
}

/*
 * Find the decimal mark: its place among the marks, or markCount if there is
 * none.  False if the digits are not a number, or may be two.
 */
static bool
FindDecimalMark(const Digits *digits, int *place, const char **problem)
{
	int			count = digits->markCount;
	char		last;
	bool		decimal;

	*problem = NOT_A_NUMBER;
	*place = 0;
	if (count == 0)
		return digits->length[0] > 0;
	last = digits->marks[count - 1];
	decimal = (last == '.' || last == ',') && (count == 1 || digits->marks[count - 2] != last);
	*place = decimal ? count - 1 : count;
	if (*place > 0)
		/* "1 299," and "1,299." end in nothing */
		return AreGroups(digits, *place) && (!decimal || digits->length[count] > 0);
	if (last == ',' && AreGroups(digits, 1))
	{
		*problem = psprintf("may be %.*s%.*s or %.*s.%.*s",
							digits->length[0], digits->start[0], digits->length[1], digits->start[1],
							digits->length[0], digits->start[0], digits->length[1], digits->start[1]);
		return false;
	}
	return digits->length[1] > 0 || (last == '.' && digits->length[0] > 0);
}

/* Append the exponent; false if it is malformed. */
static bool
CopyExponent(const char *at, const char *end, char **to)
{
	int			digits = 0;

	*(*to)++ = *at++;
	if (at < end && (*at == '-' || *at == '+'))
		*(*to)++ = *at++;
	for (; at < end && *at >= '0' && *at <= '9'; digits++)
	{
		if (digits == MAX_EXPONENT_DIGITS)
			return false;
		*(*to)++ = *at++;
	}
	return at == end && digits > 0;
}

/* Check that reckoning with a number cannot fail. */
static NumberStatus
CheckSize(Numeric number, const char **problem)
{
	if (numeric_is_nan(number))
	{
		*problem = NOT_A_NUMBER;
		return NUMBER_REFUSED;
	}
	if (NumberCompare(number, PG_INT64_MAX) > 0 || NumberCompare(number, -PG_INT64_MAX) < 0)
	{
		*problem = TOO_LARGE;
		return NUMBER_REFUSED;
	}
	return NUMBER_READ;
}

/* Read a number. */
NumberStatus
NumberRead(const char *string, int length, Numeric *number, const char **problem)
{
	const char *at = string;
	const char *end;
	char		buffer[MAX_BYTES + 4];
	char	   *to = buffer;
	Digits		digits;
	int			decimal;

	NumberTrim(&at, &length);
	end = at + length;
	if (length == 0)
		return NUMBER_ABSENT;
	*problem = NOT_A_NUMBER;
	if (length > MAX_BYTES)
		return NUMBER_REFUSED;

	if (GetSign(&at, end))
		*to++ = '-';
	if (!SplitDigits(&at, end, &digits) || !FindDecimalMark(&digits, &decimal, problem))
		return NUMBER_REFUSED;
	for (int i = 0; i <= digits.markCount; i++)
	{
		if (i > 0 && i == decimal + 1)
			*to++ = '.';
		memcpy(to, digits.start[i], digits.length[i]);
		to += digits.length[i];
	}
	if (at < end && ((decimal > 0 && digits.markCount > 0) || !CopyExponent(at, end, &to)))
		return NUMBER_REFUSED;
	*to = '\0';
	*number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(buffer),
												  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return CheckSize(*number, problem);
}

/* The same for a JSON value. */
NumberStatus
NumberFromJson(const JsonbValue *value, Numeric *number, const char **problem)
{
	switch (value->type)
	{
		case jbvNull:
			return NUMBER_ABSENT;
		case jbvNumeric:
			*number = value->val.numeric;
			return CheckSize(*number, problem);
		case jbvString:
			return NumberRead(value->val.string.val, value->val.string.len, number, problem);
		default:
			*problem = NOT_A_NUMBER;
			return NUMBER_REFUSED;
	}
}

/* Millionths as a number, without zeros at its end. */
Datum
NumberOfMillionths(int64 millionths)
{
	int			digits = 6;

	while (digits > 0 && millionths % 10 == 0)
	{
		millionths /= 10;
		digits--;
	}
	return NumericGetDatum(int64_div_fast_to_numeric(millionths, digits));
}

/* Compare a number with a whole one; the few that are asked for are made once. */
int
NumberCompare(Numeric number, int64 other)
{
	static struct
	{
		int64		value;
		Numeric		number;
	}			constants[] = {{0}, {PG_INT64_MAX}, {-PG_INT64_MAX}};
	Numeric		constant = NULL;

	for (int i = 0; i < lengthof(constants) && constant == NULL; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		if (constants[i].value == other && constants[i].number == NULL)
			constants[i].number = int64_to_numeric(other);
		MemoryContextSwitchTo(caller);
		if (constants[i].value == other)
			constant = constants[i].number;
	}
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(number),
											 NumericGetDatum(constant ? constant : int64_to_numeric(other))));
}

/* _item_number(value, field, item_id) → what the catalogue keeps; raises. */
Datum
personalize_item_number(PG_FUNCTION_ARGS)
{
	text	   *value;
	Numeric		number;
	const char *problem;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	value = PG_GETARG_TEXT_PP(0);
	switch (NumberRead(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &number, &problem))
	{
		case NUMBER_READ:
			PG_RETURN_NUMERIC(number);
		case NUMBER_ABSENT:
			PG_RETURN_NULL();
		case NUMBER_REFUSED:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s \"%s\" of item \"%s\" %s", text_to_cstring(PG_GETARG_TEXT_PP(1)),
					text_to_cstring(value),
					PG_ARGISNULL(2) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(2)), problem)));
}
