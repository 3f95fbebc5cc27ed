/*
 * message_id.h
 *		Ids for messages that come without one.
 */
#ifndef PERSONALIZE_MESSAGE_ID_H
#define PERSONALIZE_MESSAGE_ID_H

#include "postgres.h"

/* True if this is the id that was made last, in this session. */
extern bool MessageIdIsLast(const char *id, int length);

#endif
