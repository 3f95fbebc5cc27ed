/*
 * placement.h
 *		Items that rules give a place: slots for promotions, and pins.
 */
#ifndef PERSONALIZE_PLACEMENT_H
#define PERSONALIZE_PLACEMENT_H

#include "postgres.h"

#include "engines/slate.h"

typedef struct Placement Placement;

/* The items that rules name and that may be in the answer; NULL: no rule places any. */
extern Placement *PlacementBegin(EngineContext *context);

/*
 * Make the answer of the first chosen items that are taken, with what has a place; the rest
 * of those taken is where promotions are looked for first.
 */
extern void PlacementFinish(Placement *placement, Slate *slate, int chosen);

extern void PlacementInit(void);

#endif
