/*
 * batches.c
 *		Batches of a processor, in every order in which things can happen.
 *
 * TRANSACTIONS transactions write one event for each of SHARDS shards, WORKERS
 * workers claim shards, take a snapshot, cut it and commit.  The model explores
 * every interleaving of
 *	- a transaction beginning (it takes the next id), committing, aborting;
 *	- a worker claiming any set of shards that are free, which covers changing
 *	  numbers of workers, stripes that others hold and shards left to later;
 *	- a worker taking its snapshot and cutting it at any id, or not;
 *	- a worker committing its batch, or being killed;
 *	- with INCARNATIONS 2 the database being restored as a dump, once: what runs
 *	  is gone, and ids begin anew in the next incarnation;
 * and sees in every state it can get into that no event is counted twice, that
 * what a position contains and what was counted are the same, that no position
 * loses anything, and that batches of one event, run until none is waiting,
 * count every committed event in as many batches as there are events.
 *
 * Shards are alike, and so are workers: states that differ by the order of these
 * are one.  The snapshots are the server's own (src/base/txid_snapshot.c).  Before all, their
 * cut, join and comparison are compared with those of plain sets.  Built with
 * FAULT the model has a fault that it must find:
 *	1 a batch's cut becomes the position of its shards, whatever that was;
 *	2 shards whose position the cut does not contain are left to later batches;
 *	3 positions are read before the shards are claimed.
 */
#include "postgres.h"

#include <stdio.h>

#include "base/txid_snapshot.h"

#ifndef FAULT
#define FAULT 0
#endif
#ifndef TRANSACTIONS
#define TRANSACTIONS 3
#endif
#ifndef SHARDS
#define SHARDS 3
#endif
#define WORKERS 2
#ifndef INCARNATIONS
#define INCARNATIONS 1
#endif
#ifndef TABLE_BITS
#define TABLE_BITS 23
#endif
#define ALL_SHARDS ((1 << SHARDS) - 1)

/* A snapshot in four bytes: ids 1..TRANSACTIONS of an incarnation. */
typedef struct Packed
{
	unsigned char incarnation;
	unsigned char xmin;
	unsigned char xmax;
	unsigned char inProgress;	/* bit id - 1 */
} Packed;

typedef enum Life
{
	TO_COME, RUNNING, COMMITTED, ABORTED
} Life;

typedef enum Step
{
	IDLE, PREPARED, CLAIMED, SNAPPED
} Step;

typedef struct Transaction
{
	unsigned char life;
	unsigned char incarnation;	/* 0: has no id yet */
	unsigned char id;
	unsigned char counted;		/* bit shard */
} Transaction;

typedef struct Worker
{
	unsigned char step;
	unsigned char shards;		/* bit shard */
	Packed		upto;
	Packed		from[SHARDS];
} Worker;

/* No padding: states are compared as bytes. */
typedef struct State
{
	unsigned char incarnation;
	unsigned char nextId;
	unsigned char latestCompleted;
	Transaction transactions[TRANSACTIONS];
	Worker		workers[WORKERS];
	Packed		positions[SHARDS];
} State;

static State *states;			/* all that were met, in the order of meeting */
static size_t stateCount;
static size_t stateCapacity;
static uint32_t *table;			/* hash table of index + 1 */
static size_t tableSize;

static char arena[1 << 16];
static size_t arenaUsed;

/* The allocations of src/base/txid_snapshot.c. */
void *
palloc(size_t size)
{
	void	   *result = arena + arenaUsed;

	arenaUsed += (size + 15) & ~(size_t) 15;
	assert(arenaUsed <= sizeof(arena));
	return result;
}

void *
palloc0(size_t size)
{
	return memset(palloc(size), 0, size);
}

