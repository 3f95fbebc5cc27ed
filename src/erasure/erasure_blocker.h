/*
 * erasure_blocker.h
 *		What keeps the erased in the files, by name.
 */
#ifndef PERSONALIZE_ERASURE_BLOCKER_H
#define PERSONALIZE_ERASURE_BLOCKER_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/guc.h"

/* A setting; see docs/settings.md. */
extern char *personalize_expected_standbys;
extern bool ErasureCheckStandbys(char **value, void **extra, GucSource source);

/*
 * Who stands in the way, as palloc'd names.  What keeps row versions that were
 * deleted below the txid; indexes that are invalid, also while somebody builds
 * them or only what is left of that; columns with statistics; replicas that have
 * not replayed up to lsn; what keeps WAL from before lsn.
 */
extern List *ErasureSnapshotBlockers(int64 txid);
extern List *ErasureIndexBlockers(bool all);
extern List *ErasureStatisticsBlockers(void);
extern List *ErasureReplicaBlockers(XLogRecPtr lsn);
extern List *ErasureWalBlockers(XLogRecPtr lsn);

/* Files of pg_wal that may hold what was written before lsn and at; *oldest is a copy of a name. */
extern int	ErasureOldWal(XLogRecPtr lsn, TimestampTz at, char **oldest);

#endif
