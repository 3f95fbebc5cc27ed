/*
 * admission.h
 *		What may be in an answer.
 */
#ifndef PERSONALIZE_ADMISSION_H
#define PERSONALIZE_ADMISSION_H

#include "postgres.h"

#include "engines/admission_tell.h"
#include "engines/context.h"

/* What a condition costs to ask. */
typedef enum AdmissionCost
{
	ADMISSION_CHEAP,			/* the call and what it holds tell */
	ADMISSION_COSTLY			/* the catalogue must be read */
} AdmissionCost;

/* What a condition goes by. */
typedef enum AdmissionSubject
{
	ADMISSION_OF_ANSWER,		/* what it holds already */
	ADMISSION_OF_SHOP,			/* the catalogue, and rules */
	ADMISSION_OF_PERSON,
	ADMISSION_OF_CALL
} AdmissionSubject;

/* True if the conditions of this cost admit the item. */
extern bool Admits(EngineContext *context, int64 itemKey, AdmissionCost cost);

/* Ask the conditions on a subject one by one; returns how many verdicts, palloc'd. */
extern int	AdmissionTell(EngineContext *context, int64 itemKey, AdmissionSubject subject,
						  AdmissionVerdict **verdicts);

#endif
