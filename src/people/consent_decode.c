/*
 * consent_decode.c
 *		consent_from: what a consent platform reported, as purposes allowed.
 *
 * For each source in a payload and each purpose the rows of consent_mapping are
 * asked, every one of which must find a value that it accepts.  A source that
 * has no rows for a purpose, or in which none of them finds anything, is silent
 * about it.  A purpose is allowed if some source allows it and none refuses.
 *
 * Rows of a shop's own replace those that are shipped, per source and purpose.
 */
#include "postgres.h"

#include "people/consent_decode.h"

#include "base/event_time.h"
#include "base/json_build.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "people/consent_mapping.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_consent_from);

/* Of a value that was not accepted so many bytes are shown. */
#define MAX_SHOWN_BYTES 64

/* What is found out about a purpose. */
typedef struct Verdict
{
	bool		refused;
	bool		allowed;		/* unless refused */
	const char *source;			/* whose word it is; NULL: nobody's */
	const char *reason;
	const char *detail;			/* or NULL */
} Verdict;

/* Note that a source refuses a purpose; the first to do so is quoted. */
static void
Refuse(Verdict *verdict, const ConsentSource *source, const char *reason, const char *detail)
{
	if (verdict->refused)
		return;
	verdict->refused = true;
	verdict->source = source->name;
	verdict->reason = reason;
	verdict->detail = detail;
}

/* Refuse a purpose because of what a row found. */
static void
RefuseFinding(Verdict *verdict, const ConsentSource *source, const ConsentFinding *finding)
{
	char	   *shown;

	if (!finding->found)
		Refuse(verdict, source, "missing", NULL);
	else if (finding->word == NULL)
		Refuse(verdict, source, "not_accepted", NULL);
	else if (!source->ownValues)
		Refuse(verdict, source, finding->word, NULL);
	else
	{
		shown = pnstrdup(finding->word, pg_mbcliplen(finding->word, strlen(finding->word), MAX_SHOWN_BYTES));
		Refuse(verdict, source, "not_accepted", psprintf("value \"%s\"", shown));
	}
}

/* Find out what a source says about a purpose. */
static void
Judge(const ConsentSource *source, int bit, const ConsentMapping *mapping, Verdict *verdict)
{
	bool		builtin = !ConsentMappingHas(mapping, source->name, bit, false);
	bool		speaks = false;
	bool		refuses = false;
	ConsentFinding refusal = {0};
	ConsentFinding last = {0};
	ListCell   *cell;

	if (source->document == NULL)
	{
		if (source->everything || !builtin || ConsentMappingHas(mapping, source->name, bit, true))
			Refuse(verdict, source, source->reason, source->detail);
		return;
	}
	foreach(cell, mapping->rows)
	{
		const ConsentMappingRow *row = lfirst(cell);

		if (row->bit != bit || row->builtin != builtin || strcmp(row->source, source->name) != 0)
			continue;
		last = ConsentMappingAsk(row, source->document);
		speaks = speaks || last.found;
		/* a value says more than that there is none */
		if (!last.accepted && (!refuses || !refusal.found))
			refusal = last;
		refuses = refuses || !last.accepted;
	}
	if (!speaks)
		return;
	if (refuses)
		RefuseFinding(verdict, source, &refusal);
	else if (!source->onlyRefuses && !verdict->allowed && !verdict->refused)
	{
		verdict->allowed = true;
		verdict->source = source->name;
		verdict->reason = source->ownValues ? "accepted" : last.word;
	}
}

/* Add the sources that only the mapping knows: to them the payload is the document. */
static List *
AddMappedSources(List *sources, const ConsentMapping *mapping, Jsonb *payload)
{
	ListCell   *cell;

	foreach(cell, mapping->rows)
	{
		const ConsentMappingRow *row = lfirst(cell);
		ConsentSource *source;
		ListCell   *other;
		bool		known = ConsentSourceIsKnown(row->source);

		foreach(other, sources)
			known = known || strcmp(((ConsentSource *) lfirst(other))->name, row->source) == 0;
		if (known)
			continue;
		source = palloc0(sizeof(ConsentSource));
		source->name = row->source;
		source->document = payload;
		source->ownValues = true;
		sources = lappend(sources, source);
	}
	return sources;
}

/* Verdicts as the two columns of the result. */
static void
FormatVerdicts(const Verdict *verdicts, const PurposeCatalogue *purposes, Datum *values)
{
	Datum		names[PURPOSE_MAX];
	JsonbParseState *state = NULL;
	int			count = 0;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
	{
		const Verdict *verdict = &verdicts[bit];
		bool		allowed = verdict->allowed && !verdict->refused;

		if (purposes->names[bit] == NULL)
			continue;
		if (allowed)
			names[count++] = CStringGetTextDatum(purposes->names[bit]);
		JsonPushKey(&state, purposes->names[bit]);
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		JsonPushBool(&state, "allowed", allowed);
		JsonPushString(&state, "reason", verdict->reason ? verdict->reason : "not_mentioned");
		if (verdict->source)
			JsonPushString(&state, "source", verdict->source);
		if (verdict->detail)
			JsonPushString(&state, "detail", verdict->detail);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	values[0] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* consent_from(payload, as_of) → (consent, reasons). */
Datum
personalize_consent_from(PG_FUNCTION_ARGS)
{
	TimestampTz asOf = PG_ARGISNULL(1) ? GetCurrentTransactionStartTimestamp() : PG_GETARG_TIMESTAMPTZ(1);
	Verdict		verdicts[PURPOSE_MAX] = {0};
	TupleDesc	descriptor;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (TIMESTAMP_NOT_FINITE(asOf))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of \"%s\" is not a point in time", EventTimeFormat(asOf))));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!PG_ARGISNULL(0))
	{
		Jsonb	   *payload = PG_GETARG_JSONB_P(0);
		const ConsentMapping *mapping = ConsentMappingGet();
		List	   *sources;
		ListCell   *cell;

		sources = AddMappedSources(ConsentSourceList(payload, asOf), mapping, payload);
		foreach(cell, sources)
			for (int bit = 0; bit < PURPOSE_MAX; bit++)
				if (mapping->purposes->names[bit])
					Judge(lfirst(cell), bit, mapping, &verdicts[bit]);
		FormatVerdicts(verdicts, mapping->purposes, values);
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
