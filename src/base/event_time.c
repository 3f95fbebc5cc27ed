/*
 * event_time.c
 *		The one reader of times that applications send, and the type event_time.
 *
 * A time is read the same in JSON, in arguments, in arrays and in inbox, whatever
 * DateStyle and TimeZone a session has:
 *
 *	- ISO 8601: a date, or a date and a time of day, in the extended form
 *	  (2026-01-31T18:20:11.5+01:00) or the basic one (20260131T182011Z); a blank
 *	  may stand for the T and before the zone.  Without a zone it is UTC;
 *	- unix time, as a number or its digits: seconds below 100,000,000,000, from
 *	  there on milliseconds.  Before 1973-03-03, which is 100,000,000 seconds, a
 *	  number is rather a date written without hyphens, or a zero for "unknown".
 *
 * Function arguments and the columns of inbox have the type event_time, whose
 * input never fails: one bad time must not lose a batch.  What cannot be read is
 * kept as text, and becomes the reason of a rejection where the row is checked.
 * A value that was read is a NUL, which no text contains, and the time.
 */
#include "postgres.h"

#include "base/event_time.h"

#include <math.h>

#include "compat.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_event_time_in);
PG_FUNCTION_INFO_V1(personalize_event_time_out);
PG_FUNCTION_INFO_V1(personalize_event_time_recv);
PG_FUNCTION_INFO_V1(personalize_event_time_send);
PG_FUNCTION_INFO_V1(personalize_event_time_from_text);
PG_FUNCTION_INFO_V1(personalize_event_time_from_timestamp);
PG_FUNCTION_INFO_V1(personalize_event_time_from_date);
PG_FUNCTION_INFO_V1(personalize_event_time_from_int4);
PG_FUNCTION_INFO_V1(personalize_event_time_from_int8);
PG_FUNCTION_INFO_V1(personalize_event_time_from_float8);
PG_FUNCTION_INFO_V1(personalize_event_time_from_numeric);
PG_FUNCTION_INFO_V1(personalize_event_time_to_timestamptz);

/* Unix time: the least, where milliseconds begin, and where they end. */
#define FIRST_UNIX_SECOND INT64CONST(100000000)
#define FIRST_UNIX_MILLISECOND INT64CONST(100000000000)
#define END_OF_UNIX_MILLISECONDS INT64CONST(100000000000000)

/* Bytes of a value that was read: the NUL and the time. */
#define READ_BYTES (1 + (int) sizeof(TimestampTz))

/* What is left of a string that is being read. */
typedef struct Cursor
{
	const char *at;
	const char *end;
} Cursor;

/* Take a character, if it is the next one. */
static bool
TakeChar(Cursor *cursor, char wanted)
{
	if (cursor->at == cursor->end || *cursor->at != wanted)
		return false;
	cursor->at++;
	return true;
}

/* Take a number of exactly so many digits, within bounds. */
static bool
TakeNumber(Cursor *cursor, int digits, int least, int most, int *number)
{
	if (cursor->end - cursor->at < digits)
		return false;
	*number = 0;
	for (int i = 0; i < digits; i++)
	{
		if (!isdigit((unsigned char) cursor->at[i]))
			return false;
		*number = *number * 10 + (cursor->at[i] - '0');
	}
	cursor->at += digits;
	return *number >= least && *number <= most;
}

/* Take the digits of a fraction, as millionths of its unit, rounded; none are no fraction. */
static bool
TakeFraction(Cursor *cursor, int *millionths)
{
	int			digits = 0;

	*millionths = 0;
	for (; cursor->at < cursor->end && isdigit((unsigned char) *cursor->at); cursor->at++, digits++)
	{
		if (digits < 6)
			*millionths = *millionths * 10 + (*cursor->at - '0');
		else if (digits == 6 && *cursor->at >= '5')
			++*millionths;
	}
	for (int i = digits; i < 6; i++)
		*millionths *= 10;
	return digits > 0;
}

