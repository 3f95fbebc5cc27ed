/*
 * choice.h
 *		What to say when a name is none of those there are.
 */
#ifndef PERSONALIZE_CHOICE_H
#define PERSONALIZE_CHOICE_H

#include "postgres.h"

/*
 * A hint, palloc'd: the nearest name, if one is near, and all there are.  kinds: what they
 * are, as the hint calls them.
 */
extern char *ChoiceHint(const char *given, const char *kinds, const char *const *names, int count);

/* The place of a name in a list; -1: it is not there. */
extern int	ChoiceFind(const char *given, const char *const *names, int count);

#endif
