/*
 * erasure_status.h
 *		How far an erasure has got.
 */
#ifndef PERSONALIZE_ERASURE_STATUS_H
#define PERSONALIZE_ERASURE_STATUS_H

#include "postgres.h"

/* Settings; see docs/settings.md. */
extern int	personalize_backup_retention;

/* Called once when the library is loaded. */
extern void ErasureStatusInit(void);

#endif
