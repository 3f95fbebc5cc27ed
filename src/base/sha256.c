/*
 * sha256.c
 *		SHA-256 of bytes given piece by piece.
 *
 * The server's own, where it is built with OpenSSL 3, takes ten times as long to find
 * the algorithm as to hash the hundred bytes of an entry of the ledger, and what it
 * has made of a key cannot be kept.  Here that is a struct to be copied.
 *
 * FIPS 180-4, sections 4.1.2, 4.2.2, 5.3.3 and 6.2; HMAC: RFC 2104, section 2.
 */
#include "postgres.h"

#include "base/sha256.h"

#include "port/pg_bswap.h"

/* The fractional parts of the cube roots of the first 64 primes, 32 bits each. */
static const uint32 roundConstants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

/* Rotate right. */
static inline uint32
Rotate(uint32 word, int bits)
{
	return (word >> bits) | (word << (32 - bits));
}

/* The word of the schedule for a round after the 16th, in the place of the one 16 rounds before. */
static inline uint32
NextWord(uint32 *words, int round)
{
	uint32		early = words[(round + 1) % 16];
	uint32		late = words[(round + 14) % 16];

	return words[round % 16] += words[(round + 9) % 16] +
		(Rotate(early, 7) ^ Rotate(early, 18) ^ (early >> 3)) +
		(Rotate(late, 17) ^ Rotate(late, 19) ^ (late >> 10));
}

/* A round: what was a is b then, and so on; the caller calls them so. */
static inline void
Round(uint32 a, uint32 b, uint32 c, uint32 *d, uint32 e, uint32 f, uint32 g, uint32 *h, uint32 word, uint32 constant)
{
	uint32		sum = *h + (Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25)) + (g ^ (e & (f ^ g))) + constant + word;

	*d += sum;
	*h = sum + (Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22)) + ((a & b) | (c & (a | b)));
}

/* Eight rounds, after which every word of the state has its name again. */
static inline void
EightRounds(uint32 *s, uint32 *words, int first, bool begin)
{
#define WORD(i) (begin ? words[(first + (i)) % 16] : NextWord(words, first + (i)))
	Round(s[0], s[1], s[2], &s[3], s[4], s[5], s[6], &s[7], WORD(0), roundConstants[first]);
	Round(s[7], s[0], s[1], &s[2], s[3], s[4], s[5], &s[6], WORD(1), roundConstants[first + 1]);
	Round(s[6], s[7], s[0], &s[1], s[2], s[3], s[4], &s[5], WORD(2), roundConstants[first + 2]);
	Round(s[5], s[6], s[7], &s[0], s[1], s[2], s[3], &s[4], WORD(3), roundConstants[first + 3]);
	Round(s[4], s[5], s[6], &s[7], s[0], s[1], s[2], &s[3], WORD(4), roundConstants[first + 4]);
	Round(s[3], s[4], s[5], &s[6], s[7], s[0], s[1], &s[2], WORD(5), roundConstants[first + 5]);
	Round(s[2], s[3], s[4], &s[5], s[6], s[7], s[0], &s[1], WORD(6), roundConstants[first + 6]);
	Round(s[1], s[2], s[3], &s[4], s[5], s[6], s[7], &s[0], WORD(7), roundConstants[first + 7]);
#undef WORD
}

/* Hash a block. */
static void
HashBlock(uint32 *state, const uint8 *block)
{
	uint32		s[8];
	uint32		words[16];

	memcpy(s, state, sizeof(s));
	for (int i = 0; i < 16; i++)
	{
		memcpy(&words[i], block + 4 * i, sizeof(uint32));
		words[i] = pg_ntoh32(words[i]);
	}
	EightRounds(s, words, 0, true);
	EightRounds(s, words, 8, true);
	for (int first = 16; first < 64; first += 16)
	{
		EightRounds(s, words, first, false);
		EightRounds(s, words, first + 8, false);
	}
	for (int i = 0; i < 8; i++)
		state[i] += s[i];
}

/* Begin to hash. */
void
Sha256Begin(Sha256 *hash)
{
	/* the fractional parts of the square roots of the first 8 primes */
	static const uint32 begin[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
	};

	memcpy(hash->state, begin, sizeof(begin));
	hash->length = 0;
}

/* Go on with some bytes. */
void
Sha256Add(Sha256 *hash, const void *data, size_t length)
{
	const uint8 *bytes = data;
	size_t		kept = hash->length % SHA256_BLOCK;

	hash->length += length;
	while (length > 0)
	{
		size_t		taken = Min(length, SHA256_BLOCK - kept);

		memcpy(hash->block + kept, bytes, taken);
		bytes += taken;
		length -= taken;
		kept += taken;
		if (kept < SHA256_BLOCK)
			return;
		HashBlock(hash->state, hash->block);
		kept = 0;
	}
}

/* The hash of all that was given. */
void
Sha256End(Sha256 *hash, uint8 digest[SHA256_LENGTH])
{
	size_t		kept = hash->length % SHA256_BLOCK;
	uint64		bits = pg_hton64(hash->length * 8);

	hash->block[kept++] = 0x80;
	if (kept > SHA256_BLOCK - sizeof(bits))
	{
		memset(hash->block + kept, 0, SHA256_BLOCK - kept);
		HashBlock(hash->state, hash->block);
		kept = 0;
	}
	memset(hash->block + kept, 0, SHA256_BLOCK - sizeof(bits) - kept);
	memcpy(hash->block + SHA256_BLOCK - sizeof(bits), &bits, sizeof(bits));
	HashBlock(hash->state, hash->block);
	for (int i = 0; i < 8; i++)
	{
		uint32		word = pg_hton32(hash->state[i]);

		memcpy(digest + 4 * i, &word, sizeof(word));
	}
}

/* Begin with the key, each byte of which is changed by a mask. */
static void
BeginWithKey(Sha256 *hash, const uint8 *key, size_t length, uint8 mask)
{
	uint8		block[SHA256_BLOCK];

	memset(block, mask, sizeof(block));
	for (size_t i = 0; i < length; i++)
		block[i] ^= key[i];
	Sha256Begin(hash);
	Sha256Add(hash, block, sizeof(block));
}

/* Begin to hash under a key. */
void
HmacSha256Begin(HmacSha256 *hmac, const uint8 *key, size_t length)
{
	Assert(length <= SHA256_BLOCK);
	BeginWithKey(&hmac->inner, key, length, 0x36);
	BeginWithKey(&hmac->outer, key, length, 0x5c);
}

/* Go on with some bytes. */
void
HmacSha256Add(HmacSha256 *hmac, const void *data, size_t length)
{
	Sha256Add(&hmac->inner, data, length);
}

/* The hash of all that was given. */
void
HmacSha256End(HmacSha256 *hmac, uint8 digest[SHA256_LENGTH])
{
	Sha256End(&hmac->inner, digest);
	Sha256Add(&hmac->outer, digest, SHA256_LENGTH);
	Sha256End(&hmac->outer, digest);
}
