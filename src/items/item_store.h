/*
 * item_store.h
 *		What must be done about people for the tables of items and their statistics.
 */
#ifndef PERSONALIZE_ITEM_STORE_H
#define PERSONALIZE_ITEM_STORE_H

/* Called once when the library is loaded. */
extern void ItemStoreInit(void);

#endif
