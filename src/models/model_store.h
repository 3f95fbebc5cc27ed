/*
 * model_store.h
 *		What must be known of the table of models.
 */
#ifndef PERSONALIZE_MODEL_STORE_H
#define PERSONALIZE_MODEL_STORE_H

/* Register it. */
extern void ModelStoreInit(void);

#endif
