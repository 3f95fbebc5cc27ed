/*
 * words.h
 *		The words of a text.
 */
#ifndef PERSONALIZE_WORDS_H
#define PERSONALIZE_WORDS_H

#include "postgres.h"

/* What is done with a word, in the server's encoding. */
typedef void (*WordCallback) (void *argument, const char *word, int length);

/* A text in lower case by rules that do not depend on the database's locale, if the server has ICU. */
extern char *WordsLower(const char *text, int length);

/* Give each word of a text, in lower case, to the callback; the text may be cut at maxBytes. */
extern void WordsEach(const char *text, int length, int maxBytes, WordCallback callback, void *argument);

#endif
