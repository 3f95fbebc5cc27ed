/*
 * vocabulary.c
 *		The words of the catalogue as they are written.
 *
 * Few errors are in a word's first letter, so the words that begin with it are looked at
 * first, all others only if none of these is near.
 */
#include "postgres.h"

#include "search/vocabulary.h"

#include "access/stratnum.h"
#include "compat.h"
#include "mb/pg_wchar.h"
#include "search/analysis.h"
#include "search/text_index.h"
#include "utils/builtins.h"

/* So many of the highest byte come after all that a word goes on with. */
#define BEYOND_BYTES 4

/* Of a short beginning only so many words are looked at. */
#define MAX_SCANNED 20000

/* Of equally near words so many are compared by how frequent they are. */
#define MAX_NEAREST 16

/* Seek the words that begin with some bytes; none: all. */
static void
SeekBeginning(TextIndex *index, const char *data, int length)
{
	ScanKeyData keys[2];
	text	   *low = cstring_to_text_with_len(data, length);
	text	   *high;

	/* whatever the encoding, no word has so many bytes 0xff */
	high = palloc(VARSIZE(low) + BEYOND_BYTES);
	SET_VARSIZE(high, VARSIZE(low) + BEYOND_BYTES);
	memcpy(VARDATA(high), data, length);
	memset(VARDATA(high) + length, 0xff, BEYOND_BYTES);
	TextIndexBound(&keys[0], BTGreaterEqualStrategyNumber, low);
	TextIndexBound(&keys[1], BTLessStrategyNumber, high);
	TextIndexSeek(index, keys, 2);
}

/* Shorter first, then as the index has them. */
static int
CompareForms(const void *left, const void *right)
{
	const text *a = ((const VocabularyWord *) left)->form;
	const text *b = ((const VocabularyWord *) right)->form;
	int			lengthA = VARSIZE_ANY_EXHDR(a);
	int			lengthB = VARSIZE_ANY_EXHDR(b);

	return lengthA != lengthB ? lengthA - lengthB : memcmp(VARDATA_ANY(a), VARDATA_ANY(b), lengthA);
}

/* Put the shortest in front and keep so many. */
static int
Shorten(VocabularyWord *words, int count, int kept)
{
	qsort(words, count, sizeof(VocabularyWord), CompareForms);
	return Min(count, kept);
}

/* Copy the entry the index is at. */
static void
CopyEntry(const TextIndex *index, VocabularyWord *word)
{
	word->form = DatumGetTextPCopy(PointerGetDatum(TextIndexText(index)));
	word->word = DatumGetTextPCopy(PointerGetDatum(TextIndexSecondText(index)));
}

/* Keep the first of words that are one in the index; returns how many. */
static int
DropDoubles(VocabularyWord *words, int count, int limit)
{
	int			kept = 0;

	for (int i = 0; i < count && kept < limit; i++)
	{
		bool		known = false;

		for (int j = 0; j < kept && !known; j++)
			known = VARSIZE_ANY_EXHDR(words[i].word) == VARSIZE_ANY_EXHDR(words[j].word) &&
				memcmp(VARDATA_ANY(words[i].word), VARDATA_ANY(words[j].word), VARSIZE_ANY_EXHDR(words[i].word)) == 0;
		if (!known)
			words[kept++] = words[i];
	}
	return kept;
}

/* The shortest words that begin so. */
int
VocabularyComplete(Snapshot snapshot, const text *beginning, int limit, VocabularyWord **result)
{
	TextIndex	index;
	int			capacity = 16 * limit;
	VocabularyWord *words = palloc_array(VocabularyWord, capacity);
	int			longest = ANALYSIS_MAX_WORD;
	int			count = 0;

	TextIndexOpen(&index, "_search_word", "_search_word_idx", snapshot);
	SeekBeginning(&index, VARDATA_ANY(beginning), VARSIZE_ANY_EXHDR(beginning));
	for (int scanned = 0; scanned < MAX_SCANNED && TextIndexNext(&index); scanned++)
	{
		if (VARSIZE_ANY_EXHDR(TextIndexText(&index)) > longest)
			continue;
		if (count == capacity)
		{
			count = Shorten(words, count, capacity / 4);
			longest = VARSIZE_ANY_EXHDR(words[count - 1].form);
		}
		CopyEntry(&index, &words[count++]);
	}
	TextIndexClose(&index);
	*result = words;
	return DropDoubles(words, Shorten(words, count, count), limit);
}

