/*
 * item_dictionary.c
 *		Items that events name first get a row in the catalogue.
 */
#include "postgres.h"

#include "items/item_dictionary.h"

#include "base/dictionary.h"

static DictionaryFile itemFile = {
	.kind = DICTIONARY_ITEM,
	.filed = "SELECT i.item_key AS key, i.item_id::text AS id FROM personalize.item i",
	.note =
	"INSERT INTO personalize.rejected_event (txid, source, reason, payload)"
	" SELECT 0, 'dictionary', pg_catalog.format('item \"%s\" has the same key as item \"%s\"', c.id, c.other),"
	" pg_catalog.jsonb_build_object('item_key', c.key) FROM colliding c",
	.file =
	"INSERT INTO personalize.item (item_id, updated_at)"
	" SELECT s.id, NULL::timestamptz FROM seen s ORDER BY s.id COLLATE \"C\" ON CONFLICT DO NOTHING"
};

/* Give the logged items of these shards a row. */
void
ItemDictionaryFold(const bool *shards)
{
	char	   *id;
	char	   *other;

	if (!DictionaryFold(&itemFile, shards, &id, &other))
		ereport(WARNING,
				(errmsg("item \"%s\" has the same key as item \"%s\"", id, other),
				 errhint("Give one of them another id: their events cannot be told apart.")));
}
