/*
 * consent_record.c
 *		Recording a decision: the entry in the ledger and the person's row.
 *
 * Who decides for a person locks the row in subject first, so decisions of one
 * person take turns and each follows the one before.  What the row then says is
 * computed from the whole chain, whatever the order in which its entries came.
 *
 * SQL is slow beside the rest: a row that is not there is inserted as it shall be,
 * one that says the right thing already is only locked, below SQL.
 */
#include "postgres.h"

#include "people/consent_change.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/keyed.h"
#include "base/spi_util.h"
#include "base/unicode.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "people/ledger.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A text of a decision is no longer than this, in bytes. */
#define LONGEST_TEXT 2000

/* What a row of subject says, which is locked. */
typedef struct Subject
{
	int32		granted;
	int32		decided;
	int32		restricted;
} Subject;

/* SHA-256 of a text in UTF-8; NULL of none. */
static bytea *
DigestText(const text *string)
{
	const char *utf8;
	int			length;

	if (string == NULL)
		return NULL;
	utf8 = UnicodeFromServer(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string), &length);
	return DatumGetByteaP(DirectFunctionCall1(sha256_bytea,
											  PointerGetDatum(cstring_to_text_with_len(utf8, length))));
}

/* Raise if the person's key belongs to another id. */
static void
CheckSameId(const ConsentDecision *decision, const text *known)
{
	if (!IdIsSame(known, decision->userId))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("user_id \"%s\" has the same key as \"%s\"",
						text_to_cstring(decision->userId), text_to_cstring(known))));
}

/* An integer column of a row. */
static int32
SlotInt32(TupleTableSlot *slot, int column)
{
	bool		isNull;

	return DatumGetInt32(slot_getattr(slot, column, &isNull));
}

/* Find the person's row and lock it; false: there is none. */
static bool
LockSubject(KeyedTable *subjects, const ConsentDecision *decision, Subject *subject)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = KeyedFindChanging(subjects, snapshot, decision->userKey);
	bool		isNull;

	if (slot != NULL)
		slot = KeyedLockRow(subjects, slot);
	if (slot != NULL)
	{
		CheckSameId(decision, DatumGetTextPP(slot_getattr(slot, SUBJECT_USER_ID, &isNull)));
		subject->granted = SlotInt32(slot, SUBJECT_GRANTED);
		subject->decided = SlotInt32(slot, SUBJECT_DECIDED);
		subject->restricted = SlotInt32(slot, SUBJECT_RESTRICTED);
	}
	UnregisterSnapshot(snapshot);
	return slot != NULL;
}

/* Insert the person's row as it shall be; false: somebody else has, or may have. */
static bool
TryInsertSubject(KeyedTable *subjects, const ConsentDecision *decision, const ConsentOutcome *outcome)
{
	Datum		values[SUBJECT_COLUMNS] = {0};
	bool		nulls[SUBJECT_COLUMNS] = {false};

	values[SUBJECT_USER_KEY - 1] = Int64GetDatum(decision->userKey);
	values[SUBJECT_USER_ID - 1] = PointerGetDatum(decision->userId);
	values[SUBJECT_GRANTED - 1] = Int32GetDatum(outcome->granted);
	values[SUBJECT_DECIDED - 1] = Int32GetDatum(outcome->decided);
	nulls[SUBJECT_SINCE - 1] = true;
	values[SUBJECT_RESTRICTED - 1] = Int32GetDatum(0);
	return KeyedTryInsert(subjects, values, nulls);
}

/* The same, after waiting for whoever is at it. */
static bool
InsertSubject(const ConsentDecision *decision, const ConsentOutcome *outcome)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, TEXTOID, INT4OID, INT4OID};
	Datum		values[] = {
		Int64GetDatum(decision->userKey),
		PointerGetDatum(decision->userId),
		Int32GetDatum(outcome->granted),
		Int32GetDatum(outcome->decided)
	};

	return SpiUtilRunAsOwner(&plan,
							 "INSERT INTO personalize.subject (user_key, user_id, granted, decided)"
							 " VALUES ($1, $2, $3, $4) ON CONFLICT (user_key) DO NOTHING",
							 lengthof(types), types, values, NULL, false) > 0;
}

