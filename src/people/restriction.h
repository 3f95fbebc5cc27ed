/*
 * restriction.h
 *		People whose data is kept but may not be used for some purposes.
 */
#ifndef PERSONALIZE_RESTRICTION_H
#define PERSONALIZE_RESTRICTION_H

#include "postgres.h"

#include "fmgr.h"

/* The purposes a person's data is restricted for, as the active snapshot sees it. */
extern int32 RestrictionOf(int64 userKey);

/* Error unless a call of one of the functions that know it is part of a plan, about columns. */
extern void RestrictionCheckCall(FmgrInfo *function);

#endif
