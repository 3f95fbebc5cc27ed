/*
 * bytes.h
 *		Numbers in packed data: little-endian, of any width, on every platform.
 */
#ifndef PERSONALIZE_BYTES_H
#define PERSONALIZE_BYTES_H

#include "postgres.h"

/* Write the lowest bytes of a number. */
static inline void
BytesPut(uint8 *data, uint64 value, int width)
{
	for (int i = 0; i < width; i++)
		data[i] = (uint8) (value >> (8 * i));
}

/* Read a number of 0 to 8 bytes; of none it is 0. */
static inline uint64
BytesGet(const uint8 *data, int width)
{
	uint64		value = 0;

#ifndef WORDS_BIGENDIAN
	/* the usual case, in one load */
	if (width == 8)
	{
		memcpy(&value, data, 8);
		return value;
	}
#endif
	for (int i = 0; i < width; i++)
		value |= (uint64) data[i] << (8 * i);
	return value;
}

/* The same of 1 to 8 bytes that end there; the 8 bytes before that can be read. */
static inline uint64
BytesGetBefore(const uint8 *end, int width)
{
#ifndef WORDS_BIGENDIAN
	uint64		value;

	memcpy(&value, end - 8, 8);
	return value >> (64 - 8 * width);
#else
	return BytesGet(end - width, width);
#endif
}

/* How many bytes a number needs, at least one. */
static inline int
BytesWidth(uint64 value)
{
	int			width = 1;

	while (width < 8 && (value >> (8 * width)) != 0)
		width++;
	return width;
}

#endif