/* Say what is wrong, and in which state. */
static void
Fail(const char *what, const State *state)
{
	printf("not ok - %s\n", what);
	for (int i = 0; i < TRANSACTIONS; i++)
		printf("# transaction %d:%d life %d counted by shards %x\n", state->transactions[i].incarnation,
			   state->transactions[i].id, state->transactions[i].life, state->transactions[i].counted);
	for (int shard = 0; shard < SHARDS; shard++)
		printf("# shard %d is at %d:%d:%d:%x\n", shard, state->positions[shard].incarnation,
			   state->positions[shard].xmin, state->positions[shard].xmax, state->positions[shard].inProgress);
	exit(1);
}

/* A snapshot, packed. */
static Packed
Pack(const TxidSnapshot *snapshot)
{
	Packed		packed = {snapshot->incarnation, snapshot->xmin, snapshot->xmax, 0};

	for (int i = 0; i < snapshot->inProgressCount; i++)
		packed.inProgress |= 1 << (snapshot->inProgress[i] - 1);
	return packed;
}

/* And unpacked. */
static TxidSnapshot *
Unpack(Packed packed)
{
	TxidSnapshot *snapshot = TxidSnapshotNothing();

	snapshot->incarnation = packed.incarnation;
	snapshot->xmin = packed.xmin;
	snapshot->xmax = packed.xmax;
	snapshot->inProgress = palloc(sizeof(uint64) * 8);
	for (int bit = 0; bit < 8; bit++)
		if (packed.inProgress & (1 << bit))
			snapshot->inProgress[snapshot->inProgressCount++] = bit + 1;
	return snapshot;
}

/* The txid of a transaction's events. */
static int64
TxidOf(const Transaction *transaction)
{
	return MakeTxid(transaction->incarnation, transaction->id);
}

/* What a transaction's snapshot is now. */
static Packed
TakeSnapshot(const State *state)
{
	Packed		packed = {state->incarnation, 0, state->latestCompleted + 1, 0};

	packed.xmin = packed.xmax;
	for (int i = 0; i < TRANSACTIONS; i++)
	{
		const Transaction *transaction = &state->transactions[i];

		if (transaction->life != RUNNING || transaction->id >= packed.xmax)
			continue;
		packed.inProgress |= 1 << (transaction->id - 1);
		packed.xmin = Min(packed.xmin, transaction->id);
	}
	return packed;
}

/* Shards that no other worker holds. */
static int
FreeShards(const State *state)
{
	int			held = 0;

	for (int i = 0; i < WORKERS; i++)
		if (state->workers[i].step >= CLAIMED)
			held |= state->workers[i].shards;
	return ALL_SHARDS & ~held;
}

/* True if the worker's batch has to count this event. */
static bool
Belongs(const State *state, const Worker *worker, const Transaction *transaction, int shard)
{
	/* an event of an aborted or running transaction is not visible */
	return (worker->shards & (1 << shard)) && transaction->life == COMMITTED &&
		!TxidIsSeen(TxidOf(transaction), Unpack(worker->from[shard])) &&
		TxidIsSeen(TxidOf(transaction), Unpack(worker->upto));
}

/* The worker's batch is counted and its shards move on. */
static void
Commit(State *state, Worker *worker)
{
	for (int shard = 0; shard < SHARDS; shard++)
	{
		TxidSnapshot *from = Unpack(worker->from[shard]);
		TxidSnapshot *upto = Unpack(worker->upto);
		TxidSnapshot *position;

		if (!(worker->shards & (1 << shard)))
			continue;
		if (FAULT == 2 && !TxidSnapshotContains(upto, from))
			continue;
		for (int i = 0; i < TRANSACTIONS; i++)
		{
			Transaction *transaction = &state->transactions[i];

			if (!Belongs(state, worker, transaction, shard))
				continue;
			if (transaction->counted & (1 << shard))
				Fail("an event is counted twice", state);
			transaction->counted |= 1 << shard;
		}
		position = FAULT == 1 ? upto : TxidSnapshotJoin(from, upto);
		if (FAULT == 0 && !TxidSnapshotContains(position, Unpack(state->positions[shard])))
			Fail("a position loses what it contained", state);
		state->positions[shard] = Pack(position);
	}
	memset(worker, 0, sizeof(Worker));
}

