/*
 * refused_id.h
 *		What programs write where they have no id.
 */
#ifndef PERSONALIZE_REFUSED_ID_H
#define PERSONALIZE_REFUSED_ID_H

#include "postgres.h"

#include "base/id.h"

/* True if a tidy id is on the list, as that of a person or of anything else. */
extern bool RefusedIdIsListed(IdBytes id, bool ofPerson);

/* Raise if a tidy id cannot be a person's. */
extern void RefusedIdCheckPerson(const text *userId);

/* What to do about it, for a hint. */
#define REFUSED_ID_HINT "Such words stand where a program has no id; personalize.refused_id lists them and can be changed."

/* Called once when the library is loaded. */
extern void RefusedIdInit(void);

#endif
