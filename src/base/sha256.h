/*
 * sha256.h
 *		SHA-256 of bytes given piece by piece.
 */
#ifndef PERSONALIZE_SHA256_H
#define PERSONALIZE_SHA256_H

#include "postgres.h"

#define SHA256_LENGTH 32
#define SHA256_BLOCK 64

/* What has been hashed so far; a copy goes on by itself. */
typedef struct Sha256
{
	uint32		state[8];
	uint64		length;			/* bytes given */
	uint8		block[SHA256_BLOCK];	/* those that do not fill one yet */
} Sha256;

extern void Sha256Begin(Sha256 *hash);
extern void Sha256Add(Sha256 *hash, const void *data, size_t length);
extern void Sha256End(Sha256 *hash, uint8 digest[SHA256_LENGTH]);

/* HMAC-SHA-256 (RFC 2104) under a key, as far as it is the same for all that is hashed. */
typedef struct HmacSha256
{
	Sha256		inner;
	Sha256		outer;
} HmacSha256;

/* A key of no more than SHA256_BLOCK bytes. */
extern void HmacSha256Begin(HmacSha256 *hmac, const uint8 *key, size_t length);
extern void HmacSha256Add(HmacSha256 *hmac, const void *data, size_t length);
extern void HmacSha256End(HmacSha256 *hmac, uint8 digest[SHA256_LENGTH]);

#endif
