/*
 * examination.h
 *		How likely people look at what is shown at a place.
 */
#ifndef PERSONALIZE_EXAMINATION_H
#define PERSONALIZE_EXAMINATION_H

#include "postgres.h"

#include "exposures/attraction_counts.h"

/* What is known of it; probabilities are parts of that of the first place of a page. */
typedef struct Examination
{
	bool		fitted;			/* to pages of this database, else as shipped */
	double		ofBucket[ATTRACTION_PLACES];	/* of places, in buckets (EventSlotBucket) */
	double		rate;			/* how often what is looked at is clicked */
} Examination;

/* It stays until the end of the transaction. */
extern const Examination *ExaminationGet(void);

/* The same of one place of a page, from 1; 0: it was not told. */
extern double ExaminationOf(int place);

#endif
