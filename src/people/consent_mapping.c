/*
 * consent_mapping.c
 *		What the words of consent platforms mean: table consent_mapping.
 *
 * Each backend keeps the rows it has read.  A statement trigger on the table,
 * and on purpose, whose bits it needs, sends a relcache invalidation, upon which
 * they are read anew when they are next needed.
 */
#include "postgres.h"

#include "people/consent_mapping.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/json_filter.h"
#include "base/json_member.h"
#include "base/relation.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_consent_mapping_changed);

/* Columns of consent_mapping; src/people/consent_decode.sql. */
enum
{
	MAPPING_SOURCE = 1,
	MAPPING_PURPOSE,
	MAPPING_PATH,
	MAPPING_ACCEPTED,
	MAPPING_DESCRIPTION,
	MAPPING_BUILTIN
};

/* What this backend has read, and whether it still holds. */
static ConsentMapping *current = NULL;
static MemoryContext currentContext = NULL;
static Oid	currentRelation = InvalidOid;
static bool currentIsValid = false;

/* Relcache callback: the table changed, or everything may have. */
static void
ForgetMapping(Datum argument, Oid relationId)
{
	if (relationId == InvalidOid || relationId == currentRelation)
		currentIsValid = false;
}

/* Watch the table. */
void
ConsentMappingInit(void)
{
	RelationWatch(ForgetMapping);
}

/* Statement trigger: tell every backend that the mapping changed. */
Datum
personalize_consent_mapping_changed(PG_FUNCTION_ARGS)
{
	Oid			relationId = RelationFind("consent_mapping", true);

	if (OidIsValid(relationId))
		CacheInvalidateRelcacheByRelid(relationId);
	return PointerGetDatum(NULL);
}

/* The key of a path that is $."key", NULL of any other. */
static char *
ParseKey(Datum path)
{
	char	   *string = DatumGetCString(DirectFunctionCall1(jsonpath_out, path));
	char	   *key = string + 3;
	int			length = strlen(string) - 4;

	if (length < 0 || strncmp(string, "$.\"", 3) != 0 || strcspn(key, "\"\\") != length || key[length] != '"')
		return NULL;
	key[length] = '\0';
	return key;
}

/* A row out of a slot; NULL if its purpose is no more. */
static ConsentMappingRow *
ReadRow(TupleTableSlot *slot, const PurposeCatalogue *purposes)
{
	ConsentMappingRow *row = palloc0(sizeof(ConsentMappingRow));
	bool		isNull;
	char	   *purpose = TextDatumGetCString(slot_getattr(slot, MAPPING_PURPOSE, &isNull));
	int32		mask = PurposeBit(purposes, purpose, strlen(purpose));

	if (mask == 0)
		return NULL;
	row->bit = pg_rightmost_one_pos32(mask);
	row->source = TextDatumGetCString(slot_getattr(slot, MAPPING_SOURCE, &isNull));
	row->path = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, MAPPING_PATH, &isNull)));
	row->key = ParseKey(row->path);
	deconstruct_array(DatumGetArrayTypePCopy(slot_getattr(slot, MAPPING_ACCEPTED, &isNull)),
					  TEXTOID, -1, false, TYPALIGN_INT, &row->accepted, NULL, &row->acceptedCount);
	row->builtin = DatumGetBool(slot_getattr(slot, MAPPING_BUILTIN, &isNull));
	return row;
}

/* Read the table. */
static ConsentMapping *
ReadMapping(Relation table)
{
	ConsentMapping *mapping = palloc0(sizeof(ConsentMapping));
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(table)));
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	mapping->purposes = PurposeCatalogueRead(snapshot);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		ConsentMappingRow *row = ReadRow(slot, mapping->purposes);

		if (row)
			mapping->rows = lappend(mapping->rows, row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return mapping;
}

