/*
 * admission_tell.c
 *		Why conditions admit an item or not, in words, and what would change it.
 */
#include "postgres.h"

#include "engines/admission_tell.h"

#include "base/event_time.h"
#include "engines/bought.h"
#include "engines/rule.h"
#include "engines/visitor.h"
#include "items/repeat_purchase.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* Who has set a column of the catalogue to what it is, and how to set it otherwise. */
static void
TellColumn(EngineContext *context, int64 itemKey, const char *column, const char *state, const char *wanted,
		   AdmissionVerdict *verdict)
{
	ItemOrigin	origin = ItemOriginRead(itemKey, column);

	if (origin.vanishedAt != 0 && strcmp(column, "available") == 0)
		verdict->detail = psprintf("%s: sync_items has not found it in %s since %s", state,
								   origin.source ? origin.source : "its source", EventTimeFormat(origin.vanishedAt));
	else if (origin.writtenBy)
		verdict->detail = psprintf("%s: sync_items, run by %s, took it from %s, last changed %s", state,
								   origin.writtenBy, origin.source, EventTimeFormat(origin.changedAt));
	else
		verdict->detail = psprintf("%s: set in the catalogue, last changed %s", state,
								   origin.changedAt ? EventTimeFormat(origin.changedAt) : "at an unknown time");
	if (origin.source && (origin.vanishedAt != 0 || origin.writtenBy))
		verdict->fix = psprintf("SELECT * FROM personalize.sync_items(%s); -- once the source says otherwise",
								quote_literal_cstr(origin.source));
	else
		verdict->fix = psprintf("UPDATE personalize.item SET %s = %s WHERE item_id = %s",
								column, wanted, ContextQuoteItem(context, itemKey));
}

/* Whether the catalogue has it as unavailable. */
void
AdmissionTellAvailable(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	if (verdict->admits)
		verdict->detail = "available";
	else
		TellColumn(context, itemKey, "available", "not available", "true", verdict);
}

/* Whether the catalogue has it as hidden. */
void
AdmissionTellHidden(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	if (verdict->admits)
		verdict->detail = "not hidden in the catalogue";
	else
		TellColumn(context, itemKey, "hidden", "hidden", "false", verdict);
}

/* Whether a rule of the shop speaks against it. */
void
AdmissionTellRule(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	const Rule *rule = RuleAgainst(context, itemKey);
	double		factor = RuleFactor(context, itemKey);

	if (rule != NULL)
	{
		verdict->detail = psprintf(rule->kind == RULE_EXCLUDE ? "rule %s excludes it" :
								   "rule %s requires other items", quote_literal_cstr(rule->name));
		verdict->fix = psprintf("UPDATE personalize.rule SET enabled = false WHERE name = %s",
								quote_literal_cstr(rule->name));
	}
	else if (context->rules == NULL)
		verdict->detail = "no rule is in force";
	else if (factor == 1)
		verdict->detail = "no rule speaks against it";
	else
		verdict->detail = psprintf("no rule speaks against it; rules multiply its score by %.6g", factor);
}

/* True if a preference hides the item. */
static bool
Hides(EngineContext *context, const Preference *preference, int64 itemKey)
{
	const ItemInfo *item;
	const text *kind;

	if (!preference->hidden)
		return false;
	if (preference->subject == PREFERENCE_ITEM)
		return preference->key == itemKey;
	item = ItemReaderGet(context->items, itemKey);
	kind = item == NULL ? NULL : preference->subject == PREFERENCE_BRAND ? item->brand : item->category;
	return kind != NULL && TextIsSame(kind, preference->value);
}

/* What the person has said not to want. */
void
AdmissionTellPreference(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	static const char *const names[PREFERENCE_SUBJECT_COUNT] = {"hidden_brand", "hidden_category", "hidden_item"};
	const PreferenceList *list = context->preferences;

	verdict->detail = list == NULL || list->hiddenCount == 0 ? "the person has hidden nothing" :
		"the person has not hidden it";
	for (int i = 0; !verdict->admits && i < list->count; i++)
	{
		const Preference *preference = &list->preferences[i];
		char	   *value;

		if (!Hides(context, preference, itemKey))
			continue;
		value = quote_literal_cstr(text_to_cstring(preference->value));
		verdict->detail = psprintf("%s %s, declared by the person %s", names[preference->subject], value,
								   EventTimeFormat(preference->setAt));
		verdict->fix = psprintf("SELECT personalize.clear_preference(%s, '%s', %s)", ContextQuoteUser(context),
								names[preference->subject], value);
		return;
	}
}

/* Whether the filter agrees. */
void
AdmissionTellFilter(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	if (context->filter == NULL)
		verdict->detail = "no filter is given";
	else if (verdict->admits)
		verdict->detail = "the filter agrees";
	else
	{
		Jsonb	   *row = ItemReaderJson(context->items, itemKey, ContextFindId(context, itemKey));

		verdict->detail = psprintf("the filter does not agree to %s", JsonbToCString(NULL, &row->root, VARSIZE(row)));
		verdict->fix = "another filter";
	}
}

/* Whether it is among the candidates. */
void
AdmissionTellCandidates(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	verdict->detail = !context->hasCandidates ? "no candidates are given" :
		verdict->admits ? "one of the candidates" :
		psprintf("not one of the %d candidates", context->candidates.count);
	if (!verdict->admits)
		verdict->fix = "candidates with the item";
}

/* Whether the call excludes it. */
void
AdmissionTellExclude(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	verdict->detail = verdict->admits ? "not excluded by the call" : "named in exclude";
	if (!verdict->admits)
		verdict->fix = "exclude without the item";
}

/* When an item was last seen. */
typedef struct LastSeen
{
	int64		itemKey;
	TimestampTz ts;
} LastSeen;

/* Called for each item that the person has had to do with. */
static void
FindLastSeen(void *arg, int64 itemKey, int16 event, TimestampTz ts)
{
	LastSeen   *last = arg;

	if (itemKey == last->itemKey)
		last->ts = Max(last->ts, ts);
}

/* Whether the person has had to do with it. */
void
AdmissionTellSeen(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	LastSeen	last = {itemKey, DT_NOBEGIN};

	if (verdict->admits)
	{
		verdict->detail = context->seen.table ? "not seen in that time" : "exclude_seen is not asked for";
		return;
	}
	VisitorVisitItems(context, MIN_TIMESTAMP, false, FindLastSeen, &last);
	verdict->detail = psprintf("the person last had to do with it %s", EventTimeFormat(last.ts));
	verdict->fix = "a shorter exclude_seen";
}

/* Whether the person has bought it. */
void
AdmissionTellBought(EngineContext *context, int64 itemKey, AdmissionVerdict *verdict)
{
	const ItemInfo *item = ItemReaderGet(context->items, itemKey);
	RepeatPurchase repeat = RepeatPurchaseRead(item ? item->category : NULL, context->snapshot);
	char	   *buyers = psprintf(INT64_FORMAT " of " INT64_FORMAT " who bought an item of its category bought it again",
								  repeat.again, repeat.buyers);
	TimestampTz boughtAt;

	if (!BoughtAt(context, itemKey, &boughtAt))
		verdict->detail = verdict->admits ? "not bought lately" : "bought";
	else
		verdict->detail = psprintf("bought %s; %s", EventTimeFormat(boughtAt), buyers);
	if (!verdict->admits)
		verdict->fix = "exclude_bought => '0', or a variant with exclude_bought_learned 0";
}
