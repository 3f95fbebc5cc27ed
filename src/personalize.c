/*
 * personalize.c
 *		Loads the module: one Init call per part, in the order data flows.
 */
#include "postgres.h"

#include "compat.h"
#include "counter.h"
#include "fmgr.h"
#include "personalize.h"
#include "utils/guc.h"

PERSONALIZE_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/* Called once when the library is loaded. */
void
_PG_init(void)
{
	ClockInit();
	PassInit();
	CounterInit();
	PolicyInit();
	PolicyExplainInit();
	EventTypeInit();
	EventCacheInit();
	ConsentCacheInit();
	ConsentMappingInit();
	ConsentSourceInit();
	IngestInit();
	IngestStatInit();
	InboxInit();
	ProcessorInit();
	SignalInit();
	FeatureValueInit();
	ProfileReadInit();
	ProfileWriteInit();
	ItemStatInit();
	NeighbourInit();
	PreferenceInit();
	ErasureCandidateInit();
	ErasureStatusInit();
	SourcesInit();
	RecommendInit();
	EngineInit();
	UtilityInit();
	WorkerInit();
	MarkGUCPrefixReserved("personalize");
}
