/*
 * analysis.h
 *		A text becomes words that can be compared: of items and queries alike.
 */
#ifndef PERSONALIZE_ANALYSIS_H
#define PERSONALIZE_ANALYSIS_H

#include "postgres.h"

/* A word: as it is written, in lower case and without accents; and its stem. */
typedef struct AnalysedWord
{
	const char *form;
	int			formLength;
	const char *word;
	int			wordLength;
} AnalysedWord;

/* The longest word that is told from longer ones that begin with it, in bytes. */
#define ANALYSIS_MAX_WORD 64

typedef struct Language Language;

/*
 * A language by its name: simple, or one of the server's full text search; an error
 * if it has none of that name.  Kept for the life of the backend.
 */
extern const Language *LanguageFind(const char *name);

/* Give each word of a text to the callback; words live until it returns. */
typedef void (*AnalysisCallback) (void *argument, const AnalysedWord *word);
extern void AnalysisEach(const Language *language, const char *data, int length, int maxBytes,
						 AnalysisCallback callback, void *argument);

#endif
