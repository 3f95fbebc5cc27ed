/*
 * erasure_store.c
 *		What must be done for the tables that erasure and retention keep.
 */
#include "postgres.h"

#include "erasure/erasure_store.h"

#include "erasure/erasure_candidate.h"
#include "people/person_store.h"

static const PersonWithdrawal candidateWithdrawal = {
	.uncount = &ErasureCandidateTaker,.clear = PERSON_NONE,.purge = PERSON_NONE,.recount = PERSON_NONE
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
	" FROM personalize._tombstone b WHERE b.pseudonym = personalize_internal._pseudonym($1)",
	.meaning = "when you were forgotten and came back"
};

static const PersonExport receiptCopy = {.as = "erasures",.query = PERSON_NONE,.meaning = PERSON_NONE};

static const PersonStore stores[] = {
	{
		.name = "_tombstone",
		.exempt = "the tombstones of the erased",
		.unanalyzed = "pseudonym",
		.copy = &tombstoneCopy,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_RECEIPT |
		PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS |
		PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "erasure",
		.exempt = "receipts of erasures",
		.unanalyzed = "pseudonym",
		.copy = &receiptCopy,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_RECEIPT |
		PERSON_NO_RECEIPT_LEFT | PERSON_NO_FORGET | PERSON_NO_WITHDRAW | PERSON_NO_RESTRICTION |
		PERSON_NO_CORRECTION | PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS |
		PERSON_NO_DICTIONARY | PERSON_NO_EXPIRY
	},
	{
		.name = "_erasure_candidate",
		.form = "SELECT to_jsonb(c) - 'noted_at' FROM personalize._erasure_candidate c",
		.unanalyzed = "key",
		.rank = 130,
		.forget = &ErasureCandidateTaker,
		.withdraw = &candidateWithdrawal,
		.none = PERSON_NO_MOVING | PERSON_NO_MASK | PERSON_NO_PEOPLE | PERSON_NO_KEEPS | PERSON_NO_COPY |
		PERSON_NO_RECEIPT | PERSON_NO_RECEIPT_LEFT | PERSON_NO_RESTRICTION | PERSON_NO_CORRECTION |
		PERSON_NO_NAMES | PERSON_NO_EVENT_NAMES | PERSON_NO_HOLDS | PERSON_NO_DICTIONARY |
		PERSON_NO_EXPIRY
	},
	{
		.name = "retention_policy",
		.content = "definitions",
		.form = PERSON_STORE_PLAIN("retention_policy")
	},
	{
		.name = "_retention_state",
		.content = "positions",
		.unname =
		"UPDATE personalize._retention_state SET " PERSON_UNNAMED("last_error") ", " PERSON_UNNAMED("last_detail")
		" WHERE " PERSON_NAMED_IN("last_error") " OR " PERSON_NAMED_IN("last_detail"),
		.exempt = "statistics: what retention did last"
	}
};

/* Register them. */
void
ErasureStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
