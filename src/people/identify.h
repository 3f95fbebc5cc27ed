/*
 * identify.h
 *		Saying that ids are of one person.
 */
#ifndef PERSONALIZE_IDENTIFY_H
#define PERSONALIZE_IDENTIFY_H

/* Called once when the library is loaded. */
extern void IdentifyInit(void);

#endif
