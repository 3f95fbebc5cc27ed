/*
 * personalize.h
 *		What every part may assume of the module: its Init functions.
 */
#ifndef PERSONALIZE_H
#define PERSONALIZE_H

extern void ClockInit(void);
extern void EventCacheInit(void);
extern void EventTypeInit(void);
extern void FeatureValueInit(void);
extern void ConsentCacheInit(void);
extern void ConsentMappingInit(void);
extern void ConsentSourceInit(void);
extern void IngestInit(void);
extern void IngestStatInit(void);
extern void InboxInit(void);
extern void NeighbourInit(void);
extern void PolicyExplainInit(void);
extern void PassInit(void);
extern void PolicyInit(void);
extern void ProcessorInit(void);
extern void ProfileReadInit(void);
extern void ProfileWriteInit(void);
extern void SignalInit(void);
extern void PreferenceInit(void);
extern void UtilityInit(void);
extern void WorkerInit(void);
extern void ItemStatInit(void);
extern void EngineInit(void);
extern void SourcesInit(void);
extern void RecommendInit(void);
extern void ErasureCandidateInit(void);
extern void ErasureStatusInit(void);

#endif