/* Bring the person's row up to the ledger. */
static void
UpdateSubject(const ConsentDecision *decision, const Subject *subject, const ConsentOutcome *outcome)
{
	static SPIPlanPtr plan;
	Oid			types[] = {INT8OID, INT4OID, INT4OID};
	Datum		values[] = {
		Int64GetDatum(decision->userKey),
		Int32GetDatum(outcome->granted),
		Int32GetDatum(outcome->decided)
	};
	SpiUtilScope scope;

	if (subject->granted == outcome->granted && subject->decided == outcome->decided)
		return;
	SpiUtilBegin(&scope);
	if (SpiUtilRun(&plan,
				   "UPDATE personalize.subject SET granted = $2, decided = $3 WHERE user_key = $1",
				   lengthof(types), types, values, NULL, false) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to a concurrent decision of user \"%s\"",
						text_to_cstring(decision->userId)),
				 errhint("Try again, or use READ COMMITTED.")));
	SpiUtilEnd(&scope);
}

/*
 * What the ledger knows of the person, and the entry to be written.  Without a
 * time of its own it comes after every earlier decision, even if the clock went
 * back.
 */
static void
PrepareEntry(KeyedTable *ledger, const ConsentDecision *decision, LedgerPerson *person, LedgerEntry *entry)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	person->userKey = decision->userKey;
	LedgerReadPerson(ledger, person, snapshot);
	UnregisterSnapshot(snapshot);

	*entry = (LedgerEntry)
	{
		.effectiveAt = decision->effectiveAt,
		.recordedAt = ClockNow(),
		.purposes = decision->purposes,
		.granted = decision->granted,
		.source = decision->source,
		.basis = decision->basis,
		.noticeVersion = decision->noticeVersion,
		.evidenceDigest = DigestText(decision->evidence)
	};
	if (!decision->hasEffectiveAt)
		entry->effectiveAt = person->count == 0 ? entry->recordedAt :
			Max(entry->recordedAt, person->latest + 1);
}

/* What will hold with the entry. */
static void
Foresee(const LedgerPerson *person, const LedgerEntry *entry, ConsentOutcome *outcome)
{
	LedgerDecide(person, entry, &outcome->granted, &outcome->decided);
	for (int bit = 0; bit < PURPOSE_MAX; bit++)
	{
		if (entry->granted || (entry->purposes & (1 << bit)) == 0)
			continue;
		outcome->sinceBefore[bit] = LedgerGrantedSince(person, NULL, 1 << bit);
		outcome->since[bit] = LedgerGrantedSince(person, entry, 1 << bit);
	}
}

/* Raise for a text that belongs elsewhere. */
void
ConsentCheckText(const char *what, const text *string)
{
	if (string != NULL && VARSIZE_ANY_EXHDR(string) > LONGEST_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("%s must not be longer than %d bytes", what, LONGEST_TEXT),
				 errdetail("It begins with \"%s\" and has %d bytes.",
						   text_to_cstring(DatumGetTextPP(DirectFunctionCall2(text_left, PointerGetDatum(string), Int32GetDatum(40)))),
						   (int) VARSIZE_ANY_EXHDR(string)),
				 errhint("The ledger keeps it for years: keep the document elsewhere and give its name here, or give it to grant_consent() as evidence, of which only the SHA-256 is kept.")));
}

/* Record a decision, unless it is of somebody who may not enter; false: it is not. */
bool
ConsentRecordIf(const ConsentDecision *decision, ConsentOutcome *outcome,
				ConsentMayEnter mayEnter, void *arg)
{
	KeyedTable *subjects;
	KeyedTable *ledger;
	ConsentOutcome foreseen = {0};
	LedgerPerson person;
	LedgerEntry entry;
	bool		recorded = true;

	ConsentCheckText("source", decision->source);
	ConsentCheckText("grounds", decision->basis);
	ConsentCheckText("notice_version", decision->noticeVersion);
	subjects = KeyedOpen("subject", "subject_pkey", RowExclusiveLock);
	ledger = LedgerOpen(RowExclusiveLock);
	for (;;)
	{
		Subject		subject;
		bool		exists = LockSubject(subjects, decision, &subject);

		recorded = exists || mayEnter == NULL || mayEnter(decision, arg);
		if (!recorded)
			break;
		PrepareEntry(ledger, decision, &person, &entry);
		Foresee(&person, &entry, &foreseen);
		if (exists)
		{
			foreseen.restricted = subject.restricted;
			UpdateSubject(decision, &subject, &foreseen);
			break;
		}
		if (TryInsertSubject(subjects, decision, &foreseen) || InsertSubject(decision, &foreseen))
			break;
	}
	if (recorded)
		LedgerAppend(ledger, &person, &entry);
	KeyedClose(ledger);
	KeyedClose(subjects);
	CommandCounterIncrement();
	if (outcome)
		*outcome = foreseen;
	return recorded;
}

/* Record a decision. */
void
ConsentRecord(const ConsentDecision *decision, ConsentOutcome *outcome)
{
	(void) ConsentRecordIf(decision, outcome, NULL, NULL);
}
