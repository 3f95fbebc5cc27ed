/*
 * feature_use.c
 *		Which feature views need a signal or a segment.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "features/feature_view.h"
#include "fmgr.h"
#include "signals/signal.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_feature_views_using);

/* A look for names in expressions; NULL: not for one of this kind. */
typedef struct Search
{
	const char *signal;
	const char *segment;
	bool		found;
} Search;

/* See whether a part of an expression names what is looked for. */
static void
SearchNode(const FeatureNode *node, void *arg)
{
	Search	   *search = arg;

	if (search->signal != NULL && node->kind == FEATURE_SIGNAL)
		search->found |= strcmp(node->term.signal, search->signal) == 0;
	if (search->signal != NULL && node->kind == FEATURE_ITEM_EVENTS)
		search->found |= strcmp(node->name, search->signal) == 0 && SignalFindScoped(SignalSetGet(), search->signal) != NULL;
	if (search->segment != NULL && node->kind == FEATURE_SEGMENT)
		search->found |= strcmp(node->name, search->segment) == 0;
}

/* _feature_views_using(kind, name) */
Datum
personalize_feature_views_using(PG_FUNCTION_ARGS)
{
	const FeatureViewSet *set = FeatureViewSetGet();
	Datum	   *names = palloc_array(Datum, set->count + 1);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool		ofSegment = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), "segment") == 0;
	int			count = 0;

	for (int i = 0; i < set->count; i++)
	{
		const FeatureView *view = &set->views[i];
		Search		search = {
			.signal = ofSegment ? NULL : name,
			.segment = ofSegment ? name : NULL
		};

		for (int f = 0; f < view->count && view->newest; f++)
			FeatureEach(view->features[f].node, SearchNode, &search);
		if (search.found)
			names[count++] = CStringGetTextDatum(psprintf("feature view \"%s\"", view->name));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}
