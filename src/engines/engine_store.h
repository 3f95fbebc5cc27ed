/*
 * engine_store.h
 *		What must be known of the tables that engines keep, which hold nobody's data.
 */
#ifndef PERSONALIZE_ENGINE_STORE_H
#define PERSONALIZE_ENGINE_STORE_H

extern void EngineStoreInit(void);

#endif
