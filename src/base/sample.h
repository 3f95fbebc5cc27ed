/*
 * sample.h
 *		Samples that a backend takes for the planner and uses for a minute.
 */
#ifndef PERSONALIZE_SAMPLE_H
#define PERSONALIZE_SAMPLE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* What is sampled, and for whom. */
typedef struct SampleKey
{
	const void *of;				/* something that is registered */
	const void *part;			/* which part of that; NULL: there are none */
	Oid			relation;
	Oid			reader;			/* InvalidOid: anybody */
	int32		readers;		/* on what else it depends who reads */
} SampleKey;

/* A sample. */
typedef struct Sample
{
	SampleKey	key;
	TimestampTz takenAt;
	MemoryContext context;		/* of all this */
	void	   *found;			/* lies there; NULL: nothing was found */
} Sample;

/*
 * What a sample has found, valid until the statement ends; NULL: nothing, also if it could not be
 * taken.  take(sample) takes it, in a subtransaction that is undone.  Under an active snapshot.
 */
extern void *SampleGet(const SampleKey *key, const char *name, bool (*take) (void *sample));

/* How many per cent of a table's pages, of a partitioned table of all partitions', are looked at; the caller has connected. */
extern float4 SampleSharePercent(Oid table);

/* Lock a table and its partitions, until the (sub)transaction ends; false if that is to be waited for. */
extern bool SampleLockAll(Oid table);

#endif
