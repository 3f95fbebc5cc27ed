/*
 * postgres.h
 *		As much of the server's header as src/base/txid_snapshot.c needs.
 */
#ifndef MODEL_POSTGRES_H
#define MODEL_POSTGRES_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t int32;
typedef int64_t int64;
typedef uint64_t uint64;

#define UINT64CONST(x) UINT64_C(x)
#define Assert(condition) assert(condition)
#define Min(a, b) ((a) < (b) ? (a) : (b))

/* What one step of the model allocates is gone with the next. */
extern void *palloc(size_t size);
extern void *palloc0(size_t size);

#endif