/* What the positions contain and what was counted are the same. */
static void
Check(const State *state)
{
	for (int i = 0; i < TRANSACTIONS; i++)
	{
		const Transaction *transaction = &state->transactions[i];

		for (int shard = 0; shard < SHARDS && transaction->life != TO_COME; shard++)
		{
			bool		counted = (transaction->counted & (1 << shard)) != 0;
			bool		contained = TxidIsSeen(TxidOf(transaction), Unpack(state->positions[shard]));

			if (transaction->life == COMMITTED && counted != contained)
				Fail(counted ? "an event is counted that the position does not contain" :
					 "an event is passed that was not counted", state);
			if (transaction->life == RUNNING && contained)
				Fail("the position contains an event that is not there yet", state);
		}
	}
}

/* Claim, snapshot and cut as the processor does when it may take one event; false if nothing waits. */
static bool
PlanSmallBatch(const State *state, Worker *worker)
{
	int64		lowest = INT64_MAX;
	int			waiting = 0;

	worker->shards = ALL_SHARDS;
	memcpy(worker->from, state->positions, sizeof(worker->from));
	worker->upto = TakeSnapshot(state);
	for (int i = 0; i < TRANSACTIONS; i++)
		for (int shard = 0; shard < SHARDS; shard++)
			if (Belongs(state, worker, &state->transactions[i], shard))
			{
				lowest = Min(lowest, TxidOf(&state->transactions[i]));
				waiting++;
			}
	if (waiting > 1)
		worker->upto = Pack(TxidSnapshotCut(Unpack(worker->upto), lowest + 1));
	return waiting > 0;
}

/* From here on everything ends and one worker goes on: all that was committed is counted. */
static void
CheckDrains(const State *from)
{
	State		state = *from;
	int			batches = 0;

	memset(state.workers, 0, sizeof(state.workers));
	for (int i = 0; i < TRANSACTIONS; i++)
		if (state.transactions[i].life == RUNNING)
		{
			state.transactions[i].life = COMMITTED;
			if (state.transactions[i].id > state.latestCompleted)
				state.latestCompleted = state.transactions[i].id;
		}
	while (PlanSmallBatch(&state, &state.workers[0]))
	{
		arenaUsed = 0;
		if (++batches > TRANSACTIONS * SHARDS)
			Fail("batches go on without counting anything", from);
		Commit(&state, &state.workers[0]);
	}
	for (int i = 0; i < TRANSACTIONS; i++)
		if (state.transactions[i].life == COMMITTED && state.transactions[i].counted != ALL_SHARDS)
			Fail("a committed event is never counted", from);
}

/* Give two shards each other's place. */
static void
SwapShards(State *state, int a, int b)
{
	unsigned char both = 1 << a | 1 << b;
	Packed		position = state->positions[a];

	state->positions[a] = state->positions[b];
	state->positions[b] = position;
	for (int i = 0; i < TRANSACTIONS; i++)
		if ((state->transactions[i].counted & both) != 0 && (state->transactions[i].counted & both) != both)
			state->transactions[i].counted ^= both;
	for (int i = 0; i < WORKERS; i++)
	{
		Worker	   *worker = &state->workers[i];
		Packed		from = worker->from[a];

		worker->from[a] = worker->from[b];
		worker->from[b] = from;
		if ((worker->shards & both) != 0 && (worker->shards & both) != both)
			worker->shards ^= both;
	}
}

/* The first of all states that differ by the order of shards and workers. */
static State
Canonical(const State *state)
{
	State		best = *state;
	State		next = *state;

	assert(SHARDS == 3 && WORKERS == 2);
	for (int i = 0; i < 12; i++)
	{
		/* three swaps of neighbours there and back make all six orders */
		SwapShards(&next, i % 2, i % 2 + 1);
		if (i == 6)
		{
			Worker		first = next.workers[0];

			next.workers[0] = next.workers[1];
			next.workers[1] = first;
		}
		if (memcmp(&next, &best, sizeof(State)) < 0)
			best = next;
	}
	return best;
}

