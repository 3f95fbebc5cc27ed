/*
 * page_title.c
 *		What stands above a shelf.
 */
#include "postgres.h"

#include "pages/page_title.h"

#include "base/json_member.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* What a customer would call an item: the attribute title or name, else its id. */
static text *
NameItem(EngineContext *context, int64 itemKey)
{
	static const char *const names[] = {"title", "name"};
	text	   *id = ContextFindId(context, itemKey);
	Jsonb	   *attributes = ItemReaderAttributes(context->items, itemKey);
	JsonbValue	value;

	for (int i = 0; attributes != NULL && i < lengthof(names); i++)
		if (JsonMember(&attributes->root, names[i], &value) && value.type == jbvString &&
			value.val.string.len > 0)
			return cstring_to_text_with_len(value.val.string.val, value.val.string.len);
	return id;
}

/* The category or brand of an item; NULL: it has none. */
static text *
KindOf(EngineContext *context, int64 itemKey, bool brand)
{
	const ItemInfo *item = ItemReaderGet(context->items, itemKey);
	const text *kind = item == NULL ? NULL : brand ? item->brand : item->category;

	return kind == NULL ? NULL : DatumGetTextPCopy(PointerGetDatum(kind));
}

/* What a placeholder stands for; NULL: nothing. */
static const text *
Resolve(EngineContext *context, const char *name, int length, const Candidate *first)
{
	bool		hasCause = first->reason->detail == REASON_OF_ITEM || first->reason->detail == REASON_ITSELF;
	int64		itemKey = hasCause ? first->because : first->itemKey;

	if (strncmp(name, "item", length) == 0)
		return NameItem(context, itemKey);
	if (strncmp(name, "brand", length) == 0)
		return KindOf(context, itemKey, true);
	return context->category != NULL ? context->category : KindOf(context, itemKey, false);
}

/* A title. */
text *
PageTitleMake(EngineContext *context, const text *template, const Candidate *first)
{
	const char *at = VARDATA_ANY(template);
	const char *end = at + VARSIZE_ANY_EXHDR(template);
	StringInfoData title;

	initStringInfo(&title);
	while (at < end)
	{
		const char *close = *at == '{' ? memchr(at, '}', end - at) : NULL;
		const text *value;

		if (close == NULL)
		{
			appendStringInfoChar(&title, *at++);
			continue;
		}
		value = Resolve(context, at + 1, (int) (close - at) - 1, first);
		if (value == NULL)
			return NULL;
		appendBinaryStringInfo(&title, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
		at = close + 1;
	}
	return cstring_to_text_with_len(title.data, title.len);
}
