/*
 * bits.h
 *		Reads bit fields out of base64url text, where it stands.
 *
 * Consent strings are bits, most significant first, six to a character of
 * RFC 4648's table 2.  Nothing is copied or allocated: a reader is a place in
 * the text, and reading past its end yields zero and is remembered in overrun.
 *
 * This and what includes only this (tcf, gpp) use nothing of the server, so that
 * they can be fuzzed on their own; see test/fuzz.
 */
#ifndef PERSONALIZE_BITS_H
#define PERSONALIZE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in a text of base64url characters. */
typedef struct BitReader
{
	const char *data;
	size_t		bits;			/* how many there are */
	size_t		at;				/* the next one */
	bool		overrun;		/* more were asked for */
} BitReader;

/* Six bits of a character, or -1. */
static inline int
BitsOfCharacter(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Read from the beginning of a text; false if it has other characters. */
static inline bool
BitsBegin(BitReader *reader, const char *data, size_t length)
{
	reader->data = data;
	reader->bits = length * 6;
	reader->at = 0;
	reader->overrun = false;
	for (size_t i = 0; i < length; i++)
		if (BitsOfCharacter(data[i]) < 0)
			return false;
	return true;
}

/* How many bits are left. */
static inline size_t
BitsLeft(const BitReader *reader)
{
	return reader->bits - reader->at;
}

/* One bit at a place. */
static inline bool
BitsTest(const BitReader *reader, size_t at)
{
	return at < reader->bits &&
		(BitsOfCharacter(reader->data[at / 6]) >> (5 - at % 6) & 1);
}

/* Pass over bits. */
static inline void
BitsSkip(BitReader *reader, size_t count)
{
	if (count > BitsLeft(reader))
	{
		reader->overrun = true;
		count = BitsLeft(reader);
	}
	reader->at += count;
}

/* The next count bits, at most 64, as a number. */
static inline uint64_t
BitsRead(BitReader *reader, int count)
{
	uint64_t	value = 0;

	if ((size_t) count > BitsLeft(reader))
	{
		BitsSkip(reader, count);
		return 0;
	}
	while (count > 0)
	{
		int			offset = (int) (reader->at % 6);
		int			taken = count < 6 - offset ? count : 6 - offset;
		uint64_t	six = (uint64_t) BitsOfCharacter(reader->data[reader->at / 6]);

		value = value << taken | (six >> (6 - offset - taken) & ((1u << taken) - 1));
		reader->at += taken;
		count -= taken;
	}
	return value;
}

/* True if nothing but padding is left. */
static inline bool
BitsRestIsZero(BitReader *reader)
{
	while (BitsLeft(reader) > 0)
		if (BitsRead(reader, BitsLeft(reader) < 48 ? (int) BitsLeft(reader) : 48) != 0)
			return false;
	return true;
}

#endif
