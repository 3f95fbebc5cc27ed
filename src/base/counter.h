/*
 * counter.h
 *		Counts of what happened in this database since the server started.
 */
#ifndef PERSONALIZE_COUNTER_H
#define PERSONALIZE_COUNTER_H

#include "postgres.h"

/* As many counters there can be. */
#define COUNTER_MAX 1024

/*
 * Make counters known, in an Init: count of them, numbered from what is
 * returned.  The names must live as long as the process.
 */
extern int	CounterRegister(const char *const *names, int count);

/* Add to a counter. */
extern void CounterAdd(int counter, uint64 value);

extern void CounterInit(void);

#endif
