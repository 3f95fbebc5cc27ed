/*
 * admission.h
 *		What may be in an answer.
 */
#ifndef PERSONALIZE_ADMISSION_H
#define PERSONALIZE_ADMISSION_H

#include "postgres.h"

#include "engines/context.h"

/* What a condition costs to ask. */
typedef enum AdmissionCost
{
	ADMISSION_CHEAP,			/* the call and what it holds tell */
	ADMISSION_COSTLY			/* the catalogue must be read */
} AdmissionCost;

/* True if the conditions of this cost admit the item. */
extern bool Admits(EngineContext *context, int64 itemKey, AdmissionCost cost);

#endif
