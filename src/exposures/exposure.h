/*
 * exposure.h
 *		What was shown to people, and what they did then: taking people out, and back in.
 */
#ifndef PERSONALIZE_EXPOSURE_H
#define PERSONALIZE_EXPOSURE_H

#include "postgres.h"

/*
 * Take what a person has added to the counters out of them (times -1), or add it
 * again (1).  The caller holds the person's stripe exclusively; reads under the
 * active snapshot.
 */
extern void ExposureCountPerson(int64 userKey, int times);

/* Called once when the library is loaded. */
extern void ExposureInit(void);

#endif
