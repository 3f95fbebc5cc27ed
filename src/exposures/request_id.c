/*
 * request_id.c
 *		Ids of answers, which say where the answer came from.
 *
 * An id is a uuid of version 8 (RFC 9562, section 5.8: for uses of one's own): 40
 * random bits, 58 bits of origin and 24 check bits, a hash of the others under a key of the
 * database's secret.  So an engine has nothing to write down for an answer, and one
 * that a standby gave is known to the primary.  An id that was made up passes once in
 * 16 million times.
 *
 *		octets 0 to 5	random (40), origin (8)
 *		octets 6 to 7	version (4), origin (12)
 *		octets 8 to 15	variant of uuid (2), origin (38), check (24)
 */
#include "postgres.h"

#include "exposures/request_id.h"

#include <math.h>

#include "base/counter.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "compat.h"
#include "events/ingest.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_request_origin);
PG_FUNCTION_INFO_V1(personalize_engine_name);
PG_FUNCTION_INFO_V1(personalize_reason_name);

/* Widths of the parts of a packed origin, the lowest first. */
#define PROPENSITY_BITS 8
#define REASON_BITS 6
#define PLACE_BITS 4
#define MODULE_BITS 18
#define VARIANT_BITS 15
#define ASSIGNED_BITS 1
#define ENGINE_BITS 6
#define ORIGIN_BITS (PROPENSITY_BITS + REASON_BITS + PLACE_BITS + MODULE_BITS + VARIANT_BITS + ASSIGNED_BITS + ENGINE_BITS)
StaticAssertDecl(ORIGIN_BITS == 58, "the origin fits into the id");
StaticAssertDecl(REQUEST_MAX_MODULE < 1 << MODULE_BITS, "modules fit");
StaticAssertDecl(REQUEST_MAX_CODE < 1 << REASON_BITS && REQUEST_MAX_CODE < 1 << ENGINE_BITS, "codes fit");

/* Of an origin, so many bits stand in the last eight octets. */
#define LOW_ORIGIN_BITS 38

/* Propensities are kept as -log2 in sixteenths. */
#define PROPENSITY_STEPS 16.0

#define CHECK_BYTES 3
#define CHECKED_BYTES (UUID_LEN - CHECK_BYTES)

static const char *engineNames[REQUEST_MAX_CODE + 1];
static const char *reasonNames[REQUEST_MAX_CODE + 1];

/* Note the name of a code. */
static void
NoteName(const char **names, int code, const char *name, const char *what)
{
	if (code < 1 || code > REQUEST_MAX_CODE)
		elog(ERROR, "%s \"%s\" has code %d, which is not between 1 and %d", what, name, code, REQUEST_MAX_CODE);
	if (names[code] != NULL)
		elog(ERROR, "%s \"%s\" has code %d of \"%s\"", what, name, code, names[code]);
	names[code] = name;
}

void
RequestNameEngine(int code, const char *name)
{
	NoteName(engineNames, code, name, "engine");
}

void
RequestNameReason(int code, const char *name)
{
	NoteName(reasonNames, code, name, "reason");
}

/* The name of an engine; NULL: none has the code. */
static const char *
EngineName(int code)
{
	return code < 0 || code > REQUEST_MAX_CODE ? NULL : engineNames[code];
}

/* That of a reason. */
static const char *
ReasonName(int code)
{
	return code < 0 || code > REQUEST_MAX_CODE ? NULL : reasonNames[code];
}

int
RequestEngineCode(const char *name)
{
	for (int code = 1; code <= REQUEST_MAX_CODE; code++)
		if (engineNames[code] != NULL && strcmp(engineNames[code], name) == 0)
			return code;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("engine \"%s\" does not exist", name)));
}

int
RequestReasonCode(const char *name, int length)
{
	for (int code = 1; code <= REQUEST_MAX_CODE; code++)
	{
		if (reasonNames[code] != NULL && (int) strlen(reasonNames[code]) == length &&
			memcmp(reasonNames[code], name, length) == 0)
			return code;
	}
	return 0;
}

