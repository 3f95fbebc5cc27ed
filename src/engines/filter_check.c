/*
 * filter_check.c
 *		Filters that ask for what no item has.
 *
 * In a jsonpath a misspelt member is no error: it finds nothing, and so does the
 * call.  So the paths of each filter are followed once a session.  Of the members of an
 * item all names are known.  What attributes hold is the shop's: that is looked up in
 * the catalogue, but only for a filter that has matched nothing.
 */
#include "postgres.h"

#include "engines/filter_check.h"

#include "base/key.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"

/* So many filters are remembered; then all are forgotten, and may be warned of again. */
#define MAX_CHECKED 1000

/* A filter that was met in this session. */
typedef struct CheckedFilter
{
	int64		key;			/* hash key: of its bytes */
	bool		attributes;		/* its attributes were looked up, too */
} CheckedFilter;

static HTAB *checkedFilters = NULL;

/* Where in an item a path leads. */
typedef enum PlaceKind
{
	PLACE_UNKNOWN,				/* it cannot be told */
	PLACE_ITEM,
	PLACE_VALUE,				/* a member of the item that has none itself */
	PLACE_ATTRIBUTE				/* attributes, or something in it */
} PlaceKind;

typedef struct Place
{
	PlaceKind	kind;
	char	   *path;			/* as a jsonpath from the item, or from attributes */
} Place;

/* A filter being followed. */
typedef struct Walk
{
	char	   *wrong;			/* the first path that leads nowhere; NULL: none */
	List	   *attributes;		/* paths from attributes, char * */
} Walk;

static void FollowPath(Walk *walk, JsonPathItem *item, const Place *current);

/* What was remembered of the filter; new: it was not met before. */
static CheckedFilter *
Remember(const JsonPath *path, bool *isNew)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(CheckedFilter)};
	int64		key = (int64) KeyHash(path, VARSIZE(path));
	CheckedFilter *checked;
	bool		found;

	if (checkedFilters != NULL && hash_get_num_entries(checkedFilters) >= MAX_CHECKED)
	{
		hash_destroy(checkedFilters);
		checkedFilters = NULL;
	}
	if (checkedFilters == NULL)
		checkedFilters = hash_create("personalize filters", 64, &control, HASH_ELEM | HASH_BLOBS);
	checked = hash_search(checkedFilters, &key, HASH_ENTER, &found);
	if (!found)
		checked->attributes = false;
	*isNew = !found;
	return checked;
}

/* Go on to a member. */
static Place
Step(Walk *walk, Place from, const char *name, int length)
{
	Place		to = {PLACE_UNKNOWN, NULL};
	ItemMember	member;
	StringInfoData path;

	if (from.kind == PLACE_UNKNOWN)
		return to;
	initStringInfo(&path);
	appendStringInfo(&path, "%s.", from.path);
	escape_json(&path, pnstrdup(name, length));
	to.path = path.data;
	if (from.kind == PLACE_ATTRIBUTE)
	{
		to.kind = PLACE_ATTRIBUTE;
		walk->attributes = lappend(walk->attributes, to.path);
		return to;
	}
	member = from.kind == PLACE_ITEM ? ItemMemberKind(name, length) : ITEM_MEMBER_NONE;
	if (member == ITEM_MEMBER_NONE)
	{
		if (walk->wrong == NULL)
			walk->wrong = to.path;
		return (Place) {PLACE_UNKNOWN, NULL};
	}
	if (member == ITEM_MEMBER_OBJECT)
		return (Place) {PLACE_ATTRIBUTE, "$"};
	to.kind = PLACE_VALUE;
	return to;
}