/* Note a state, if it is new. */
static void
Meet(const State *met)
{
	State		canonical = Canonical(met);
	const State *state = &canonical;
	const unsigned char *bytes = (const unsigned char *) state;
	uint64		hash = UINT64CONST(14695981039346656037);
	size_t		place;

	for (size_t i = 0; i < sizeof(State); i++)
		hash = (hash ^ bytes[i]) * UINT64CONST(1099511628211);
	for (place = (hash ^ hash >> 29) % tableSize; table[place] != 0; place = (place + 1) % tableSize)
		if (memcmp(&states[table[place] - 1], state, sizeof(State)) == 0)
			return;
	if (stateCount == stateCapacity)
	{
		stateCapacity *= 2;
		states = realloc(states, sizeof(State) * stateCapacity);
		assert(states);
	}
	assert(stateCount < tableSize / 2);
	states[stateCount++] = *state;
	table[place] = stateCount;
	arenaUsed = 0;
	Check(state);
	if (state->workers[0].step == IDLE && state->workers[1].step == IDLE)
		CheckDrains(state);
}

/* Everything a transaction can do. */
static void
MoveTransactions(const State *from)
{
	for (int i = 0; i < TRANSACTIONS; i++)
	{
		State		state = *from;
		Transaction *transaction = &state.transactions[i];

		if (transaction->life == TO_COME)
		{
			transaction->life = RUNNING;
			transaction->incarnation = state.incarnation;
			transaction->id = state.nextId++;
			Meet(&state);
			return;				/* those still to come are alike */
		}
		if (transaction->life != RUNNING)
			continue;
		if (transaction->id > state.latestCompleted)
			state.latestCompleted = transaction->id;
		transaction->life = COMMITTED;
		Meet(&state);
		transaction->life = ABORTED;
		Meet(&state);
	}
}

/* Claim shards; with fault 3 positions are read before that. */
static void
MoveIdle(const State *from, int number)
{
	int			free = FreeShards(from);

	if (FAULT == 3 && from->workers[number].step == IDLE)
	{
		State		state = *from;

		state.workers[number].step = PREPARED;
		memcpy(state.workers[number].from, state.positions, sizeof(state.positions));
		Meet(&state);
		return;
	}
	for (int shards = 1; shards <= ALL_SHARDS; shards++)
	{
		State		state = *from;
		Worker	   *worker = &state.workers[number];

		if ((shards & free) != shards)
			continue;
		worker->step = CLAIMED;
		worker->shards = shards;
		Meet(&state);
	}
}

/* Take the snapshot and the positions, and cut at any id of any incarnation. */
static void
MoveClaimed(const State *from, int number)
{
	State		state = *from;
	Worker	   *worker = &state.workers[number];
	Packed		whole = TakeSnapshot(from);

	for (int shard = 0; shard < SHARDS; shard++)
		if (!(worker->shards & (1 << shard)))
			worker->from[shard] = (Packed) {0};
		else if (FAULT != 3)
			worker->from[shard] = state.positions[shard];
	worker->step = SNAPPED;
	worker->upto = whole;
	Meet(&state);
	for (int incarnation = 1; incarnation <= whole.incarnation; incarnation++)
		for (int id = 1; id <= TRANSACTIONS + 1; id++)
		{
			arenaUsed = 0;
			worker->upto = Pack(TxidSnapshotCut(Unpack(whole), MakeTxid(incarnation, id)));
			Meet(&state);
		}
}

