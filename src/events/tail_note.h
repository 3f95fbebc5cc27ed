/*
 * tail_note.h
 *		What each transaction adds to the ring of the newest events.
 */
#ifndef PERSONALIZE_TAIL_NOTE_H
#define PERSONALIZE_TAIL_NOTE_H

#include "postgres.h"

#include "events/tail_ring.h"
#include "utils/relcache.h"

extern void TailNoteInit(void);

/* True if rows that are written into partitions are to be noted. */
extern bool TailNoteWants(void);

/* Note rows that this transaction has written into a partition. */
extern void TailNoteAdd(Relation partition, const TailEvent *events, int count);

#endif
