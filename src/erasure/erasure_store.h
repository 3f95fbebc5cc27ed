/*
 * erasure_store.h
 *		What must be done for the tables that erasure and retention keep.
 */
#ifndef PERSONALIZE_ERASURE_STORE_H
#define PERSONALIZE_ERASURE_STORE_H

/* Called once when the library is loaded. */
extern void ErasureStoreInit(void);

#endif
