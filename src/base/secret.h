/*
 * secret.h
 *		The database's secret: what makes pseudonyms of people out of keys.
 */
#ifndef PERSONALIZE_SECRET_H
#define PERSONALIZE_SECRET_H

#include "postgres.h"

#define SECRET_DIGEST_LENGTH 32

/*
 * HMAC-SHA-256 under the secret of label, a zero byte and the data.  Each use has
 * a label of its own, so that digests of one say nothing about those of another.
 */
extern void SecretDigest(const char *label, const void *data, size_t length,
						 uint8 digest[SECRET_DIGEST_LENGTH]);

/* A key that is made of the secret, for one use; all but the label is begun with zeros. */
typedef struct SecretKey
{
	const char *label;
	bool		made;
	int64		since;			/* the state of the secret it is made of */
	uint64		words[2];
} SecretKey;

/* SipHash-2-4 under such a key: for short check sums, at a hundredth of a digest's cost. */
extern uint64 SecretHash(SecretKey *key, const void *data, size_t length);

/*
 * The pseudonym of a person: the first eight bytes of the digest "pseudonym" of
 * the key, both most significant byte first.  Without the secret it leads neither
 * to the key nor from it.
 */
extern int64 SecretPseudonym(int64 userKey);

#endif
