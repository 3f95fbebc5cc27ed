/*
 * request_id.h
 *		Ids of answers, which say where the answer came from.
 */
#ifndef PERSONALIZE_REQUEST_ID_H
#define PERSONALIZE_REQUEST_ID_H

#include "postgres.h"

#include "utils/uuid.h"

/* Codes of engines and reasons run from 1 to this; 0 is none, or several. */
#define REQUEST_MAX_CODE 63

/* Parts of pages have numbers up to this. */
#define REQUEST_MAX_MODULE 262143

/* Where an answer came from. */
typedef struct RequestOrigin
{
	int			engine;			/* code of the engine */
	uint16		variant;		/* engine_variant.variant; 0: as shipped */
	bool		assigned;		/* an experiment has assigned it */
	int32		module;			/* part of a page; 0: none */
	int			placeBucket;	/* SlotBucket of the answer's place on the page; 0: not told */
	int			reason;			/* code of the one reason of all its rows; 0: several */
	double		propensity;		/* chance with which this answer was drawn, 1: it was certain */
} RequestOrigin;

/* Make an id; a propensity is kept to 2.2 %, and one below 1/62,000 as that. */
extern void RequestIdMake(pg_uuid_t *id, const RequestOrigin *origin);

/* The origin of its number, which is above 0. */
extern void RequestOriginUnpack(int64 packed, RequestOrigin *origin);

/*
 * The least origin of an engine's answers: they are all below that of the next code.  0 for
 * code 0, which stands for what is no answer.
 */
extern int64 RequestFirstOrigin(int engine);

/* Make the code of an engine, or of a reason, known, in an Init; codes are never given twice. */
extern void RequestNameEngine(int code, const char *name);
extern void RequestNameReason(int code, const char *name);

/* The code of an engine, or an error; that of a reason, 0: there is none. */
extern int	RequestEngineCode(const char *name);
extern int	RequestReasonCode(const char *name, int length);

/* Called once when the library is loaded. */
extern void RequestIdInit(void);

#endif
