/*
 * reset.h
 *		Emptying a test database between tests.
 */
#ifndef PERSONALIZE_RESET_H
#define PERSONALIZE_RESET_H

/* Called once when the library is loaded. */
extern void ResetInit(void);

#endif
