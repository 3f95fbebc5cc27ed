/*
 * erasure_store.c
 *		What must be done for the tables that erasure and retention keep.
 */
#include "postgres.h"

#include "erasure/erasure_store.h"

#include "erasure/erasure_candidate.h"
#include "people/person_store.h"

static const PersonWithdrawal candidateWithdrawal = {
	.uncount = &ErasureCandidateTaker,
	.clear = PERSON_STORE_NONE,
	.purge = PERSON_STORE_NONE,
	.recount = PERSON_STORE_NONE
};

static const PersonExport tombstoneCopy = {
	.as = "erasures",
	.query =
	"SELECT coalesce(jsonb_agg(jsonb_build_object('forgotten_at', b.forgotten_at, 'epoch', b.epoch,"
	" 'returned_at', b.returned_at, 'pseudonym', b.pseudonym,"
	" 'receipts', ("
	" SELECT coalesce(jsonb_agg(jsonb_build_object('receipt', r.receipt, 'requested_at', r.requested_at,"
	" 'stage', r.stage, 'counts', r.counts) ORDER BY r.requested_at), '[]')"
	" FROM personalize.erasure r WHERE r.pseudonym = b.pseudonym))), '[]')"
	" FROM personalize._tombstone b WHERE b.pseudonym = personalize._pseudonym($1)",
	.meaning = "when you were forgotten and came back"
};

static const PersonExport receiptCopy = {
	.as = "erasures",
	.query = PERSON_STORE_NONE,
	.meaning = PERSON_STORE_NONE
};

static const PersonStore stores[] = {
	{
		.name = "_tombstone",
		.exempt = "the tombstones of the erased",
		.mask = PERSON_STORE_NONE,
		.unanalyzed = "pseudonym",
		.people = PERSON_STORE_NONE,
		.keeps = PERSON_STORE_NONE,
		.copy = &tombstoneCopy,
		.receipt = PERSON_STORE_NONE,
		.receiptLeft = PERSON_STORE_NONE,
		.forget = PERSON_STORE_NONE,
		.withdraw = PERSON_STORE_NONE,
		.restriction = PERSON_STORE_NONE,
		.correction = PERSON_STORE_NONE,
		.names = PERSON_STORE_NONE,
		.eventNames = PERSON_STORE_NONE,
		.holds = PERSON_STORE_NONE,
		.dictionary = PERSON_STORE_NONE,
		.expiry = PERSON_STORE_NONE
	},
	{
		.name = "erasure",
		.exempt = "receipts of erasures",
		.mask = PERSON_STORE_NONE,
		.unanalyzed = "pseudonym",
		.people = PERSON_STORE_NONE,
		.keeps = PERSON_STORE_NONE,
		.copy = &receiptCopy,
		.receipt = PERSON_STORE_NONE,
		.receiptLeft = PERSON_STORE_NONE,
		.forget = PERSON_STORE_NONE,
		.withdraw = PERSON_STORE_NONE,
		.restriction = PERSON_STORE_NONE,
		.correction = PERSON_STORE_NONE,
		.names = PERSON_STORE_NONE,
		.eventNames = PERSON_STORE_NONE,
		.holds = PERSON_STORE_NONE,
		.dictionary = PERSON_STORE_NONE,
		.expiry = PERSON_STORE_NONE
	},
	{
		.name = "_erasure_candidate",
		.form = "SELECT to_jsonb(c) - 'noted_at' FROM personalize._erasure_candidate c",
		.mask = PERSON_STORE_NONE,
		.unanalyzed = "key",
		.people = PERSON_STORE_NONE,
		.keeps = PERSON_STORE_NONE,
		.copy = PERSON_STORE_NONE,
		.rank = 130,
		.receipt = PERSON_STORE_NONE,
		.receiptLeft = PERSON_STORE_NONE,
		.forget = &ErasureCandidateTaker,
		.withdraw = &candidateWithdrawal,
		.restriction = PERSON_STORE_NONE,
		.correction = PERSON_STORE_NONE,
		.names = PERSON_STORE_NONE,
		.eventNames = PERSON_STORE_NONE,
		.holds = PERSON_STORE_NONE,
		.dictionary = PERSON_STORE_NONE,
		.expiry = PERSON_STORE_NONE
	},
	{
		.name = "retention_policy",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("retention_policy")
	},
	{
		.name = "_retention_state",
		.content = "positions",
		.exempt = "statistics: what retention did last"
	}
};

/* Register them. */
void
ErasureStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
