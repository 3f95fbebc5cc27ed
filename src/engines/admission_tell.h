/*
 * admission_tell.h
 *		Why conditions admit an item or not, in words, and what would change it.
 */
#ifndef PERSONALIZE_ADMISSION_TELL_H
#define PERSONALIZE_ADMISSION_TELL_H

#include "postgres.h"

#include "engines/context.h"

/* What a condition says of an item, in words. */
typedef struct AdmissionVerdict
{
	const char *gate;
	bool		admits;
	char	   *detail;
	char	   *fix;			/* the call that changes it; NULL: none is needed, or known */
} AdmissionVerdict;

/* For the conditions in admission.c: verdict->admits is known. */
extern void AdmissionTellAvailable(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellHidden(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellRule(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellPreference(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellFilter(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellCandidates(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellExclude(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellSeen(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);
extern void AdmissionTellBought(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict);

#endif
