/*
 * experiment_store.h
 *		What must be known of the tables of experiments; force_variant().
 */
#ifndef PERSONALIZE_EXPERIMENT_STORE_H
#define PERSONALIZE_EXPERIMENT_STORE_H

extern void ExperimentStoreInit(void);

#endif
