/*
 * feature_parse.c
 *		Expressions of features, read into a tree.
 *
 *	feature		sum [default value]
 *	sum			product { + | - product }
 *	product		one { * | / one }
 *	one			number, ( feature ), in_segment('name'), request.name [type], item.name [type],
 *				rate(feature, feature [, prior N weight N]),
 *				signal ['value' | item.name | request.name] [measure] [[in] N unit],
 *				of views that are not of users: event [count | sum | mean] [[in] N unit],
 *				event decayed N unit; an event may be a signal of the view's scope, which has
 *				a half-life of its own
 */
#include "postgres.h"

#include "features/feature_view.h"

#include <math.h>

#include "base/choice.h"
#include "catalog/pg_type_d.h"
#include "features/feature_counter.h"
#include "items/item.h"
#include "profiles/segment.h"
#include "signals/signal.h"
#include "utils/builtins.h"

/* Types of aggregates. */
static const FeatureType measureTypes[AGGREGATE_KINDS] = {
	[AGGREGATE_COUNT] = FEATURE_BIGINT, [AGGREGATE_SUM] = FEATURE_FLOAT8, [AGGREGATE_DECAYED] = FEATURE_FLOAT8,
	[AGGREGATE_MEAN] = FEATURE_FLOAT8, [AGGREGATE_MIN] = FEATURE_FLOAT8, [AGGREGATE_MAX] = FEATURE_FLOAT8,
	[AGGREGATE_FIRST] = FEATURE_FLOAT8, [AGGREGATE_LAST] = FEATURE_FLOAT8, [AGGREGATE_DISTINCT] = FEATURE_BIGINT,
	[AGGREGATE_TIME_SINCE_LAST] = FEATURE_FLOAT8, [AGGREGATE_MOST_FREQUENT] = FEATURE_TEXT,
	[AGGREGATE_MOST_RECENT] = FEATURE_TEXT, [AGGREGATE_VALUES] = FEATURE_TEXTS
};

/* Types as expressions call them. */
static const char *const valueTypeNames[] = {"number", "text", "boolean"};
static const FeatureType valueTypes[] = {FEATURE_FLOAT8, FEATURE_TEXT, FEATURE_BOOLEAN};

#define REQUEST_PREFIX "request."
#define ITEM_PREFIX "item."

static FeatureNode *ReadFeature(Grammar *grammar, FeatureEntity entity);

/* A part, counted. */
static FeatureNode *
MakeNode(Grammar *grammar, FeatureNodeKind kind, FeatureType type)
{
	FeatureNode *node = palloc0_object(FeatureNode);

	GrammarCountPart(grammar);
	node->kind = kind;
	node->type = type;
	return node;
}

/* True if a word begins so, and goes on. */
static bool
HasPrefix(const char *word, const char *prefix)
{
	return strncmp(word, prefix, strlen(prefix)) == 0 && word[strlen(prefix)] != '\0';
}

/* Complain unless the word at hand names a member of an item. */
static void
CheckItemMember(const Grammar *grammar)
{
	const char *member = grammar->word + strlen(ITEM_PREFIX);
	int			length = strcspn(member, ".");
	ItemMember	kind = ItemMemberKind(member, length);

	if (kind == ITEM_MEMBER_NONE || (kind == ITEM_MEMBER_OBJECT) != (member[length] == '.'))
		GrammarComplain(grammar, "something an item has",
						psprintf("An item has: %s; what is in attributes is written like item.attributes.color.",
								 ItemMemberNames()));
}

/* Read a member of the request or the item. */
static FeatureNode *
ReadMember(Grammar *grammar)
{
	bool		isItem = HasPrefix(grammar->word, ITEM_PREFIX);
	FeatureNode *node = MakeNode(grammar, isItem ? FEATURE_ITEM : FEATURE_REQUEST, FEATURE_FLOAT8);

	if (isItem)
		CheckItemMember(grammar);
	node->name = pstrdup(grammar->word + strlen(isItem ? ITEM_PREFIX : REQUEST_PREFIX));
	if (isItem && strcmp(node->name, "price") != 0)
		node->type = FEATURE_TEXT;
	GrammarAdvance(grammar);
	if (grammar->token == GRAMMAR_WORD && !GrammarIs(grammar, "default"))
	{
		int			type = ChoiceFind(grammar->word, valueTypeNames, lengthof(valueTypeNames));

		if (type < 0)
			GrammarComplainOfName(grammar, "a type", "types", valueTypeNames, lengthof(valueTypeNames));
		node->type = valueTypes[type];
		GrammarAdvance(grammar);
	}
	return node;
}

