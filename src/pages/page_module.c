/*
 * page_module.c
 *		What a page is made of: table page_module.
 *
 * Each backend keeps the modules until the table changes.
 */
#include "postgres.h"

#include "pages/page_module.h"

#include "base/choice.h"
#include "base/table_cache.h"
#include "base/table_row.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* What a backend keeps of the table. */
typedef struct ModuleTable
{
	int			count;
	PageModule *modules;
} ModuleTable;

static void *ReadTable(Relation relation, Snapshot snapshot);
static TableCache cache = {.table = "page_module",.read = ReadTable};

/* As many sources there can be. */
#define MAX_SOURCES 32

static const PageSource *sources[MAX_SOURCES];
static const char *sourceNames[MAX_SOURCES];
static int	sourceCount = 0;

/* Make sources known. */
void
PageSourceRegister(const PageSource *newSources, int count)
{
	if (sourceCount + count > MAX_SOURCES)
		elog(ERROR, "too many sources of modules");
	for (int i = 0; i < count; i++)
	{
		sources[sourceCount] = &newSources[i];
		sourceNames[sourceCount++] = newSources[i].name;
	}
}

/* A source by its name. */
const PageSource *
PageSourceFind(const char *name)
{
	int			place = ChoiceFind(name, sourceNames, sourceCount);

	return place < 0 ? NULL : sources[place];
}

/* The names of all. */
const char *const *
PageSourceNames(int *count)
{
	*count = sourceCount;
	return sourceNames;
}

/* Watch the table. */
void
PageModuleInit(void)
{
	TableCacheRegister(&cache);
}

/* The variants that a module is part of. */
static void
ReadVariants(PageModule *module, ArrayType *array)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	module->variants = palloc_array(char *, Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			module->variants[module->variantCount++] = TextDatumGetCString(names[i]);
}

/* A row out of a slot; false if it must be passed over. */
static bool
ReadRow(void *row, TupleTableSlot *slot)
{
	PageModule *module = row;
	ArrayType  *variants;
	bool		isNull;

	module->source = PageSourceFind(TableRowText(slot, MODULE_COLUMN_SOURCE));
	/* a source that this library does not know */
	if (module->source == NULL)
		return false;
	module->page = TableRowCopy(slot, MODULE_COLUMN_PAGE);
	module->name = TableRowCopy(slot, MODULE_COLUMN_MODULE);
	module->title = TableRowCopy(slot, MODULE_COLUMN_TITLE);
	PageArgumentsRead(&module->arguments, module->source, "", TableRowCopy(slot, MODULE_COLUMN_ARGUMENTS), true);
	module->minItems = TableRowInteger(slot, MODULE_COLUMN_MIN_ITEMS);
	module->firstShelf = TableRowInteger(slot, MODULE_COLUMN_FIRST_SHELF);
	module->lastShelf = TableRowInteger(slot, MODULE_COLUMN_LAST_SHELF);
	module->pinnedShelf = TableRowInteger(slot, MODULE_COLUMN_PINNED_SHELF);
	module->audience.path = TableRowCopy(slot, MODULE_COLUMN_AUDIENCE);
	module->audience.segment = TableRowText(slot, MODULE_COLUMN_SEGMENT);
	variants = TableRowCopy(slot, MODULE_COLUMN_VARIANTS);
	if (variants != NULL)
		ReadVariants(module, variants);
	TableRowRange(slot, MODULE_COLUMN_VALID_DURING, &module->since, &module->until);
	module->enabled = DatumGetBool(slot_getattr(slot, MODULE_COLUMN_ENABLED, &isNull));
	module->number = TableRowInteger(slot, MODULE_COLUMN_NUMBER);
	return true;
}

/* Compare two texts by their bytes. */
static int
CompareTexts(const text *a, const text *b)
{
	int			aLength = VARSIZE_ANY_EXHDR(a);
	int			bLength = VARSIZE_ANY_EXHDR(b);
	int			result = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(aLength, bLength));

	return result != 0 ? result : (aLength > bLength) - (aLength < bLength);
}

/* Order modules by page and number. */
static int
CompareModules(const void *left, const void *right)
{
	const PageModule *a = left;
	const PageModule *b = right;
	int			result = CompareTexts(a->page, b->page);

	return result != 0 ? result : (a->number > b->number) - (a->number < b->number);
}

/* Read the table. */
static void *
ReadTable(Relation relation, Snapshot snapshot)
{
	ModuleTable *table = palloc_object(ModuleTable);
	TableRows	rows = TableRowsRead(relation, snapshot, sizeof(PageModule), ReadRow, CompareModules);

	table->count = rows.count;
	table->modules = rows.rows;
	return table;
}

/* Complain of a page without modules; the hint lists those that have some. */
static void
RefusePage(const ModuleTable *table, const text *page)
{
	char	   *name = text_to_cstring(page);
	const char **names = palloc_array(const char *, Max(table->count, 1));
	int			count = 0;

	for (int i = 0; i < table->count; i++)
		if (i == 0 || CompareTexts(table->modules[i].page, table->modules[i - 1].page) != 0)
			names[count++] = text_to_cstring(table->modules[i].page);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("page \"%s\" does not exist", ChoiceShow(name)),
			 count > 0 ? errhint("%s", ChoiceHint(name, "pages", names, Min(count, 100))) :
			 errhint("INSERT INTO personalize.page_module makes one.")));
}

/* The modules of a page. */
PageModules
PageModulesOf(const text *page)
{
	const ModuleTable *table = TableCacheGet(&cache);
	PageModules found = {0, NULL};

	for (int i = 0; i < table->count; i++)
	{
		if (CompareTexts(table->modules[i].page, page) != 0)
			continue;
		if (found.count++ == 0)
			found.modules = &table->modules[i];
	}
	if (found.count == 0)
		RefusePage(table, page);
	return found;
}
