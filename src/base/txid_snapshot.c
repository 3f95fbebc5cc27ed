/*
 * txid_snapshot.c
 *		Snapshots over txids as sets: what they see, cut, joined, compared.
 *
 * A snapshot sees every id below xmax but those in progress.  What two of them
 * see together is again what one could see, so a position can always be moved
 * on to contain what it did and what a batch has counted.
 *
 * Nothing here asks the server anything: test/model explores these functions.
 */
#include "postgres.h"

#include "base/txid_snapshot.h"

/* Order two full transaction ids. */
static int
CompareTransactionIds(const void *left, const void *right)
{
	uint64		a = *(const uint64 *) left;
	uint64		b = *(const uint64 *) right;

	return (a > b) - (a < b);
}

/* Put the ids in progress in order. */
void
TxidSnapshotSort(TxidSnapshot *snapshot)
{
	qsort(snapshot->inProgress, snapshot->inProgressCount, sizeof(uint64),
		  CompareTransactionIds);
}

/* A snapshot that sees nothing. */
TxidSnapshot *
TxidSnapshotNothing(void)
{
	return palloc0(sizeof(TxidSnapshot));
}

/* A copy. */
TxidSnapshot *
TxidSnapshotCopy(const TxidSnapshot *snapshot)
{
	size_t		size = sizeof(uint64) * snapshot->inProgressCount;
	TxidSnapshot *copy = palloc(sizeof(TxidSnapshot) + size);

	*copy = *snapshot;
	copy->inProgress = (uint64 *) (copy + 1);
	if (size > 0)
		memcpy(copy->inProgress, snapshot->inProgress, size);
	return copy;
}

/* No event whose txid is below this is unseen. */
int64
TxidSnapshotMin(const TxidSnapshot *snapshot)
{
	return MakeTxid(snapshot->incarnation, snapshot->xmin);
}

/* No event whose txid is this or above is seen. */
int64
TxidSnapshotMax(const TxidSnapshot *snapshot)
{
	return MakeTxid(snapshot->incarnation, snapshot->xmax);
}

/* True if an event with this txid is seen by the snapshot. */
bool
TxidIsSeen(int64 txid, const TxidSnapshot *snapshot)
{
	int32		incarnation = (int32) ((uint64) txid >> TXID_BITS);
	uint64		transactionId = (uint64) txid & TXID_MASK;

	if (incarnation != snapshot->incarnation)
		return incarnation < snapshot->incarnation;
	if (transactionId < snapshot->xmin)
		return true;
	if (transactionId >= snapshot->xmax)
		return false;
	return bsearch(&transactionId, snapshot->inProgress, snapshot->inProgressCount,
				   sizeof(uint64), CompareTransactionIds) == NULL;
}

/*
 * The same snapshot as if it had been taken when txid was still to come: what
 * it sees is a subset that is itself a possible position.
 */
TxidSnapshot *
TxidSnapshotCut(const TxidSnapshot *snapshot, int64 txid)
{
	TxidSnapshot *cut = palloc0(sizeof(TxidSnapshot));
	uint64		limit = (uint64) txid & TXID_MASK;

	cut->incarnation = (int32) ((uint64) txid >> TXID_BITS);
	if (cut->incarnation < snapshot->incarnation)
	{
		/* an earlier incarnation has nothing in progress */
		cut->xmin = cut->xmax = limit;
		return cut;
	}
	Assert(cut->incarnation == snapshot->incarnation);
	cut->xmax = Min(limit, snapshot->xmax);
	cut->xmin = Min(cut->xmax, snapshot->xmin);
	cut->inProgress = palloc(sizeof(uint64) * (snapshot->inProgressCount + 1));
	for (int i = 0; i < snapshot->inProgressCount; i++)
	{
		if (snapshot->inProgress[i] < cut->xmax)
			cut->inProgress[cut->inProgressCount++] = snapshot->inProgress[i];
	}
	return cut;
}

/* A snapshot that sees what either of the two sees. */
TxidSnapshot *
TxidSnapshotJoin(const TxidSnapshot *a, const TxidSnapshot *b)
{
	bool		aIsLater = a->incarnation != b->incarnation ? a->incarnation > b->incarnation :
	a->xmax >= b->xmax;
	const TxidSnapshot *later = aIsLater ? a : b;
	const TxidSnapshot *earlier = aIsLater ? b : a;
	TxidSnapshot *both = palloc0(sizeof(TxidSnapshot));

	both->incarnation = later->incarnation;
	both->xmax = later->xmax;
	both->inProgress = palloc(sizeof(uint64) * (later->inProgressCount + 1));
	for (int i = 0; i < later->inProgressCount; i++)
	{
		if (!TxidIsSeen(MakeTxid(later->incarnation, later->inProgress[i]), earlier))
			both->inProgress[both->inProgressCount++] = later->inProgress[i];
	}
	both->xmin = both->inProgressCount > 0 ? both->inProgress[0] : both->xmax;
	return both;
}

/* True if everything that inner sees is seen by outer. */
bool
TxidSnapshotContains(const TxidSnapshot *outer, const TxidSnapshot *inner)
{
	uint64		unseen = 0;

	if (outer->incarnation != inner->incarnation)
		return outer->incarnation > inner->incarnation;
	for (int i = 0; i < outer->inProgressCount; i++)
	{
		if (TxidIsSeen(MakeTxid(inner->incarnation, outer->inProgress[i]), inner))
			return false;
	}
	/* from outer's end on, inner may see nothing either */
	for (int i = 0; i < inner->inProgressCount; i++)
		unseen += inner->inProgress[i] >= outer->xmax;
	return inner->xmax <= outer->xmax + unseen;
}
