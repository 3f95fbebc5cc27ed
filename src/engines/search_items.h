/*
 * search_items.h
 *		A search of the catalogue, in the order that suits a person.
 */
#ifndef PERSONALIZE_SEARCH_ITEMS_H
#define PERSONALIZE_SEARCH_ITEMS_H

extern void SearchItemsInit(void);

#endif