/* Follow what an operator has on its sides; it leads to no place itself. */
static Place
FollowOperands(Walk *walk, JsonPathItem *item, const Place *current)
{
	JsonPathItem operand;

	switch (item->type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiStartsWith:
			jspGetLeftArg(item, &operand);
			FollowPath(walk, &operand, current);
			jspGetRightArg(item, &operand);
			FollowPath(walk, &operand, current);
			break;
		case jpiNot:
		case jpiIsUnknown:
		case jpiExists:
		case jpiPlus:
		case jpiMinus:
			jspGetArg(item, &operand);
			FollowPath(walk, &operand, current);
			break;
		case jpiLikeRegex:
			jspInitByBuffer(&operand, item->base, item->content.like_regex.expr);
			FollowPath(walk, &operand, current);
			break;
		default:
			break;
	}
	return (Place) {PLACE_UNKNOWN, NULL};
}

/* Follow a path from its beginning; current is where @ leads. */
static void
FollowPath(Walk *walk, JsonPathItem *item, const Place *current)
{
	JsonPathItem step = *item;
	Place		place = {PLACE_UNKNOWN, NULL};

	check_stack_depth();
	for (;;)
	{
		JsonPathItem next;
		JsonPathItem condition;
		char	   *name;
		int32		length;

		switch (step.type)
		{
			case jpiRoot:
				place = (Place) {PLACE_ITEM, "$"};
				break;
			case jpiCurrent:
				place = *current;
				break;
			case jpiKey:
				name = jspGetString(&step, &length);
				place = Step(walk, place, name, length);
				break;
			case jpiAnyArray:
			case jpiIndexArray:
				break;
			case jpiFilter:
				jspGetArg(&step, &condition);
				FollowPath(walk, &condition, &place);
				break;
			default:
				place = FollowOperands(walk, &step, current);
				break;
		}
		if (!jspGetNext(&step, &next))
			return;
		step = next;
	}
}

/* True if some item has something there. */
static bool
CatalogueHas(const char *path)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {JSONPATHOID};
	Datum		values[1];
	SpiUtilScope scope;
	bool		isNull;
	bool		has;

	values[0] = DirectFunctionCall1(jsonpath_in, CStringGetDatum(path));
	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT EXISTS (SELECT FROM personalize.item WHERE jsonb_path_exists(attributes, $1))",
			   lengthof(types), types, values, NULL, true);
	has = DatumGetBool(SpiUtilValue(0, 1, &isNull));
	SpiUtilEnd(&scope);
	return has;
}

/* Say that no item has what a path leads to. */
static void
Warn(const JsonPath *filter, const char *path)
{
	ereport(WARNING,
			(errmsg("no item has %s, which the filter asks for", path),
			 errdetail("The filter is \"%s\".", DatumGetCString(DirectFunctionCall1(jsonpath_out, PointerGetDatum(filter)))),
			 errhint("Filters see of an item: %s. What attributes has is the catalogue's: $.attributes.<name>.",
					 ItemMemberNames())));
}

/* Warn of a filter that has a path which finds nothing in any item. */
void
FilterCheck(EngineContext *context)
{
	JsonPath   *filter = context->filter;
	CheckedFilter *checked;
	Walk		walk = {0};
	Place		nowhere = {PLACE_UNKNOWN, NULL};
	JsonPathItem root;
	ListCell   *cell;
	bool		isNew;

	if (filter == NULL)
		return;
	if (context->explain && context->filterMatched == 0 && context->filterAsked > 0)
		ereport(NOTICE,
				(errmsg("the filter matched none of the %d items it was asked about", context->filterAsked)));
	checked = Remember(filter, &isNew);
	if (!isNew && (checked->attributes || context->filterMatched > 0))
		return;
	jspInit(&root, filter);
	FollowPath(&walk, &root, &nowhere);
	if (isNew && walk.wrong != NULL)
		Warn(filter, walk.wrong);
	if (walk.wrong != NULL || context->filterMatched > 0)
		return;
	checked->attributes = true;
	foreach(cell, walk.attributes)
	{
		if (CatalogueHas(lfirst(cell)))
			continue;
		Warn(filter, psprintf("$.\"attributes\"%s", (char *) lfirst(cell) + 1));
		return;
	}
}