/* Put a number into the next bits of a packed origin. */
static void
PackBits(uint64 *packed, int *at, uint64 value, int bits)
{
	Assert(value < UINT64CONST(1) << bits);
	*packed |= value << *at;
	*at += bits;
}

/* Take the next bits of a packed origin. */
static uint64
UnpackBits(uint64 packed, int *at, int bits)
{
	uint64		value = (packed >> *at) & ((UINT64CONST(1) << bits) - 1);

	*at += bits;
	return value;
}

/* An origin as a number above 0. */
static int64
PackOrigin(const RequestOrigin *origin)
{
	double		steps = -log2(origin->propensity) * PROPENSITY_STEPS;
	uint64		packed = 0;
	int			at = 0;

	if (origin->engine < 1 || origin->engine > REQUEST_MAX_CODE)
		elog(ERROR, "an answer of engine %d", origin->engine);
	if (!(origin->propensity > 0 && origin->propensity <= 1))
		elog(ERROR, "propensity %g is not above 0 and at most 1", origin->propensity);
	PackBits(&packed, &at, (uint64) rint(Min(steps, 255)), PROPENSITY_BITS);
	PackBits(&packed, &at, origin->reason, REASON_BITS);
	PackBits(&packed, &at, origin->placeBucket, PLACE_BITS);
	PackBits(&packed, &at, origin->module, MODULE_BITS);
	PackBits(&packed, &at, origin->variant, VARIANT_BITS);
	PackBits(&packed, &at, origin->assigned, ASSIGNED_BITS);
	PackBits(&packed, &at, origin->engine, ENGINE_BITS);
	return (int64) packed;
}

/* The least origin of an engine's answers. */
int64
RequestFirstOrigin(int engine)
{
	RequestOrigin origin = {.engine = engine,.propensity = 1};

	return engine == 0 ? 0 : engine > REQUEST_MAX_CODE ? PG_INT64_MAX : PackOrigin(&origin);
}

/* And back. */
void
RequestOriginUnpack(int64 packed, RequestOrigin *origin)
{
	int			at = 0;

	origin->propensity = exp2(UnpackBits(packed, &at, PROPENSITY_BITS) / -PROPENSITY_STEPS);
	origin->reason = UnpackBits(packed, &at, REASON_BITS);
	origin->placeBucket = UnpackBits(packed, &at, PLACE_BITS);
	origin->module = UnpackBits(packed, &at, MODULE_BITS);
	origin->variant = UnpackBits(packed, &at, VARIANT_BITS);
	origin->assigned = UnpackBits(packed, &at, ASSIGNED_BITS);
	origin->engine = UnpackBits(packed, &at, ENGINE_BITS);
}

/* Write the lowest bytes of a number, the most significant first. */
static void
PutBytes(uint8 *data, uint64 value, int count)
{
	for (int i = count - 1; i >= 0; i--, value >>= 8)
		data[i] = (uint8) value;
}

/* Read such a number. */
static uint64
GetBytes(const uint8 *data, int count)
{
	uint64		value = 0;

	for (int i = 0; i < count; i++)
		value = value << 8 | data[i];
	return value;
}

/* The check bits that go with the rest of an id. */
static void
ComputeCheck(const pg_uuid_t *id, uint8 check[CHECK_BYTES])
{
	static SecretKey key = {.label = "request"};

	PutBytes(check, SecretHash(&key, id->data, CHECKED_BYTES), CHECK_BYTES);
}

/* Take random bytes, of which many are made at once: that takes as long as for few. */
static void
TakeRandom(uint8 *bytes, int count)
{
	static uint8 pool[250];
	static int	left = 0;

	if (left < count)
	{
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		left = sizeof(pool);
	}
	left -= count;
	memcpy(bytes, pool + left, count);
}

/* Make an id. */
void
RequestIdMake(pg_uuid_t *id, const RequestOrigin *origin)
{
	uint64		packed = (uint64) PackOrigin(origin);

	TakeRandom(id->data, 5);
	id->data[5] = (uint8) (packed >> 50);
	PutBytes(id->data + 6, 0x8000 | ((packed >> LOW_ORIGIN_BITS) & 0xfff), 2);
	PutBytes(id->data + 8, UINT64CONST(0x8000000000) | (packed & ((UINT64CONST(1) << LOW_ORIGIN_BITS) - 1)), 5);
	ComputeCheck(id, id->data + CHECKED_BYTES);
}

