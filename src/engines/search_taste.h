/*
 * search_taste.h
 *		How much more of what a person does is about a category than of what everybody does.
 */
#ifndef PERSONALIZE_SEARCH_TASTE_H
#define PERSONALIZE_SEARCH_TASTE_H

#include "postgres.h"

#include "engines/search_question.h"

/* The logarithm of that, of the category of each candidate; 0 of one without a category. */
extern void FillTaste(EngineContext *context, const Slate *slate, double *column, int stride);

#endif
