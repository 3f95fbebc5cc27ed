/*
 * varint.h
 *		Numbers in packed data: LEB128, short if they are small.
 *
 * Seven bits a byte, low ones first; the high bit says that more come.
 */
#ifndef PERSONALIZE_VARINT_H
#define PERSONALIZE_VARINT_H

#include "postgres.h"

/* The most bytes that one takes. */
#define VARINT_MAX_BYTES 10

/* Write a number; returns where the next byte goes. */
static inline uint8 *
VarintWrite(uint8 *out, uint64 value)
{
	while (value >= 0x80)
	{
		*out++ = (uint8) (value | 0x80);
		value >>= 7;
	}
	*out++ = (uint8) value;
	return out;
}

/* Read a number and go past it; false if it does not end before end, or exceeds 64 bits. */
static inline bool
VarintRead(const uint8 **next, const uint8 *end, uint64 *value)
{
	const uint8 *in = *next;

	*value = 0;
	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8		byte;

		if (unlikely(in >= end))
			return false;
		byte = *in++;
		*value |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			*next = in;
			/* the tenth byte has room for one bit */
			return likely(shift < 63 || byte <= 1);
		}
	}
	return false;
}

#endif
