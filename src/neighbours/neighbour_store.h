/*
 * neighbour_store.h
 *		What must be done for sessions and what is made of them.
 */
#ifndef PERSONALIZE_NEIGHBOUR_STORE_H
#define PERSONALIZE_NEIGHBOUR_STORE_H

/* Called once when the library is loaded. */
extern void NeighbourStoreInit(void);

#endif
