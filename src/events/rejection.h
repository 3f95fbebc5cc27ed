/*
 * rejection.h
 *		What becomes of a message that is not acceptable.
 */
#ifndef PERSONALIZE_REJECTION_H
#define PERSONALIZE_REJECTION_H

#include "events/ingest.h"

/* personalize.on_bad_row */
typedef enum OnBadRow
{
	ON_BAD_ROW_SET_ASIDE,
	ON_BAD_ROW_ERROR
} OnBadRow;

extern int	personalize_on_bad_row;

/* Raise what is wrong with the first rejected message of a batch, if there is one. */
extern void RejectionRaise(const IngestBatch *batch);

/* Called once when the library is loaded. */
extern void RejectionInit(void);

#endif
