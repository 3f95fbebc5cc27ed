/*
 * progress.h
 *		How far a long statement is, for others to see.
 */
#ifndef PERSONALIZE_PROGRESS_H
#define PERSONALIZE_PROGRESS_H

#include "postgres.h"

/* Begin, about so many units; it ends with the transaction. */
extern void ProgressBegin(const char *task, const char *unit, int64 total);

/* So many more are done; the total grows if it was too small. */
extern void ProgressAdd(int64 done);

/* Called once when the library is loaded. */
extern void ProgressInit(void);

#endif
