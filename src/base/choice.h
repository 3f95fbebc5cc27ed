/*
 * choice.h
 *		What a name may be, and what to say when it is none of those there are.
 */
#ifndef PERSONALIZE_CHOICE_H
#define PERSONALIZE_CHOICE_H

#include "postgres.h"

/*
 * A hint, palloc'd: the nearest name, if one is near, and those there are, of very many some.
 * kinds: what they are, as the hint calls them.
 */
extern char *ChoiceHint(const char *given, const char *kinds, const char *const *names, int count);

/* The first sentence of it alone, and a space; empty: none is near. */
extern char *ChoiceNearest(const char *given, const char *const *names, int count);

/* The place of a name in a list; -1: it is not there. */
extern int	ChoiceFind(const char *given, const char *const *names, int count);

/* True if somebody may name something so: not blank, not too long, no control characters. */
extern bool ChoiceIsName(const char *name, int maxBytes);

/* A name as it may stand in a message, palloc'd: cut if it is long. */
extern char *ChoiceShow(const char *name);

#endif
