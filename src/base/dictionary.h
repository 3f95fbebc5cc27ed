/*
 * dictionary.h
 *		Ids met for the first time, until they are filed under their keys.
 */
#ifndef PERSONALIZE_DICTIONARY_H
#define PERSONALIZE_DICTIONARY_H

#include "postgres.h"

#include "base/table_writer.h"
#include "utils/snapshot.h"

/* Whose ids: column kind of _dictionary_log. */
typedef enum DictionaryKind
{
	DICTIONARY_USER = 'u',
	DICTIONARY_ITEM = 'i'
} DictionaryKind;

/* Ids on their way to the log; initialize with DICTIONARY_LOG, end with LazyWriterEnd. */
#define DICTIONARY_LOG {.table = "_dictionary_log"}
extern void DictionaryLogId(LazyWriter *log, DictionaryKind kind, int64 key, const char *id,
							int length, int64 txid);

/*
 * Where the ids of a kind are filed, as SQL: filed is a query of (key, id); note
 * writes down what is in colliding (key, id, other), ids whose key has another
 * already; file inserts what is in seen (key, id), one of each key, which may be
 * filed already.
 */
typedef struct DictionaryFile
{
	DictionaryKind kind;
	const char *filed;
	const char *note;
	const char *file;
} DictionaryFile;

/*
 * File what is logged of these shards.  False if an id has the key of another,
 * *id that of *other; both palloc'd.
 */
extern bool DictionaryFold(DictionaryFile *file, const bool *shards, char **id, char **other);

/*
 * For SQL of others: the ids of a kind that are logged (key, id), to select from; and
 * a statement that forgets those with keys in an array, which returns their keys.
 */
#define DICTIONARY_LOGGED(kind) \
	"(SELECT d.key, d.id FROM personalize._dictionary_log AS d WHERE d.kind = '" kind "')"
#define DICTIONARY_FORGET(kind, keys) \
	"DELETE FROM personalize._dictionary_log WHERE kind = '" kind "' AND key = ANY (" keys ") RETURNING key"

/* An id that is logged under a key from first to last, palloc'd; NULL: none. */
extern text *DictionaryFind(DictionaryKind kind, int64 first, int64 last, Snapshot snapshot);

#endif