/* Complain unless the value at hand is the name of a segment. */
static void
CheckSegment(const Grammar *grammar)
{
	const SegmentSet *set = SegmentSetGet();
	const char **names = palloc_array(const char *, Max(set->count, 1));

	for (int i = 0; i < set->count; i++)
		names[i] = set->segments[i].name;
	if (ChoiceFind(grammar->word, names, set->count) < 0)
		GrammarComplainOfName(grammar, "a segment", "segments", names, set->count);
}

/* Read in_segment('name'), from the parenthesis on. */
static FeatureNode *
ReadSegment(Grammar *grammar)
{
	static const char *const hint = "A segment is written like in_segment('user_interested_in_electronics').";
	FeatureNode *node = MakeNode(grammar, FEATURE_SEGMENT, FEATURE_BOOLEAN);

	GrammarExpect(grammar, "(", hint);
	if (grammar->token != GRAMMAR_VALUE)
		GrammarComplain(grammar, "a segment's name in quotes", hint);
	if (!grammar->lenient)
		CheckSegment(grammar);
	node->name = pstrdup(grammar->word);
	GrammarAdvance(grammar);
	GrammarExpect(grammar, ")", hint);
	return node;
}

/* Complain unless the word at hand leads to a value. */
static void
CheckReference(const Grammar *grammar)
{
	if (HasPrefix(grammar->word, ITEM_PREFIX))
		CheckItemMember(grammar);
	else if (!HasPrefix(grammar->word, REQUEST_PREFIX))
		GrammarComplain(grammar, "a value", "A value is written in quotes, or as request.name or item.name.");
}

/* Read a signal. */
static FeatureNode *
ReadSignal(Grammar *grammar)
{
	static const GrammarTermKind kind = {AGGREGATE_KINDS, CheckReference};
	FeatureNode *node = MakeNode(grammar, FEATURE_SIGNAL, FEATURE_BIGINT);

	node->term = GrammarReadTerm(grammar, &kind);
	node->type = measureTypes[node->term.measure];
	return node;
}

/* Complain unless the word at hand is what is counted of an entity, or a signal of it. */
static void
CheckCounter(const Grammar *grammar, FeatureEntity entity)
{
	bool		isQuery = entity == FEATURE_ENTITY_QUERY;
	const SignalSet *set = SignalSetGet();
	const char **events;
	int			eventCount = SignalEventNames(&events);
	int			count = isQuery ? SIGNAL_QUERY_COUNTERS : eventCount;
	const char **names = palloc_array(const char *, count + set->scopedCount + 1);

	memcpy(names, isQuery ? SignalQueryCounters : events, sizeof(char *) * count);
	for (int i = 0; i < set->scopedCount; i++)
		if (FeatureScopedSignal(set->scoped[i].name, entity, set) != NULL)
			names[count++] = set->scoped[i].name;
	if (ChoiceFind(grammar->word, names, count) < 0)
		GrammarComplainOfName(grammar, isQuery ? "what is counted of a query" : "an event", isQuery ? "counters" : "events", names, count);
}

/* Read a measure of what is counted; the first there is if none is at hand. */
static Aggregate
ReadCounterMeasure(Grammar *grammar, bool hasSum)
{
	/* answers to queries have no value to be summed, but signals have weights */
	static const Aggregate ofEvents[] = {AGGREGATE_COUNT, AGGREGATE_DECAYED, AGGREGATE_SUM, AGGREGATE_MEAN};
	int			choices = hasSum ? lengthof(ofEvents) : 2;
	const char *names[lengthof(ofEvents)];
	int			measure;

	if (grammar->token != GRAMMAR_WORD || GrammarIs(grammar, "in") || GrammarIs(grammar, "default"))
		return AGGREGATE_COUNT;
	for (int i = 0; i < choices; i++)
		names[i] = AggregateNames[ofEvents[i]];
	measure = ChoiceFind(grammar->word, names, choices);
	if (measure < 0)
		GrammarComplainOfName(grammar, "a measure", "measures", names, choices);
	GrammarAdvance(grammar);
	return ofEvents[measure];
}

