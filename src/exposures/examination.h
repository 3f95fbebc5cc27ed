/*
 * examination.h
 *		How likely people look at what is shown at a place.
 */
#ifndef PERSONALIZE_EXAMINATION_H
#define PERSONALIZE_EXAMINATION_H

#include "postgres.h"

#include "exposures/attraction_counts.h"

/* What is fitted of a page: its first places. */
#define EXAMINATION_PLACES 32

/* What is known; probabilities are parts of that of the first place of a page. */
typedef struct Examination
{
	double		ofPlace[EXAMINATION_PLACES + 1];	/* 0: it was not told */
	double		ofBucket[ATTRACTION_PLACES];	/* the same of places in buckets (EventSlotBucket) */
	double		rate;			/* how often what is looked at is clicked */
} Examination;

/* It stays until the end of the transaction. */
extern const Examination *ExaminationGet(void);

/* The probability of one place, from 1; 0: it was not told. */
extern double ExaminationOf(const Examination *examination, int place);

/* As shipped: the place so many places below the top, or below the last click. */
extern double ExaminationShipped(int places);

/* Called once when the library is loaded. */
extern void ExaminationInit(void);

#endif
