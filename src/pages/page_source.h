/*
 * page_source.h
 *		Where the items of a page's modules come from.
 */
#ifndef PERSONALIZE_PAGE_SOURCE_H
#define PERSONALIZE_PAGE_SOURCE_H

extern void PageSourceInit(void);

#endif