/* Read what is counted of an entity that is no person. */
static FeatureNode *
ReadEvents(Grammar *grammar, FeatureEntity entity)
{
	FeatureNode *node = MakeNode(grammar, FEATURE_ITEM_EVENTS, FEATURE_BIGINT);
	bool		isSignal = grammar->lenient || FeatureScopedSignal(grammar->word, entity, SignalSetGet()) != NULL;
	bool		hasLength;

	if (!grammar->lenient)
		CheckCounter(grammar, entity);
	node->name = pstrdup(grammar->word);
	GrammarAdvance(grammar);
	node->term.measure = ReadCounterMeasure(grammar, isSignal || entity != FEATURE_ENTITY_QUERY);
	node->type = measureTypes[node->term.measure];
	hasLength = GrammarAccept(grammar, "in") || (grammar->token == GRAMMAR_NUMBER && grammar->word[0] != '-');
	if (hasLength)
		node->term.period = GrammarReadLength(grammar);
	else if (node->term.measure == AGGREGATE_DECAYED && !isSignal)
		GrammarComplain(grammar, "a half-life", "Events of others than a person decay by a half-life that is said: view_item decayed 2 days.");
	return node;
}

/* Complain unless two features are numbers. */
static void
CheckNumbers(const Grammar *grammar, const FeatureNode *left, const FeatureNode *right, const char *by)
{
	if (left->type > FEATURE_BIGINT || right->type > FEATURE_BIGINT)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("feature \"%s\" combines what is no number by %s", grammar->string, by),
				 errhint("Numbers are counts, sums, means, decayed values, rates, times since an event, request.name and item.name number.")));
}

/* Read rate(feature, feature [, prior N weight N]), from the first feature on. */
static FeatureNode *
ReadRate(Grammar *grammar, FeatureEntity entity)
{
	FeatureNode *node = MakeNode(grammar, FEATURE_RATE, FEATURE_FLOAT8);

	node->left = ReadFeature(grammar, entity);
	GrammarExpect(grammar, ",", "A rate is written like rate(purchases, views).");
	node->right = ReadFeature(grammar, entity);
	CheckNumbers(grammar, node->left, node->right, "rate");
	GrammarReadPrior(grammar, &node->number, &node->weight);
	return node;
}

/* Read one part. */
static FeatureNode *
ReadOne(Grammar *grammar, FeatureEntity entity)
{
	FeatureNode *node;

	GrammarDescend(grammar);
	if (grammar->token == GRAMMAR_NUMBER)
	{
		node = MakeNode(grammar, FEATURE_NUMBER, FEATURE_FLOAT8);
		node->number = GrammarReadNumber(grammar);
	}
	else if (GrammarAcceptCall(grammar, "rate"))
		node = ReadRate(grammar, entity);
	else if (GrammarAccept(grammar, "("))
	{
		node = ReadFeature(grammar, entity);
		GrammarExpect(grammar, ")", "Parentheses come in pairs.");
	}
	else if (grammar->token != GRAMMAR_WORD && grammar->token != GRAMMAR_VALUE)
		GrammarComplain(grammar, entity == FEATURE_ENTITY_USER ? "a signal" : entity == FEATURE_ENTITY_QUERY ? "a counter" : "an event",
						"Features are written like interest_category['electronics'] decayed default 0, purchase in 7 days, in_segment('x'), request.price or item.price.");
	else if (grammar->token == GRAMMAR_WORD &&
			 (HasPrefix(grammar->word, REQUEST_PREFIX) ||
			  (HasPrefix(grammar->word, ITEM_PREFIX) && FeatureEntityHasTable(entity))))
		node = ReadMember(grammar);
	else if (entity != FEATURE_ENTITY_USER)
		node = ReadEvents(grammar, entity);
	else if (GrammarAccept(grammar, "in_segment"))
		node = ReadSegment(grammar);
	else
		node = ReadSignal(grammar);
	grammar->depth--;
	return node;
}

