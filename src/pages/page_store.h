/*
 * page_store.h
 *		What must be known of the tables that pages keep, which hold nobody's data.
 */
#ifndef PERSONALIZE_PAGE_STORE_H
#define PERSONALIZE_PAGE_STORE_H

extern void PageStoreInit(void);

#endif
