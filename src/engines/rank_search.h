/*
 * rank_search.h
 *		Search results that somebody has found, in the order that suits a person.
 */
#ifndef PERSONALIZE_RANK_SEARCH_H
#define PERSONALIZE_RANK_SEARCH_H

extern void RankSearchInit(void);

#endif
