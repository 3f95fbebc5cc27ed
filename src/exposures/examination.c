/*
 * examination.c
 *		How likely people look at what is shown at a place.
 *
 * As shipped, a place is looked at slot^-0.9 as often as the first.
 */
#include "postgres.h"

#include "exposures/examination.h"

#include <math.h>

/*
 * Of the places of a bucket their geometric middle; of what was not told the mean of the
 * first ten.
 */
static const Examination shipped = {
	.ofBucket = {0.322, 1, 0.536, 0.372, 0.287, 0.190, 0.107, 0.0587, 0.0305},
	.rate = 0.05
};

/* What is known. */
const Examination *
ExaminationGet(void)
{
	return &shipped;
}

/* The same of one place of a page. */
double
ExaminationOf(int place)
{
	return place <= 0 ? shipped.ofBucket[0] : pow(place, -0.9);
}
