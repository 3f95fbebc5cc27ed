/*
 * maintenance.h
 *		What workers do about the days of event.
 */
#ifndef PERSONALIZE_MAINTENANCE_H
#define PERSONALIZE_MAINTENANCE_H

/* Called once when the library is loaded. */
extern void MaintenanceInit(void);

#endif
