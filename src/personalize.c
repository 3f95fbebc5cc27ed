/*
 * personalize.c
 *		Loads the module: one Init call per part, in the order data flows.
 */
#include "postgres.h"

#include "clock.h"
#include "compat.h"
#include "consent_cache.h"
#include "consent_decode.h"
#include "consent_mapping.h"
#include "counter.h"
#include "engine.h"
#include "erasure_candidate.h"
#include "erasure_scrub.h"
#include "erasure_status.h"
#include "event.h"
#include "event_cache.h"
#include "feature_value.h"
#include "fmgr.h"
#include "inbox.h"
#include "ingest.h"
#include "ingest_stat.h"
#include "item_stat.h"
#include "maintenance.h"
#include "neighbour.h"
#include "partition.h"
#include "pass.h"
#include "policy.h"
#include "preference.h"
#include "processor.h"
#include "profile.h"
#include "recommend.h"
#include "refused_id.h"
#include "signal.h"
#include "sources.h"
#include "utility.h"
#include "utils/guc.h"
#include "worker.h"

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
	RefusedIdInit();
	EventCacheInit();
	PartitionInit();
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
	MaintenanceInit();
	ErasureScrubInit();
	SourcesInit();
	RecommendInit();
	EngineInit();
	UtilityInit();
	WorkerInit();
	MarkGUCPrefixReserved("personalize");
}
