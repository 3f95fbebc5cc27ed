/*
 * processor_store.h
 *		What must be known of the tables of processors, which hold nobody's data.
 */
#ifndef PERSONALIZE_PROCESSOR_STORE_H
#define PERSONALIZE_PROCESSOR_STORE_H

/* Called once when the library is loaded. */
extern void ProcessorStoreInit(void);

#endif
