/*
 * consent_mapping.h
 *		What the words of consent platforms mean: table consent_mapping.
 */
#ifndef PERSONALIZE_CONSENT_MAPPING_H
#define PERSONALIZE_CONSENT_MAPPING_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "people/consent.h"
#include "utils/jsonb.h"

/* A row of the table. */
typedef struct ConsentMappingRow
{
	char	   *source;
	int			bit;			/* of the purpose */
	Datum		path;			/* jsonpath */
	char	   *key;			/* of $."key"; NULL: another path */
	Datum	   *accepted;		/* text */
	int			acceptedCount;
	bool		builtin;
} ConsentMappingRow;

/* The table, and the purposes there are. */
typedef struct ConsentMapping
{
	PurposeCatalogue *purposes;
	List	   *rows;			/* of ConsentMappingRow */
} ConsentMapping;

/* What a row found in a document. */
typedef struct ConsentFinding
{
	bool		found;			/* there was a value */
	bool		accepted;
	char	   *word;			/* the value; NULL: no scalar */
} ConsentFinding;

/* The mapping, kept until somebody changes it; valid until the next call. */
extern const ConsentMapping *ConsentMappingGet(void);

/* True if there are rows for a source and a purpose, shipped or not. */
extern bool ConsentMappingHas(const ConsentMapping *mapping, const char *source, int bit, bool builtin);

/* Ask a row about a document. */
extern ConsentFinding ConsentMappingAsk(const ConsentMappingRow *row, Jsonb *document);

/* Called once when the library is loaded. */
extern void ConsentMappingInit(void);

#endif
