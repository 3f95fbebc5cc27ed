/*
 * unicode.h
 *		Text as Unicode code points.
 */
#ifndef PERSONALIZE_UNICODE_H
#define PERSONALIZE_UNICODE_H

#include "postgres.h"

#include "mb/pg_wchar.h"

/* A string of the server's encoding as UTF-8: itself, or palloc'd. */
extern const char *UnicodeFromServer(const char *data, int length, int *utf8Length);

/* The same and the way back, but NULL where a character has no equivalent. */
extern const char *UnicodeTryFromServer(const char *data, int length, int *utf8Length);
extern const char *UnicodeTryToServer(const char *utf8, int length, int *serverLength);

/* True if all bytes are ASCII. */
extern bool UnicodeIsAscii(const char *data, int length);

/* The code points of valid UTF-8, with a zero behind them, palloc'd. */
extern pg_wchar *UnicodeDecode(const char *utf8, int length, int *count);

/* Code points as UTF-8, palloc'd. */
extern char *UnicodeEncode(const pg_wchar *points, int count, int *length);

/* The same text in normalization form C: itself, or palloc'd. */
extern pg_wchar *UnicodeCompose(pg_wchar *points, int *count);

/* True for spaces, controls and what shows nothing at all. */
extern bool UnicodeIsBlank(pg_wchar point);

#endif
