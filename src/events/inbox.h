/*
 * inbox.h
 *		The foreign table inbox: events by INSERT and COPY.
 */
#ifndef PERSONALIZE_INBOX_H
#define PERSONALIZE_INBOX_H

/* Called once when the library is loaded. */
extern void InboxInit(void);

#endif
