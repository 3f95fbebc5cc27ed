/*
 * search_store.h
 *		What must be known of the tables of search, which hold nobody's data.
 */
#ifndef PERSONALIZE_SEARCH_STORE_H
#define PERSONALIZE_SEARCH_STORE_H

/* Called once when the library is loaded. */
extern void SearchStoreInit(void);

#endif