/* Everything a worker can do. */
static void
MoveWorker(const State *from, int number)
{
	State		state = *from;

	switch (from->workers[number].step)
	{
		case IDLE:
		case PREPARED:
			MoveIdle(from, number);
			return;
		case CLAIMED:
			MoveClaimed(from, number);
			break;
		default:
			arenaUsed = 0;
			Commit(&state, &state.workers[number]);
			Meet(&state);
	}
	/* killed */
	state = *from;
	memset(&state.workers[number], 0, sizeof(Worker));
	Meet(&state);
}

/* A dump is restored: ids begin anew. */
static void
Restore(const State *from)
{
	State		state = *from;

	if (from->incarnation == INCARNATIONS)
		return;
	state.incarnation++;
	state.nextId = 1;
	state.latestCompleted = 0;
	memset(state.workers, 0, sizeof(state.workers));
	for (int i = 0; i < TRANSACTIONS; i++)
		if (state.transactions[i].life == RUNNING)
			state.transactions[i].life = ABORTED;
	Meet(&state);
}

/* A snapshot as a set of ids: bit (incarnation - 1) * ids + id - 1. */
static unsigned
SetOf(const TxidSnapshot *snapshot, int ids)
{
	unsigned	set = 0;

	for (int incarnation = 1; incarnation <= 2; incarnation++)
		for (int id = 1; id <= ids; id++)
			if (TxidIsSeen(MakeTxid(incarnation, id), snapshot))
				set |= 1u << ((incarnation - 1) * ids + id - 1);
	return set;
}

/* The server's functions do with snapshots what they say. */
static void
CheckSnapshots(void)
{
	enum
	{
		IDS = 5, LIVES = 2, MOST = LIVES * (1 << (IDS + 1))
	};
	Packed		all[MOST];
	int			count = 0;
	State		none = {0};

	/* the last id is never begun, so that sets tell snapshots apart */
	for (int incarnation = 1; incarnation <= LIVES; incarnation++)
		for (int xmax = 1; xmax <= IDS; xmax++)
			for (int running = 0; running < 1 << (xmax - 1); running++)
			{
				int			xmin = 1;

				while (xmin < xmax && !(running & (1 << (xmin - 1))))
					xmin++;
				all[count++] = (Packed) {incarnation, xmin, xmax, running};
			}
	for (int a = 0; a < count; a++)
		for (int b = 0; b < count; b++)
		{
			TxidSnapshot *left;
			TxidSnapshot *right;
			unsigned	leftSet;
			unsigned	rightSet;

			arenaUsed = 0;
			left = Unpack(all[a]), right = Unpack(all[b]);
			leftSet = SetOf(left, IDS), rightSet = SetOf(right, IDS);
			if (TxidSnapshotContains(left, right) != ((leftSet & rightSet) == rightSet))
				Fail("TxidSnapshotContains is wrong", &none);
			if (SetOf(TxidSnapshotJoin(left, right), IDS) != (leftSet | rightSet))
				Fail("TxidSnapshotJoin is wrong", &none);
			for (int id = 1; id <= IDS && all[b].incarnation <= all[a].incarnation; id++)
			{
				unsigned	below = (1u << ((all[b].incarnation - 1) * IDS + id - 1)) - 1;

				if (SetOf(TxidSnapshotCut(left, MakeTxid(all[b].incarnation, id)), IDS) != (leftSet & below))
					Fail("TxidSnapshotCut is wrong", &none);
			}
		}
}

/* Explore all states. */
int
main(void)
{
	State		first = {.incarnation = 1,.nextId = 1};

	CheckSnapshots();
	stateCapacity = 1 << 20;
	states = malloc(sizeof(State) * stateCapacity);
	tableSize = (size_t) 1 << TABLE_BITS;
	table = calloc(tableSize, sizeof(uint32_t));
	assert(states && table);
	Meet(&first);
	for (size_t i = 0; i < stateCount; i++)
	{
		State		state = states[i];

		MoveTransactions(&state);
		for (int number = 0; number < WORKERS; number++)
			MoveWorker(&state, number);
		Restore(&state);
	}
	printf("ok - every event counts once in each of %zu states\n", stateCount);
	return 0;
}
