/*
 * kept_list.h
 *		Lists that are made of the item statistics and kept ready for engines.
 */
#ifndef PERSONALIZE_KEPT_LIST_H
#define PERSONALIZE_KEPT_LIST_H

#include "postgres.h"

/* A table of lists. */
typedef struct KeptList
{
	const char *name;			/* in _popular_state */
	const char *madeOf;			/* the table they are made of */
	void		(*write) (void);	/* make them anew, as the extension's owner, under SPI */
} KeptList;

/* Have lists kept; called from Init functions. */
extern void KeptListRegister(const KeptList *list);

/* Make the lists anew whose time it is; called after item statistics were written. */
extern void KeptListRefresh(void);

/* The same, for those that are older than the statistics. */
extern void KeptListRefreshIfDue(void);

/* Say that statistics were taken back: the lists are made anew at the next occasion. */
extern void KeptListSpoil(void);

#endif
