/*
 * search_quality.h
 *		Features of searches that are looked up only where they count.
 */
#ifndef PERSONALIZE_SEARCH_QUALITY_H
#define PERSONALIZE_SEARCH_QUALITY_H

#include "postgres.h"

#include "engines/search_question.h"

/* How a query's words are in an item: what the text's score is made of. */
extern void FillCoverage(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillNameCoverage(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillNameShare(EngineContext *context, const Slate *slate, double *column, int stride);

/* How good an item is: what the catalogue says, and how often it is bought. */
extern void FillRating(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillReviews(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillPopularity(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillStock(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillMargin(EngineContext *context, const Slate *slate, double *column, int stride);
extern void FillConversion(EngineContext *context, const Slate *slate, double *column, int stride);

#endif
