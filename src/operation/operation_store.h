/*
 * operation_store.h
 *		What must be known of the tables that operation keeps, which hold nobody's data.
 */
#ifndef PERSONALIZE_OPERATION_STORE_H
#define PERSONALIZE_OPERATION_STORE_H

/* Called once when the library is loaded. */
extern void OperationStoreInit(void);

#endif
