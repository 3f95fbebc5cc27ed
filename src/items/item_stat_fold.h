/*
 * item_stat_fold.h
 *		When the hours of item_stat become days.
 */
#ifndef PERSONALIZE_ITEM_STAT_FOLD_H
#define PERSONALIZE_ITEM_STAT_FOLD_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Panes that start before this are days, those from here on hours; DT_NOBEGIN: all are hours. */
extern TimestampTz ItemStatFoldedBefore(void);

/*
 * Fold the hours of days that ended by then into days, a month of them at most;
 * *all says whether that was all.  Returns how many rows there were of them (dryRun: are).
 * The caller holds the processor's locks and has set a fresh snapshot.
 */
extern int64 ItemStatFold(TimestampTz before, bool dryRun, bool *all);

#endif
