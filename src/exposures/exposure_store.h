/*
 * exposure_store.h
 *		What must be done about people for the tables of exposures.
 */
#ifndef PERSONALIZE_EXPOSURE_STORE_H
#define PERSONALIZE_EXPOSURE_STORE_H

/* Called once when the library is loaded. */
extern void ExposureStoreInit(void);

#endif