/* Read an id; false if it was not made in this database. */
static bool
ReadId(const pg_uuid_t *id, RequestOrigin *origin)
{
	uint8		check[CHECK_BYTES];
	uint64		packed;

	if ((id->data[6] & 0xf0) != 0x80 || (id->data[8] & 0xc0) != 0x80)
		return false;
	ComputeCheck(id, check);
	if (memcmp(id->data + CHECKED_BYTES, check, CHECK_BYTES) != 0)
		return false;
	packed = (uint64) id->data[5] << 50 |
		(GetBytes(id->data + 6, 2) & 0xfff) << LOW_ORIGIN_BITS |
		(GetBytes(id->data + 8, 5) & ((UINT64CONST(1) << LOW_ORIGIN_BITS) - 1));
	RequestOriginUnpack((int64) packed, origin);
	return true;
}

/* The name of a code as a text, or its number if it is not known. */
static text *
NameOrNumber(const char *name, int code)
{
	return cstring_to_text(name ? name : psprintf("%d", code));
}

/* Columns of request_origin(). */
typedef enum OriginColumn
{
	ORIGIN_ENGINE,
	ORIGIN_VARIANT,
	ORIGIN_MODULE,
	ORIGIN_PLACE_BUCKET,
	ORIGIN_REASON,
	ORIGIN_PROPENSITY
} OriginColumn;
#define ORIGIN_COLUMNS (ORIGIN_PROPENSITY + 1)

/* request_origin(request_id): a row of NULLs if it is not one of ours. */
Datum
personalize_request_origin(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	RequestOrigin origin;
	Datum		values[ORIGIN_COLUMNS] = {0};
	bool		nulls[ORIGIN_COLUMNS];
	const char *reason;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, !ReadId(PG_GETARG_UUID_P(0), &origin), sizeof(nulls));
	if (!nulls[ORIGIN_ENGINE])
	{
		reason = ReasonName(origin.reason);
		values[ORIGIN_ENGINE] = PointerGetDatum(NameOrNumber(EngineName(origin.engine), origin.engine));
		values[ORIGIN_VARIANT] = Int32GetDatum(origin.variant);
		values[ORIGIN_MODULE] = Int32GetDatum(origin.module);
		values[ORIGIN_PLACE_BUCKET] = Int16GetDatum(origin.placeBucket);
		nulls[ORIGIN_REASON] = reason == NULL;
		if (reason != NULL)
			values[ORIGIN_REASON] = CStringGetTextDatum(reason);
		values[ORIGIN_PROPENSITY] = Float8GetDatum(origin.propensity);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* _engine_name(code) */
Datum
personalize_engine_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(NameOrNumber(EngineName(PG_GETARG_INT16(0)), PG_GETARG_INT16(0)));
}

/* _reason_name(code) */
Datum
personalize_reason_name(PG_FUNCTION_ARGS)
{
	int			code = PG_GETARG_INT16(0);

	PG_RETURN_TEXT_P(NameOrNumber(code == 0 ? "several" : ReasonName(code), code));
}

/* What is counted of the ids that events name. */
static const char *const counterNames[] = {"request.own", "request.foreign"};
static int	firstCounter;

/* Read the id that an event names, and count it. */
static int64
ReadRequest(IngestString requestId)
{
	IdBytes		id = IdCanonical((IdBytes) {requestId.data, requestId.length});
	pg_uuid_t	uuid;
	RequestOrigin origin;
	bool		own = UuidParse(id.data, id.length, &uuid) && ReadId(&uuid, &origin);

	CounterAdd(firstCounter + !own, 1);
	return own ? PackOrigin(&origin) : 0;
}

/* Have ids read where events come in. */
void
RequestIdInit(void)
{
	firstCounter = CounterRegister(counterNames, lengthof(counterNames));
	IngestRegisterRequest(ReadRequest);
}
