/*
 * page_module.h
 *		What a page is made of: table page_module.
 */
#ifndef PERSONALIZE_PAGE_MODULE_H
#define PERSONALIZE_PAGE_MODULE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "engines/audience.h"
#include "engines/engine.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"

/* Columns of page_module; src/pages/page_module.sql. */
typedef enum PageModuleColumn
{
	MODULE_COLUMN_PAGE = 1,
	MODULE_COLUMN_MODULE,
	MODULE_COLUMN_TITLE,
	MODULE_COLUMN_SOURCE,
	MODULE_COLUMN_ARGUMENTS,
	MODULE_COLUMN_MIN_ITEMS,
	MODULE_COLUMN_FIRST_SHELF,
	MODULE_COLUMN_LAST_SHELF,
	MODULE_COLUMN_PINNED_SHELF,
	MODULE_COLUMN_AUDIENCE,
	MODULE_COLUMN_SEGMENT,
	MODULE_COLUMN_VARIANTS,
	MODULE_COLUMN_VALID_DURING,
	MODULE_COLUMN_ENABLED,
	MODULE_COLUMN_NUMBER
} PageModuleColumn;

#define PAGE_MAX_NAME_BYTES 63

/* As many shelves a page has at most. */
#define PAGE_MAX_SHELVES 100

/* What column arguments may have; which of them is up to the source. */
typedef enum PageArgument
{
	ARGUMENT_FILTER,			/* jsonpath over the catalogue row */
	ARGUMENT_CATEGORY,
	ARGUMENT_HALF_LIFE,
	ARGUMENT_ITEMS,
	ARGUMENT_FUNCTION
} PageArgument;
#define PAGE_ARGUMENTS 5
extern const char *const pageArgumentNames[PAGE_ARGUMENTS];

/* The values of column arguments; what is not given is NULL or 0. */
typedef struct PageArguments
{
	JsonPath   *filter;
	text	   *category;
	int64		halfLife;		/* microseconds */
	int			itemCount;
	text	  **items;
	char	   *function;		/* signature with schema */
} PageArguments;

struct PageSource;

typedef struct PageModule
{
	text	   *page;
	text	   *name;
	text	   *title;
	const struct PageSource *source;
	PageArguments arguments;
	int			minItems;
	int			firstShelf;
	int			lastShelf;
	int			pinnedShelf;	/* 0: none */
	Audience	audience;
	int			variantCount;	/* 0: all */
	char	  **variants;
	TimestampTz since;			/* it is valid from here on */
	TimestampTz until;			/* up to, but not at, this time */
	bool		enabled;
	int			number;			/* in request ids */
} PageModule;

/* What shelves of this page are about already. */
typedef struct PageTopics
{
	KeySet		items;			/* because_viewed: those it went by */
	int			count;
	const text **categories;	/* one a shelf that is about a category */
	int			maxPerCategory;	/* shelves; 0: any number */
} PageTopics;

/* A source of modules, which is a recipe that is no engine of its own. */
typedef struct PageSource
{
	const char *name;
	int			allowed;		/* 1 << PageArgument of those it knows */
	int			needed;			/* of these, one must be given */

	/*
	 * Reads of the visitor what the shelf goes by; returns why there is nothing, else NULL.
	 * The context has the module in asked.
	 */
	const char *(*prepare) (EngineContext *context, const PageModule *module, PageTopics *topics);
	EngineRecipe recipe;
} PageSource;

/* Make sources known, in an Init. */
extern void PageSourceRegister(const PageSource *sources, int count);

/* A source by its name; NULL: there is none. */
extern const PageSource *PageSourceFind(const char *name);

/* The names of all. */
extern const char *const *PageSourceNames(int *count);

/* Modules in the order of page and number. */
typedef struct PageModules
{
	int			count;
	const PageModule *modules;
} PageModules;

/* The modules of a page; an error that lists the pages there are if it has none. */
extern PageModules PageModulesOf(const text *page);

/*
 * Read column arguments, which the source knows; what it cannot have is an error, or, if
 * lenient, passed over.
 */
extern void PageArgumentsRead(PageArguments *arguments, const PageSource *source, const char *module,
							  Jsonb *json, bool lenient);

/* The function of a module by its signature; InvalidOid: there is none. */
extern Oid	PageFunctionFind(const char *signature);

/* Complain of a text that is empty, too long or has control characters; what: "module". */
extern void PageCheckText(const char *column, const char *what, Datum value, int maxBytes);

extern void PageModuleInit(void);

#endif
