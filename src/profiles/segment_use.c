/*
 * segment_use.c
 *		Which segments need a signal.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "profiles/segment.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_segments_using);

/* A look for a signal in a condition. */
typedef struct Search
{
	const char *signal;
	bool		found;
} Search;

/* See whether a part of a condition compares it. */
static void
SearchNode(SegmentNode *node, void *arg)
{
	Search	   *search = arg;

	for (int i = 0; node->kind == SEGMENT_COMPARE && i < node->termCount; i++)
		search->found |= strcmp(node->terms[i].signal, search->signal) == 0;
}

/* _segments_using(kind, name) */
Datum
personalize_segments_using(PG_FUNCTION_ARGS)
{
	const SegmentSet *set = SegmentSetGet();
	Datum	   *names = palloc_array(Datum, set->count + 1);
	int			count = 0;

	for (int i = 0; i < set->count; i++)
	{
		Search		search = {.signal = text_to_cstring(PG_GETARG_TEXT_PP(1))};

		SegmentEach(set->segments[i].condition, SearchNode, &search);
		if (search.found)
			names[count++] = CStringGetTextDatum(psprintf("segment \"%s\"", set->segments[i].name));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}
