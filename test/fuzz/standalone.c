/*
 * standalone.c
 *		Runs fuzz_consent.c without a fuzzer: the same inputs each time.
 *
 *		standalone SEEDS ROUNDS		SEEDS: a file with one string a line
 *		standalone - < INPUT		one input, to repeat what a fuzzer found
 *
 * Inputs are each seed, all its truncations from either end, each of its bits
 * turned, ROUNDS random mutations of it, and strings of 100 kB.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SEEDS 1000
#define MAX_INPUT (128 * 1024 + 4096)
#define LONG_INPUT 100000

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *seeds[MAX_SEEDS];
static int	seedCount;
static long inputs;
static uint64_t randomState = 88172645463325252u;
static char buffer[MAX_INPUT];

/* A random number (Marsaglia, Xorshift RNGs, 2003), below a limit. */
static size_t
Random(size_t limit)
{
	randomState ^= randomState << 13;
	randomState ^= randomState >> 7;
	randomState ^= randomState << 17;
	return limit == 0 ? 0 : (size_t) (randomState % limit);
}

/* Try an input. */
static void
Try(const char *data, size_t size)
{
	inputs++;
	LLVMFuzzerTestOneInput((const uint8_t *) data, size);
}

/* All truncations of a seed, and each of its bits turned. */
static void
TryNeighbours(const char *seed)
{
	size_t		length = strlen(seed);

	for (size_t i = 0; i <= length; i++)
	{
		Try(seed, i);
		Try(seed + i, length - i);
	}
	memcpy(buffer, seed, length);
	for (size_t i = 0; i < length; i++)
	{
		const char *place = strchr(alphabet, seed[i]);

		for (int bit = 0; bit < 6 && place; bit++)
		{
			buffer[i] = alphabet[(place - alphabet) ^ (1 << bit)];
			Try(buffer, length);
		}
		for (int bit = 0; bit < 8; bit++)
		{
			buffer[i] = (char) (seed[i] ^ (1 << bit));
			Try(buffer, length);
		}
		buffer[i] = seed[i];
	}
}

/* Change something in the buffer; returns its new length. */
static size_t
Mutate(size_t length)
{
	size_t		at = Random(length + 1);
	size_t		count = Random(length - at + 1);
	const char *other;
	size_t		otherLength;

	switch (Random(7))
	{
		case 0:					/* another character of the alphabet */
			if (at < length)
				buffer[at] = alphabet[Random(64)];
			return length;
		case 1:					/* any byte */
			if (at < length)
				buffer[at] = (char) Random(256);
			return length;
		case 2:					/* a separator */
			if (at < length)
				buffer[at] = ".~="[Random(3)];
			return length;
		case 3:					/* take out */
			memmove(buffer + at, buffer + at + count, length - at - count);
			return length - count;
		case 4:					/* one value, as of a lying length */
			memset(buffer + at, alphabet[Random(2) ? 63 : Random(64)], count > 8 ? 8 : count);
			return length;
		case 5:					/* the end of another seed */
			other = seeds[Random(seedCount)];
			otherLength = strlen(other);
			count = Random(otherLength + 1);
			if (at + count > MAX_INPUT)
				return length;
			memcpy(buffer + at, other + otherLength - count, count);
			return at + count;
		default:				/* twice */
			if (length + count > MAX_INPUT)
				return length;
			memmove(buffer + at + count, buffer + at, length - at);
			return length + count;
	}
}

/* Random mutations of a seed. */
static void
TryMutations(const char *seed, long rounds)
{
	for (long i = 0; i < rounds; i++)
	{
		size_t		length = strlen(seed);

		memcpy(buffer, seed, length);
		for (size_t changes = 1 + Random(6); changes > 0; changes--)
			length = Mutate(length);
		Try(buffer, length);
	}
}

/* Long inputs: a seed and one character, over and over. */
static void
TryLong(const char *seed)
{
	size_t		length = strlen(seed);

	for (int i = 0; i < 64; i += 7)
	{
		memcpy(buffer, seed, length);
		memset(buffer + length, alphabet[i], LONG_INPUT);
		Try(buffer, LONG_INPUT);
		if (length <= 44)
			continue;
		/* the same with other lengths of its lists */
		memset(buffer + 36, alphabet[i], 8);
		Try(buffer, LONG_INPUT);
	}
	for (size_t at = 0; at + length + 1 < LONG_INPUT; at += length + 1)
	{
		memcpy(buffer + at, seed, length);
		buffer[at + length] = Random(2) ? '.' : '~';
	}
	Try(buffer, LONG_INPUT);
}

/* Read the seeds. */
static void
ReadSeeds(const char *path)
{
	FILE	   *file = fopen(path, "r");
	static char line[MAX_INPUT];

	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	while (seedCount < MAX_SEEDS && fgets(line, sizeof(line) / 2, file))
	{
		line[strcspn(line, "\n")] = '\0';
		seeds[seedCount] = malloc(strlen(line) + 1);
		strcpy(seeds[seedCount++], line);
	}
	fclose(file);
}

int
main(int argc, char **argv)
{
	long		rounds = argc > 2 ? atol(argv[2]) : 1000;

	if (argc < 2)
	{
		fprintf(stderr, "usage: %s SEEDS [ROUNDS] | %s - < INPUT\n", argv[0], argv[0]);
		return 2;
	}
	if (strcmp(argv[1], "-") == 0)
	{
		Try(buffer, fread(buffer, 1, sizeof(buffer), stdin));
		return 0;
	}
	ReadSeeds(argv[1]);
	for (int i = 0; i < seedCount; i++)
	{
		TryNeighbours(seeds[i]);
		TryMutations(seeds[i], rounds);
		TryLong(seeds[i]);
	}
	printf("%d seeds, %ld inputs\n", seedCount, inputs);
	return 0;
}
