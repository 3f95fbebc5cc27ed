/*
 * personalize.c
 *		Loads the module: one Init call per part, in the order data flows.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/column_stat.h"
#include "base/counter.h"
#include "base/leaf_find.h"
#include "base/pass.h"
#include "base/page_place.h"
#include "base/progress.h"
#include "base/row_place.h"
#include "base/view_try.h"
#include "cohorts/cohort.h"
#include "compat.h"
#include "engines/engine.h"
#include "engines/engine_store.h"
#include "engines/placement.h"
#include "engines/rank_search.h"
#include "engines/recommend.h"
#include "engines/search_items.h"
#include "engines/sources.h"
#include "erasure/erasure_scrub.h"
#include "erasure/erasure_status.h"
#include "erasure/erasure_store.h"
#include "events/event.h"
#include "events/event_cache.h"
#include "events/event_store.h"
#include "events/inbox.h"
#include "events/drop_guard.h"
#include "events/ingest.h"
#include "events/ingest_stat.h"
#include "events/partition.h"
#include "events/tail_cover.h"
#include "events/tail_note.h"
#include "experiments/experiment.h"
#include "experiments/experiment_store.h"
#include "exposures/examination.h"
#include "exposures/exposure.h"
#include "exposures/exposure_store.h"
#include "exposures/query.h"
#include "exposures/request_id.h"
#include "features/feature_view.h"
#include "fmgr.h"
#include "items/item_cache.h"
#include "items/item_stat.h"
#include "items/item_store.h"
#include "items/item_view.h"
#include "items/popular.h"
#include "items/repeat_purchase.h"
#include "models/model.h"
#include "models/model_store.h"
#include "neighbours/neighbour.h"
#include "neighbours/neighbour_store.h"
#include "operation/maintenance.h"
#include "operation/maintenance_job.h"
#include "operation/operation_store.h"
#include "operation/reset.h"
#include "operation/utility.h"
#include "pages/homepage.h"
#include "pages/page_module.h"
#include "pages/page_segment.h"
#include "pages/page_source.h"
#include "pages/page_store.h"
#include "people/consent_cache.h"
#include "people/consent_decode.h"
#include "people/consent_mapping.h"
#include "people/identify.h"
#include "people/people_store.h"
#include "people/policy.h"
#include "people/refused_id.h"
#include "profiles/profile.h"
#include "profiles/profile_store.h"
#include "profiles/segment.h"
#include "search/search_store.h"
#include "signals/feature_value.h"
#include "signals/signal.h"
#include "signals/signal_store.h"
#include "utils/guc.h"
#include "workers/processor.h"
#include "workers/processor_store.h"
#include "workers/worker.h"

PERSONALIZE_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/* Tell what must be done for each table. */
static void
RegisterStores(void)
{
	PeopleStoreInit();
	EventStoreInit();
	ProcessorStoreInit();
	ItemStoreInit();
	SignalStoreInit();
	NeighbourStoreInit();
	ModelStoreInit();
	ProfileStoreInit();
	SegmentStoreInit();
	CohortStoreInit();
	FeatureStoreInit();
	ExposureStoreInit();
	EngineStoreInit();
	SearchStoreInit();
	ExperimentStoreInit();
	PageStoreInit();
	ErasureStoreInit();
	OperationStoreInit();
}

/* What engines, pages and experiments need. */
static void
InitEngines(void)
{
	RequestIdInit();
	SourcesInit();
	PlacementInit();
	RecommendInit();
	RankSearchInit();
	SearchItemsInit();
	PageSourceInit();
	PageModuleInit();
	PageSegmentInit();
	HomepageInit();
	EngineInit();
	ExperimentInit();
}

/* Called once when the library is loaded. */
void
_PG_init(void)
{
	ClockInit();
	PassInit();
	CounterInit();
	ProgressInit();
	RowPlaceInit();
	LeafFindInit();
	PagePlaceInit();
	ColumnHookInit();
	ViewTryInit();
	PolicyInit();
	PolicyExplainInit();
	EventTypeInit();
	RefusedIdInit();
	EventCacheInit();
	TailCoverInit();
	TailNoteInit();
	PartitionInit();
	ConsentCacheInit();
	IdentifyInit();
	ConsentMappingInit();
	ConsentSourceInit();
	DropGuardInit();
	IngestInit();
	IngestStatInit();
	InboxInit();
	ProcessorInit();
	SignalInit();
	FeatureValueInit();
	SegmentInit();
	FeatureViewInit();
	ProfileReadInit();
	ProfileWriteInit();
	ItemCacheInit();
	ItemViewInit();
	ItemStatInit();
	PopularInit();
	RepeatPurchaseInit();
	NeighbourInit();
	ExposureInit();
	ExaminationInit();
	QueryInit();
	ModelInit();
	RegisterStores();
	ErasureStatusInit();
	MaintenanceInit();
	MaintenanceJobInit();
	FeatureStatInit();
	CohortInit();
	ErasureScrubInit();
	InitEngines();
	ResetInit();
	UtilityInit();
	WorkerInit();
	MarkGUCPrefixReserved("personalize");
}