/* Take a date; basic: it has no hyphens. */
static bool
TakeDate(Cursor *cursor, bool *basic, int64 *days)
{
	int			year;
	int			month;
	int			day;

	if (!TakeNumber(cursor, 4, 1, 9999, &year))
		return false;
	*basic = !TakeChar(cursor, '-');
	if (!TakeNumber(cursor, 2, 1, 12, &month) ||
		(!*basic && !TakeChar(cursor, '-')) ||
		!TakeNumber(cursor, 2, 1, day_tab[isleap(year)][month - 1], &day))
		return false;
	*days = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* Take a time of day; 24:00 and a leap second belong to what follows. */
static bool
TakeTimeOfDay(Cursor *cursor, bool basic, int64 *microseconds)
{
	int			hour;
	int			minute = 0;
	int			second = 0;
	int			fraction = 0;

	if (!TakeNumber(cursor, 2, 0, 24, &hour))
		return false;
	if (basic ? cursor->at < cursor->end && isdigit((unsigned char) *cursor->at) : TakeChar(cursor, ':'))
	{
		if (!TakeNumber(cursor, 2, 0, 59, &minute))
			return false;
		if (basic ? cursor->at < cursor->end && isdigit((unsigned char) *cursor->at) : TakeChar(cursor, ':'))
		{
			if (!TakeNumber(cursor, 2, 0, 60, &second))
				return false;
			if ((TakeChar(cursor, '.') || TakeChar(cursor, ',')) && !TakeFraction(cursor, &fraction))
				return false;
		}
	}
	*microseconds = ((hour * MINS_PER_HOUR + minute) * (int64) SECS_PER_MINUTE + second) * USECS_PER_SEC + fraction;
	return hour < 24 || *microseconds == USECS_PER_DAY;
}

/* Take a zone, as microseconds ahead of UTC; there need not be one. */
static bool
TakeZone(Cursor *cursor, int64 *offset)
{
	int			sign;
	int			hours;
	int			minutes = 0;

	*offset = 0;
	if (cursor->at == cursor->end)
		return true;
	TakeChar(cursor, ' ');
	if (TakeChar(cursor, 'Z') || TakeChar(cursor, 'z'))
		return true;
	if (TakeChar(cursor, '+'))
		sign = 1;
	else if (TakeChar(cursor, '-'))
		sign = -1;
	else
		return false;
	if (!TakeNumber(cursor, 2, 0, MAX_TZDISP_HOUR, &hours))
		return false;
	if ((TakeChar(cursor, ':') || cursor->at < cursor->end) && !TakeNumber(cursor, 2, 0, 59, &minutes))
		return false;
	*offset = sign * (hours * MINS_PER_HOUR + minutes) * (int64) SECS_PER_MINUTE * USECS_PER_SEC;
	return true;
}

/* Read ISO 8601. */
static bool
ReadIso(Cursor cursor, TimestampTz *ts)
{
	bool		basic;
	int64		days;
	int64		timeOfDay = 0;
	int64		offset = 0;

	if (!TakeDate(&cursor, &basic, &days))
		return false;
	if (TakeChar(&cursor, 'T') || TakeChar(&cursor, 't') || TakeChar(&cursor, ' '))
	{
		if (!TakeTimeOfDay(&cursor, basic, &timeOfDay) || !TakeZone(&cursor, &offset))
			return false;
	}
	else if (basic)
		return false;			/* digits without a T are a number */
	*ts = days * USECS_PER_DAY + timeOfDay - offset;
	return cursor.at == cursor.end;
}

/* Read unix time. */
static bool
ReadUnix(Cursor cursor, TimestampTz *ts)
{
	const int64 epoch = (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
	int64		number = 0;
	int			fraction = 0;

	while (cursor.at < cursor.end && isdigit((unsigned char) *cursor.at))
	{
		number = number * 10 + (*cursor.at++ - '0');
		if (number >= END_OF_UNIX_MILLISECONDS)
			return false;
	}
	if (TakeChar(&cursor, '.') && !TakeFraction(&cursor, &fraction))
		return false;
	if (cursor.at != cursor.end || number < FIRST_UNIX_SECOND)
		return false;
	*ts = epoch + (number < FIRST_UNIX_MILLISECOND ?
				   number * USECS_PER_SEC + fraction : number * 1000 + (fraction + 500) / 1000);
	return true;
}

/* Read a time; blanks around it mean nothing. */
bool
EventTimeRead(const char *string, int length, TimestampTz *ts)
{
	Cursor		cursor = {string, string + length};

	while (cursor.at < cursor.end && strchr(" \t\r\n", *cursor.at) != NULL)
		cursor.at++;
	while (cursor.end > cursor.at && strchr(" \t\r\n", cursor.end[-1]) != NULL)
		cursor.end--;
	return ReadIso(cursor, ts) || ReadUnix(cursor, ts);
}

/* A time as every session sees it. */
char *
EventTimeFormat(TimestampTz ts)
{
	char		buffer[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fraction;

	if (TIMESTAMP_NOT_FINITE(ts))
		EncodeSpecialTimestamp(ts, buffer);
	else if (timestamp2tm(ts, NULL, &tm, &fraction, NULL, NULL) == 0)
	{
		tm.tm_isdst = 0;		/* or no zone is written */
		EncodeDateTime(&tm, fraction, true, 0, NULL, USE_ISO_DATES, buffer);
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return pstrdup(buffer);
}

/* A time as event_time. */
static Datum
MakeRead(TimestampTz ts)
{
	bytea	   *value = palloc(VARHDRSZ + READ_BYTES);

	SET_VARSIZE(value, VARHDRSZ + READ_BYTES);
	VARDATA(value)[0] = '\0';
	memcpy(VARDATA(value) + 1, &ts, sizeof(ts));
	return PointerGetDatum(value);
}

/* A string as event_time. */
static Datum
MakeFromString(const char *string, int length)
{
	TimestampTz ts;

	if (EventTimeRead(string, length, &ts))
		return MakeRead(ts);
	return PointerGetDatum(cstring_to_text_with_len(string, length));
}

/* The time of an event_time datum; false, and the text, if it is none. */
bool
EventTimeGet(Datum value, TimestampTz *ts, const char **text, int *length)
{
	varattrib_1b *bytes = (varattrib_1b *) PG_DETOAST_DATUM_PACKED(value);

	*text = VARDATA_ANY(bytes);
	*length = VARSIZE_ANY_EXHDR(bytes);
	if (*length != READ_BYTES || **text != '\0')
		return false;
	memcpy(ts, *text + 1, sizeof(*ts));
	return true;
}

/* event_time input: what cannot be read is kept as it is. */
Datum
personalize_event_time_in(PG_FUNCTION_ARGS)
{
	char	   *string = PG_GETARG_CSTRING(0);

	PG_RETURN_DATUM(MakeFromString(string, strlen(string)));
}

/* event_time output: a time in ISO 8601 and UTC, or the text as it is. */
Datum
personalize_event_time_out(PG_FUNCTION_ARGS)
{
	TimestampTz ts;
	const char *text;
	int			length;

	if (EventTimeGet(PG_GETARG_DATUM(0), &ts, &text, &length))
		PG_RETURN_CSTRING(EventTimeFormat(ts));
	PG_RETURN_CSTRING(pnstrdup(text, length));
}

/*
 * Eight bytes that no text begins like: a driver that does not know the type sent a
 * timestamp or a bigint.  A number that is unix time is one: as a timestamp it would
 * lie in the first years after 2000.
 */
static bool
ReadBinary(StringInfo buffer, Datum *value)
{
	unsigned char first = buffer->data[buffer->cursor];
	int64		number;

	if (buffer->len - buffer->cursor != sizeof(number) || (first != 0x00 && first != 0xff))
		return false;
	number = pq_getmsgint64(buffer);
	if (number >= 0 && number < END_OF_UNIX_MILLISECONDS)
	{
		char	   *digits = psprintf(INT64_FORMAT, number);

		*value = MakeFromString(digits, strlen(digits));
	}
	else
		*value = MakeRead(number);
	return true;
}

/* event_time binary input: that of text, or of a timestamp. */
Datum
personalize_event_time_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			length;
	char	   *string;
	Datum		value;

	if (ReadBinary(buffer, &value))
		PG_RETURN_DATUM(value);
	string = pq_getmsgtext(buffer, buffer->len - buffer->cursor, &length);
	PG_RETURN_DATUM(MakeFromString(string, length));
}

/* event_time binary output: that of text. */
Datum
personalize_event_time_send(PG_FUNCTION_ARGS)
{
	char	   *string = DatumGetCString(personalize_event_time_out(fcinfo));
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendtext(&buffer, string, strlen(string));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* text as event_time. */
Datum
personalize_event_time_from_text(PG_FUNCTION_ARGS)
{
	text	   *string = PG_GETARG_TEXT_PP(0);

	PG_RETURN_DATUM(MakeFromString(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)));
}

/* timestamp with or without time zone as event_time: the latter is UTC. */
Datum
personalize_event_time_from_timestamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(MakeRead(PG_GETARG_TIMESTAMPTZ(0)));
}

/* date as event_time: its midnight in UTC. */
Datum
personalize_event_time_from_date(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(MakeRead(DatumGetTimestamp(DirectFunctionCall1(date_timestamp, PG_GETARG_DATUM(0)))));
}

/* integer as event_time: unix time. */
Datum
personalize_event_time_from_int4(PG_FUNCTION_ARGS)
{
	char		digits[MAXINT8LEN + 1];

	PG_RETURN_DATUM(MakeFromString(digits, pg_lltoa(PG_GETARG_INT32(0), digits)));
}

/* bigint as event_time: unix time. */
Datum
personalize_event_time_from_int8(PG_FUNCTION_ARGS)
{
	char		digits[MAXINT8LEN + 1];

	PG_RETURN_DATUM(MakeFromString(digits, pg_lltoa(PG_GETARG_INT64(0), digits)));
}

/* double precision as event_time: unix time, to the microsecond. */
Datum
personalize_event_time_from_float8(PG_FUNCTION_ARGS)
{
	double		number = PG_GETARG_FLOAT8(0);
	char	   *digits = fabs(number) < END_OF_UNIX_MILLISECONDS ?
		psprintf("%.6f", number) : psprintf("%g", number);

	PG_RETURN_DATUM(MakeFromString(digits, strlen(digits)));
}

/* numeric as event_time: unix time. */
Datum
personalize_event_time_from_numeric(PG_FUNCTION_ARGS)
{
	char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, PG_GETARG_DATUM(0)));

	PG_RETURN_DATUM(MakeFromString(digits, strlen(digits)));
}

/* event_time as timestamptz; an error if it is none. */
Datum
personalize_event_time_to_timestamptz(PG_FUNCTION_ARGS)
{
	TimestampTz ts;
	const char *text;
	int			length;

	if (!EventTimeGet(PG_GETARG_DATUM(0), &ts, &text, &length))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("\"%.*s\" is neither ISO 8601 nor unix seconds or milliseconds",
						length, text)));
	PG_RETURN_TIMESTAMPTZ(ts);
}
