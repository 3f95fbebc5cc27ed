/*
 * order_id.h
 *		Which order an event belongs to.
 */
#ifndef PERSONALIZE_ORDER_ID_H
#define PERSONALIZE_ORDER_ID_H

#include "postgres.h"

#include "events/event.h"
#include "events/ingest.h"

/* The order of an event, without blanks around it; false if none is named. */
extern bool OrderIdRead(const EventRow *row, IngestString *orderId);

#endif
