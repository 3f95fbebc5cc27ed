/*
 * drop_guard.h
 *		Drops by mistake.
 */
#ifndef PERSONALIZE_DROP_GUARD_H
#define PERSONALIZE_DROP_GUARD_H

/* Called once when the library is loaded. */
extern void DropGuardInit(void);

#endif
