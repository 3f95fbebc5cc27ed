/*
 * sha256.c
 *		SHA-256 of short messages.
 *
 * Each decision about consent takes three digests of some hundred bytes.  The
 * server's functions go through OpenSSL, where setting up a digest costs several
 * times what it takes to compute it, and know no keyed digest whose key is
 * prepared once.  The algorithm is that of FIPS 180-4, section 6.2.
 */
#include "postgres.h"

#include "sha256.h"

#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

/* Section 4.2.2: the first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32 constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

/* Section 5.3.3: of the square roots of the first eight. */
static const uint32 beginning[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
};

/* Rotate right. */
static inline uint32
Rotate(uint32 word, int bits)
{
	return pg_rotate_right32(word, bits);
}

/* The words of a block and those made of them. */
static inline void
FillSchedule(uint32 schedule[64], const uint8 *block)
{
	memcpy(schedule, block, SHA256_BLOCK);
	for (int i = 0; i < 16; i++)
		schedule[i] = pg_ntoh32(schedule[i]);
	for (int i = 16; i < 64; i++)
	{
		uint32		a = schedule[i - 15];
		uint32		b = schedule[i - 2];

		schedule[i] = schedule[i - 16] + schedule[i - 7] +
			(Rotate(a, 7) ^ Rotate(a, 18) ^ (a >> 3)) +
			(Rotate(b, 17) ^ Rotate(b, 19) ^ (b >> 10));
	}
}

/* Section 6.2.2, step 3, but that the variables change places instead of values. */
static inline void
Round(uint32 a, uint32 b, uint32 c, uint32 *d, uint32 e, uint32 f, uint32 g, uint32 *h, uint32 word)
{
	uint32		t1 = *h + (Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25)) + (g ^ (e & (f ^ g))) + word;

	*d += t1;
	*h = t1 + (Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22)) + ((a & b) | (c & (a | b)));
}

/* Begin a message. */
void
Sha256Begin(Sha256State *state)
{
	memcpy(state->words, beginning, sizeof(beginning));
	state->length = 0;
}

/* Go on with the next block. */
void
Sha256Block(Sha256State *state, const uint8 block[SHA256_BLOCK])
{
	uint32		schedule[64];
	uint32		v[8];

	FillSchedule(schedule, block);
	memcpy(v, state->words, sizeof(v));
	for (int i = 0; i < 64; i += 8)
	{
		Round(v[0], v[1], v[2], &v[3], v[4], v[5], v[6], &v[7], constants[i] + schedule[i]);
		Round(v[7], v[0], v[1], &v[2], v[3], v[4], v[5], &v[6], constants[i + 1] + schedule[i + 1]);
		Round(v[6], v[7], v[0], &v[1], v[2], v[3], v[4], &v[5], constants[i + 2] + schedule[i + 2]);
		Round(v[5], v[6], v[7], &v[0], v[1], v[2], v[3], &v[4], constants[i + 3] + schedule[i + 3]);
		Round(v[4], v[5], v[6], &v[7], v[0], v[1], v[2], &v[3], constants[i + 4] + schedule[i + 4]);
		Round(v[3], v[4], v[5], &v[6], v[7], v[0], v[1], &v[2], constants[i + 5] + schedule[i + 5]);
		Round(v[2], v[3], v[4], &v[5], v[6], v[7], v[0], &v[1], constants[i + 6] + schedule[i + 6]);
		Round(v[1], v[2], v[3], &v[4], v[5], v[6], v[7], &v[0], constants[i + 7] + schedule[i + 7]);
	}
	for (int i = 0; i < 8; i++)
		state->words[i] += v[i];
	state->length += SHA256_BLOCK;
}

/* The digest of the message that ends with data. */
void
Sha256End(const Sha256State *state, const void *data, size_t length, uint8 digest[SHA256_LENGTH])
{
	Sha256State last = *state;
	const uint8 *bytes = data;
	uint64		bits = pg_hton64((state->length + length) * 8);
	uint8		padded[2 * SHA256_BLOCK] = {0};
	size_t		blocks;

	for (; length >= SHA256_BLOCK; length -= SHA256_BLOCK, bytes += SHA256_BLOCK)
		Sha256Block(&last, bytes);
	/* section 5.1.1: a bit, zeros and the number of bits */
	blocks = length + 1 + sizeof(bits) <= SHA256_BLOCK ? 1 : 2;
	memcpy(padded, bytes, length);
	padded[length] = 0x80;
	memcpy(padded + blocks * SHA256_BLOCK - sizeof(bits), &bits, sizeof(bits));
	for (size_t i = 0; i < blocks; i++)
		Sha256Block(&last, padded + i * SHA256_BLOCK);
	for (int i = 0; i < 8; i++)
		last.words[i] = pg_hton32(last.words[i]);
	memcpy(digest, last.words, SHA256_LENGTH);
}
