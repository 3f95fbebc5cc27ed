/*
 * refused_id.c
 *		What programs write where they have no id: "undefined", "null", "[object Object]".
 *
 * Taken for a person it would join strangers, and as the id of a message it would
 * make all but the first of them duplicates.  The list is a table that can be
 * changed; a backend keeps it, by the hash of the id in lower case, until the table
 * changes.  Rows of the shop's own come before those that were installed.
 */
#include "postgres.h"

#include "people/refused_id.h"

#include "base/key.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "compat.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(personalize_usable_id);

/* An entry of the list. */
typedef struct RefusedId
{
	uint64		hash;			/* hash key */
	bool		ofPerson;
	bool		ofOther;
} RefusedId;

static HTAB *list = NULL;

/* By length, which first and last characters ids on it have: most ids need no hash. */
static uint64 shapes[KEY_MAX_ID_BYTES + 1];
static Oid	listTable = InvalidOid;

/* Relcache callback: read the list anew when the table changes. */
static void
ForgetList(Datum argument, Oid relationId)
{
	if (list == NULL || (OidIsValid(relationId) && relationId != listTable))
		return;
	hash_destroy(list);
	list = NULL;
}

/* A number below 64 of a character; of upper and lower case the same, of digits others than of letters. */
static inline int
Fold(char c)
{
	return (c & 31) | ((c & 64) >> 1);
}

/* The bit of an id in shapes. */
static inline uint64
ShapeBit(IdBytes id)
{
	return UINT64CONST(1) << ((Fold(id.data[0]) + 11 * Fold(id.data[id.length - 1])) % 64);
}

/* The hash of an id in lower case. */
static uint64
HashFolded(IdBytes id)
{
	char		folded[KEY_MAX_ID_BYTES];

	for (int i = 0; i < id.length; i++)
		folded[i] = pg_ascii_tolower((unsigned char) id.data[i]);
	return KeyHash(folded, id.length);
}

/* Put a row of the table into the list. */
static void
AddRow(uint64 row)
{
	bool		isNull;
	text	   *given = DatumGetTextPP(SpiUtilValue(row, 1, &isNull));
	char	   *refusedFor = TextDatumGetCString(SpiUtilValue(row, 2, &isNull));
	IdBytes		id = IdTidy((IdBytes) {VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)});
	RefusedId  *entry;
	uint64		hash;

	if (id.length == 0 || id.length > KEY_MAX_ID_BYTES)
		return;
	hash = HashFolded(id);
	entry = hash_search(list, &hash, HASH_ENTER, NULL);
	entry->ofOther = strcmp(refusedFor, "everything") == 0;
	entry->ofPerson = entry->ofOther || strcmp(refusedFor, "people") == 0;
	shapes[id.length] |= ShapeBit(id);
}

/* Read the list. */
static void
ReadList(void)
{
	static SPIPlanPtr plan = NULL;
	HASHCTL		control = {
		.keysize = sizeof(uint64),.entrysize = sizeof(RefusedId),.hcxt = CacheMemoryContext
	};
	SpiUtilScope scope;
	uint64		count;

	listTable = RelationFind("refused_id", false);
	PushActiveSnapshot(GetLatestSnapshot());
	SpiUtilBegin(&scope);
	count = SpiUtilRun(&plan, "SELECT id, refused_for FROM personalize.refused_id ORDER BY builtin DESC",
					   0, NULL, NULL, NULL, true);
	list = hash_create("personalize refused ids", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	memset(shapes, 0, sizeof(shapes));
	for (uint64 i = 0; i < count; i++)
		AddRow(i);
	SpiUtilEnd(&scope);
	PopActiveSnapshot();
}

/* True if a tidy id is on the list, as that of a person or of anything else. */
bool
RefusedIdIsListed(IdBytes id, bool ofPerson)
{
	uint64		hash;
	RefusedId  *entry;

	if (list == NULL)
		ReadList();
	if (id.length == 0 || id.length > KEY_MAX_ID_BYTES || (shapes[id.length] & ShapeBit(id)) == 0)
		return false;
	hash = HashFolded(id);
	entry = hash_search(list, &hash, HASH_FIND, NULL);
	return entry != NULL && (ofPerson ? entry->ofPerson : entry->ofOther);
}

/* Raise if a tidy id cannot be a person's. */
void
RefusedIdCheckPerson(const text *userId)
{
	if (RefusedIdIsListed((IdBytes) {VARDATA_ANY(userId), VARSIZE_ANY_EXHDR(userId)}, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("user_id \"%s\" is the id of nobody", text_to_cstring(userId)),
				 errhint(REFUSED_ID_HINT)));
}

/* _usable_id(id): an item's id as it is kept; NULL if it is none. */
Datum
personalize_usable_id(PG_FUNCTION_ARGS)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	IdBytes		id = IdTidy((IdBytes) {VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)});

	if (id.length == 0 || id.length > KEY_MAX_ID_BYTES || RefusedIdIsListed(id, false))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(id.data, id.length));
}

/* Watch the table. */
void
RefusedIdInit(void)
{
	RelationWatch(ForgetList);
}
