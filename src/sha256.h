/*
 * sha256.h
 *		SHA-256 of short messages.
 */
#ifndef PERSONALIZE_SHA256_H
#define PERSONALIZE_SHA256_H

#include "postgres.h"

#define SHA256_BLOCK 64
#define SHA256_LENGTH 32

/* What has been made of the blocks of a message so far. */
typedef struct Sha256State
{
	uint32		words[8];
	uint64		length;			/* of these blocks, in bytes */
} Sha256State;

/* Begin a message. */
extern void Sha256Begin(Sha256State *state);

/* Go on with the next block. */
extern void Sha256Block(Sha256State *state, const uint8 block[SHA256_BLOCK]);

/* The digest of the message that ends with data; the state stays as it is. */
extern void Sha256End(const Sha256State *state, const void *data, size_t length,
					  uint8 digest[SHA256_LENGTH]);

#endif
