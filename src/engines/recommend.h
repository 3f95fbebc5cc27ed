/*
 * recommend.h
 *		What to show next: recommend, similar_items, trending, bought_together.
 */
#ifndef PERSONALIZE_RECOMMEND_H
#define PERSONALIZE_RECOMMEND_H

extern void RecommendInit(void);

#endif