/* Combine two numbers. */
static FeatureNode *
Combine(Grammar *grammar, char operator, FeatureNode *left, FeatureNode *right)
{
	FeatureNode *node = MakeNode(grammar, FEATURE_ARITHMETIC, FEATURE_FLOAT8);

	CheckNumbers(grammar, left, right, psprintf("%c", operator));
	node->operator = operator;
	node->left = left;
	node->right = right;
	return node;
}

/* The operator at hand, one of two, and go past it; 0: there is none.  A sign right before a number is one. */
static char
AcceptOperator(Grammar *grammar, const char *operators)
{
	char		operator = grammar->word[0];

	if (grammar->token == GRAMMAR_NUMBER && operator == '-' && strchr(operators, '-'))
		return '+';
	if (grammar->token != GRAMMAR_SYMBOL || operator == '\0' || grammar->word[1] != '\0' || !strchr(operators, operator))
		return 0;
	GrammarAdvance(grammar);
	return operator;
}

/* Read a product. */
static FeatureNode *
ReadProduct(Grammar *grammar, FeatureEntity entity)
{
	FeatureNode *node = ReadOne(grammar, entity);
	char		operator;

	while ((operator = AcceptOperator(grammar, "*/")) != 0)
		node = Combine(grammar, operator, node, ReadOne(grammar, entity));
	return node;
}

/* Read a default of a type. */
static Datum
ReadDefault(Grammar *grammar, FeatureType type)
{
	Datum		value = (Datum) 0;

	if (type == FEATURE_TEXTS)
		GrammarComplain(grammar, "the default of a list", "A list has no default: where nothing has happened it is null.");
	if (type == FEATURE_TEXT && grammar->token == GRAMMAR_VALUE)
		value = CStringGetTextDatum(grammar->word);
	else if (type == FEATURE_BOOLEAN && (GrammarIs(grammar, "true") || GrammarIs(grammar, "false")))
		value = BoolGetDatum(GrammarIs(grammar, "true"));
	else if (type == FEATURE_FLOAT8 && grammar->token == GRAMMAR_NUMBER)
		return Float8GetDatum(GrammarReadNumber(grammar));
	else if (type == FEATURE_BIGINT && grammar->token == GRAMMAR_NUMBER)
	{
		double		number = GrammarReadNumber(grammar);

		if (number != rint(number) || fabs(number) > 9e15)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("default %g in feature \"%s\" is not a whole number", number, grammar->string)));
		return Int64GetDatum((int64) number);
	}
	else
		GrammarComplain(grammar, psprintf("a default of type %s", FeatureTypeName(type)),
						"A default is a number, a text in quotes, true or false, as the feature is.");
	GrammarAdvance(grammar);
	return value;
}

/* Read a feature. */
static FeatureNode *
ReadFeature(Grammar *grammar, FeatureEntity entity)
{
	FeatureNode *node = ReadProduct(grammar, entity);
	char		operator;

	while ((operator = AcceptOperator(grammar, "+-")) != 0)
		node = Combine(grammar, operator, node, ReadProduct(grammar, entity));
	if (GrammarAccept(grammar, "default"))
	{
		Datum		value = ReadDefault(grammar, node->type);

		/* of two, the one in parentheses, after which nothing is missing */
		if (!node->hasDefault)
			node->defaultValue = value;
		node->hasDefault = true;
	}
	return node;
}

/* Read an expression. */
FeatureNode *
FeatureParse(const char *expression, FeatureEntity entity, bool lenient)
{
	Grammar		grammar;
	FeatureNode *node;

	GrammarBegin(&grammar, expression, "feature", lenient);
	node = ReadFeature(&grammar, entity);
	if (grammar.token != GRAMMAR_END)
		GrammarComplain(&grammar, "+, -, *, /, default or the end", "A feature is one expression, perhaps with a default at its end; whether something holds is asked of a segment, by in_segment('name').");
	return node;
}

/* Call something for each part that is not made of parts. */
void
FeatureEach(const FeatureNode *node, void (*call) (const FeatureNode *node, void *arg), void *arg)
{
	if (node->left == NULL)
	{
		call(node, arg);
		return;
	}
	FeatureEach(node->left, call, arg);
	FeatureEach(node->right, call, arg);
}