/* A word as characters, for comparison. */
typedef struct Letters
{
	int			count;
	uint32		set;			/* which there are, some as one */
	pg_wchar	letters[ANALYSIS_MAX_WORD + 1];
} Letters;

/* Read the characters of a form; false if it is too long. */
static bool
ReadLetters(Letters *letters, const text *form)
{
	if (VARSIZE_ANY_EXHDR(form) > ANALYSIS_MAX_WORD)
		return false;
	letters->count = pg_mb2wchar_with_len(VARDATA_ANY(form), letters->letters, VARSIZE_ANY_EXHDR(form));
	letters->set = 0;
	for (int i = 0; i < letters->count; i++)
		letters->set |= (uint32) 1 << (letters->letters[i] & 31);
	return true;
}

/*
 * How many letters must be added, left out, changed or swapped with the next to make
 * one word of the other (optimal string alignment); more than limit is limit + 1.
 */
static int
Distance(const Letters *a, const Letters *b, int limit)
{
	int			rows[3][ANALYSIS_MAX_WORD + 1];
	int		   *before = rows[0];
	int		   *last = rows[1];
	int		   *row = rows[2];

	if (abs(a->count - b->count) > limit || pg_popcount32(a->set ^ b->set) > 2 * limit)
		return limit + 1;
	for (int j = 0; j <= b->count; j++)
		last[j] = j;
	for (int i = 1; i <= a->count; i++)
	{
		int			least = row[0] = i;
		int		   *oldest = before;

		for (int j = 1; j <= b->count; j++)
		{
			bool		same = a->letters[i - 1] == b->letters[j - 1];

			row[j] = Min(Min(last[j], row[j - 1]) + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && a->letters[i - 1] == b->letters[j - 2] && a->letters[i - 2] == b->letters[j - 1])
				row[j] = Min(row[j], before[j - 2] + 1);
			least = Min(least, row[j]);
		}
		if (least > limit)
			return limit + 1;
		before = last;
		last = row;
		row = oldest;
	}
	return Min(last[b->count], limit + 1);
}

/* The nearest words so far. */
typedef struct Nearest
{
	Letters		wanted;
	int			distance;		/* of those kept; at first one more than allowed */
	int			count;
	VocabularyWord words[MAX_NEAREST];
} Nearest;

/* Look for nearer words among those that begin with some bytes. */
static void
LookAmong(TextIndex *index, Nearest *nearest, const char *data, int length)
{
	SeekBeginning(index, data, length);
	while (TextIndexNext(index))
	{
		const text *form = TextIndexText(index);
		Letters		letters;
		int			distance;

		if (!ReadLetters(&letters, form))
			continue;
		distance = Distance(&nearest->wanted, &letters, nearest->distance);
		if (distance == 0 || distance > nearest->distance || (distance == nearest->distance && nearest->count == 0))
			continue;
		if (distance < nearest->distance)
			nearest->count = 0;
		nearest->distance = distance;
		if (nearest->count == MAX_NEAREST)
			continue;
		CopyEntry(index, &nearest->words[nearest->count++]);
	}
}

/* The word of some item that is nearest to a form. */
bool
VocabularyNearest(WordReader *reader, Snapshot snapshot, const text *form, VocabularyWord *nearest)
{
	Nearest    *found = palloc0(sizeof(Nearest));
	TextIndex	index;
	int64		most = 0;

	if (!ReadLetters(&found->wanted, form) || found->wanted.count < 3)
		return false;
	found->distance = found->wanted.count > 5 ? 3 : 2;
	TextIndexOpen(&index, "_search_word", "_search_word_idx", snapshot);
	LookAmong(&index, found, VARDATA_ANY(form), pg_mblen(VARDATA_ANY(form)));
	if (found->count == 0)
		LookAmong(&index, found, "", 0);
	TextIndexClose(&index);
	for (int i = 0; i < found->count; i++)
	{
		int64		items = WordListCount(reader, found->words[i].word);

		if (items > most)
		{
			most = items;
			*nearest = found->words[i];
		}
	}
	return most > 0;
}