/* The mapping. */
const ConsentMapping *
ConsentMappingGet(void)
{
	Relation	table;
	MemoryContext oldContext;

	if (current && currentIsValid && currentRelation == RelationFind("consent_mapping", false))
		return current;
	/* before the snapshot, so that whatever it does not show is announced later */
	table = RelationOpenTable("consent_mapping", AccessShareLock);
	current = NULL;
	if (currentContext)
		MemoryContextReset(currentContext);
	else
		currentContext = AllocSetContextCreate(CacheMemoryContext, "personalize consent mapping",
											   ALLOCSET_SMALL_SIZES);
	currentRelation = RelationGetRelid(table);
	currentIsValid = true;
	oldContext = MemoryContextSwitchTo(currentContext);
	current = ReadMapping(table);
	MemoryContextSwitchTo(oldContext);
	table_close(table, NoLock);
	return current;
}

/* True if there are rows for a source and a purpose, shipped or not. */
bool
ConsentMappingHas(const ConsentMapping *mapping, const char *source, int bit, bool builtin)
{
	ListCell   *cell;

	foreach(cell, mapping->rows)
	{
		const ConsentMappingRow *row = lfirst(cell);

		if (row->bit == bit && row->builtin == builtin && strcmp(row->source, source) == 0)
			return true;
	}
	return false;
}

/* A scalar as accepted values are written; NULL if it is none. */
static char *
FormatScalar(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return numeric_normalize(value->val.numeric);
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvNull:
			return pstrdup("null");
		default:
			return NULL;
	}
}

/* True if a row accepts a value. */
static bool
Accepts(const ConsentMappingRow *row, const char *word)
{
	for (int i = 0; i < row->acceptedCount; i++)
	{
		text	   *accepted = DatumGetTextPP(row->accepted[i]);

		if (VARSIZE_ANY_EXHDR(accepted) == strlen(word) &&
			memcmp(VARDATA_ANY(accepted), word, strlen(word)) == 0)
			return true;
	}
	return false;
}

/* Ask a row about a value that was found. */
static void
AskValue(const ConsentMappingRow *row, const JsonbValue *value, ConsentFinding *finding)
{
	char	   *word = FormatScalar(value);

	CHECK_FOR_INTERRUPTS();
	finding->found = true;
	if (word)
		finding->word = word;
	finding->accepted = word && Accepts(row, word);
}

/*
 * Ask a row about a value, or the elements of a list: one that it accepts is
 * enough.  An empty list is a no, and not silence.
 */
static void
AskValueOrList(const ConsentMappingRow *row, const JsonbValue *value, ConsentFinding *finding)
{
	JsonbContainer *list = value->type == jbvBinary ? value->val.binary.data : NULL;

	AskValue(row, value, finding);
	if (list == NULL || !JsonContainerIsArray(list))
		return;
	for (int i = 0; i < JsonContainerSize(list) && !finding->accepted; i++)
		AskValue(row, getIthJsonbValueFromContainer(list, i), finding);
}

/* Ask a row about a document. */
ConsentFinding
ConsentMappingAsk(const ConsentMappingRow *row, Jsonb *document)
{
	ConsentFinding finding = {0};
	Jsonb	   *values;

	/* what nearly every path is, without the machinery of jsonpath */
	if (row->key && JB_ROOT_IS_OBJECT(document))
	{
		JsonbValue	value;

		if (JsonMember(&document->root, row->key, &value))
			AskValueOrList(row, &value, &finding);
		return finding;
	}
	/* silent: what a path cannot be applied to, it finds nothing in */
	values = DatumGetJsonbP(DirectFunctionCall4(jsonb_path_query_array_tz, JsonbPGetDatum(document),
												row->path, JsonFilterNoVariables(),
												BoolGetDatum(true)));
	for (int i = 0; i < JB_ROOT_COUNT(values) && !finding.accepted; i++)
		AskValueOrList(row, getIthJsonbValueFromContainer(&values->root, i), &finding);
	return finding;
}
