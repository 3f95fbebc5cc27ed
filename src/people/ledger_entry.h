/*
 * ledger_entry.h
 *		An entry of the consent ledger: its columns and its hash.
 */
#ifndef PERSONALIZE_LEDGER_ENTRY_H
#define PERSONALIZE_LEDGER_ENTRY_H

#include "postgres.h"

/* Columns of consent_ledger, from 0; src/people/ledger.sql. */
typedef enum LedgerColumn
{
	LEDGER_USER_KEY,
	LEDGER_EFFECTIVE_AT,
	LEDGER_RECORDED_AT,
	LEDGER_TXID,
	LEDGER_NONCE,
	LEDGER_PURPOSES,
	LEDGER_GRANTED,
	LEDGER_ERASED,
	LEDGER_SOURCE,
	LEDGER_BASIS,
	LEDGER_NOTICE_VERSION,
	LEDGER_EVIDENCE_DIGEST,
	LEDGER_PREVIOUS,
	LEDGER_HASH,
	LEDGER_COLUMNS
} LedgerColumn;

/* The hash of an entry, all of whose other columns are given, of a person with this pseudonym. */
extern bytea *LedgerHashEntry(const Datum *values, const bool *nulls, int64 pseudonym);

#endif
