/*
 * cohort.h
 *		How many people inferred signals are about, anonymously.
 */
#ifndef PERSONALIZE_COHORT_H
#define PERSONALIZE_COHORT_H

/* Called once when the library is loaded. */
extern void CohortInit(void);
extern void CohortStoreInit(void);

#endif
