/*
 * shared_memory.c
 *		Pieces of shared memory for the parts that need one.
 *
 * The server hands out memory through two hooks, once to ask and once to find or
 * make it.  They are set here for all parts.
 */
#include "postgres.h"

#include "base/shared_memory.h"

#include "compat.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

/* The most pieces there can be. */
#define MAX_PIECES 16

/* Name of the lock's tranche, as pg_stat_activity shows it. */
#define TRANCHE "personalize"

typedef struct Piece
{
	const char *name;
	Size		size;
	void	  **address;
	void		(*initialize) (void *memory);
} Piece;

static Piece pieces[MAX_PIECES];
static int	pieceCount = 0;

static shmem_request_hook_type previousRequestHook = NULL;
static shmem_startup_hook_type previousStartupHook = NULL;

/* shmem_request_hook: ask for the memory and the lock. */
static void
RequestMemory(void)
{
	if (previousRequestHook)
		previousRequestHook();
	for (int i = 0; i < pieceCount; i++)
		RequestAddinShmemSpace(pieces[i].size);
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* shmem_startup_hook: find or make the memory. */
static void
StartupMemory(void)
{
	if (previousStartupHook)
		previousStartupHook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < pieceCount; i++)
	{
		bool		found;
		void	   *memory = ShmemInitStruct(pieces[i].name, pieces[i].size, &found);

		if (!found)
			pieces[i].initialize(memory);
		*pieces[i].address = memory;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Remember a piece, if there is still time to ask for it. */
void
SharedMemoryRegister(const char *name, Size size, void **address,
					 void (*initialize) (void *memory))
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (pieceCount == MAX_PIECES)
		elog(ERROR, "too many pieces of shared memory");
	if (pieceCount == 0)
	{
		previousRequestHook = shmem_request_hook;
		shmem_request_hook = RequestMemory;
		previousStartupHook = shmem_startup_hook;
		shmem_startup_hook = StartupMemory;
	}
	pieces[pieceCount++] = (Piece) {name, size, address, initialize};
}

/* The lock. */
LWLock *
SharedMemoryLock(void)
{
	return &GetNamedLWLockTranche(TRANCHE)->lock;
}
