/*
 * vocabulary.h
 *		The words of the catalogue as they are written.
 */
#ifndef PERSONALIZE_VOCABULARY_H
#define PERSONALIZE_VOCABULARY_H

#include "postgres.h"

#include "search/word_list.h"

/* A word as it is written, and what the index has for it. */
typedef struct VocabularyWord
{
	text	   *form;
	text	   *word;
} VocabularyWord;

/* The shortest words that begin so, at most limit, palloc'd; returns how many. */
extern int	VocabularyComplete(Snapshot snapshot, const text *beginning, int limit, VocabularyWord **words);

/*
 * The word of some item that is nearest to a form: one letter more, less, other or
 * swapped with the next in short words, two in words of more than five letters; of
 * several the most frequent.  False: there is none.
 */
extern bool VocabularyNearest(WordReader *reader, Snapshot snapshot, const text *form, VocabularyWord *nearest);

#endif
