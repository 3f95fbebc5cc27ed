/*
 * segment_parse.c
 *		Conditions of segments, read into a tree.
 *
 *	condition	one { and | or one }, not one, ( condition ); and binds tighter than or
 *	comparison	{ signal ['value'] [measure] [[in] N unit] | rate(term, term [, prior N weight N]) }
 *				[op N [leave N]]
 *	sequence	event -> event ... [-> not event] within N unit [by query | item | session]
 *
 * Names of other than letters, digits, _ and . stand in single quotes, like values.
 *
 * Nothing of it is ever run as SQL.
 */
#include "postgres.h"

#include "profiles/segment.h"

#include "base/choice.h"
#include "compat.h"
#include "profiles/grammar.h"

static const char *const operatorNames[] = {">=", "<=", ">", "<", "="};
static const char *const keyNames[] = {"query", "item", "session"};

/* A part of the condition, counted. */
static SegmentNode *
MakeNode(Grammar *grammar, SegmentNodeKind kind, SegmentNode *left, SegmentNode *right)
{
	SegmentNode *node = palloc0_object(SegmentNode);

	GrammarCountPart(grammar);
	node->kind = kind;
	node->left = left;
	node->right = right;
	node->key = -1;
	return node;
}

/* Read a threshold: a number, of a time since something also with a unit. */
static double
ReadThreshold(Grammar *grammar, const SegmentNode *node)
{
	return node->termCount == 1 && node->terms[0].measure == AGGREGATE_TIME_SINCE_LAST ?
		GrammarReadSeconds(grammar) : GrammarReadNumber(grammar);
}

/* Read what a comparison compares with; the signal is read. */
static void
ReadThresholds(Grammar *grammar, SegmentNode *node)
{
	int			operator = grammar->token == GRAMMAR_SYMBOL ?
		ChoiceFind(grammar->word, operatorNames, lengthof(operatorNames)) : -1;

	if (operator < 0)
	{
		if (grammar->token == GRAMMAR_END || GrammarIs(grammar, ")") || GrammarIs(grammar, "and") || GrammarIs(grammar, "or"))
			return;
		GrammarComplainOfName(grammar, "a comparison", "comparisons", operatorNames, lengthof(operatorNames));
	}
	GrammarAdvance(grammar);
	node->operator = operator;
	node->enter = ReadThreshold(grammar, node);
	node->hasEnter = true;
	if (GrammarAccept(grammar, "leave"))
	{
		node->leave = ReadThreshold(grammar, node);
		node->hasLeave = true;
	}
}

/* Read a comparison, from the name of its signal on. */
static SegmentNode *
ReadComparison(Grammar *grammar)
{
	static const GrammarTermKind number = {.measures = AGGREGATE_NUMBERS};
	static const GrammarTermKind rational = {.measures = AGGREGATE_RATIONALS};
	SegmentNode *node = MakeNode(grammar, SEGMENT_COMPARE, NULL, NULL);

	node->termCount = 1;
	if (!GrammarAcceptCall(grammar, "rate"))
		node->terms[0] = GrammarReadTerm(grammar, &number);
	else
	{
		node->termCount = 2;
		node->terms[0] = GrammarReadTerm(grammar, &rational);
		GrammarExpect(grammar, ",", "A rate is written like rate(purchases, views).");
		node->terms[1] = GrammarReadTerm(grammar, &rational);
		GrammarReadPrior(grammar, &node->prior, &node->priorWeight);
	}
	ReadThresholds(grammar, node);
	return node;
}

/* Complain unless the word at hand is the name of an event type. */
static void
CheckEvent(const Grammar *grammar)
{
	const SignalSet *set = SignalSetGet();
	const char **names = palloc_array(const char *, Max(set->eventLimit, 1));
	int			count = 0;
	int			alias;

	for (int i = 0; i < set->eventLimit; i++)
	{
		if (set->events[i].name == NULL)
			continue;
		if (pg_strcasecmp(set->events[i].name, grammar->word) == 0)
			return;
		names[count++] = set->events[i].name;
	}
	alias = EventTypeLookup(grammar->word, strlen(grammar->word));
	if (alias >= 0)
		GrammarComplain(grammar, "the name of an event", psprintf("Events of this name are stored as \"%s\".", EventTypeName(alias)));
	GrammarComplainOfName(grammar, "an event", "events", names, count);
}

/* The name of the event at hand. */
static char *
ReadEvent(Grammar *grammar)
{
	char	   *event;

	if (grammar->token != GRAMMAR_WORD && grammar->token != GRAMMAR_VALUE)
		GrammarComplain(grammar, "an event", "The names of events are in personalize.event_type.");
	if (!grammar->lenient)
		CheckEvent(grammar);
	event = pstrdup(grammar->word);
	GrammarAdvance(grammar);
	return event;
}

/* Read a sequence, from its first event on. */
static SegmentNode *
ReadSequence(Grammar *grammar)
{
	static const char *const hint = "A sequence is written like search -> select_item -> add_to_cart within 30 minutes by query.";
	SegmentNode *node = MakeNode(grammar, SEGMENT_SEQUENCE, NULL, NULL);
	bool		negative = false;

	node->events[node->stepCount++] = ReadEvent(grammar);
	while (!negative && (GrammarAccept(grammar, "->") || GrammarAccept(grammar, "then")))
	{
		negative = GrammarAccept(grammar, "not");
		if (negative)
			node->absent = ReadEvent(grammar);
		else if (node->stepCount == SEGMENT_MAX_STEPS)
			GrammarComplain(grammar, psprintf("one of at most %d steps", SEGMENT_MAX_STEPS), hint);
		else
			node->events[node->stepCount++] = ReadEvent(grammar);
	}
	GrammarExpect(grammar, "within", hint);
	node->within = GrammarReadLength(grammar);
	if (GrammarAccept(grammar, "by"))
	{
		node->key = grammar->token == GRAMMAR_WORD ? ChoiceFind(grammar->word, keyNames, lengthof(keyNames)) : -1;
		if (node->key < 0)
			GrammarComplainOfName(grammar, "a key of a sequence", "keys", keyNames, lengthof(keyNames));
		GrammarAdvance(grammar);
	}
	return node;
}

/* True if the word at hand begins a sequence. */
static bool
BeginsSequence(const Grammar *grammar)
{
	Grammar		ahead = *grammar;

	GrammarAdvance(&ahead);
	return GrammarIs(&ahead, "->") || GrammarIs(&ahead, "then") || GrammarIs(&ahead, "within");
}

static SegmentNode *ReadOr(Grammar *grammar);

/* Read one part. */
static SegmentNode *
ReadOne(Grammar *grammar)
{
	SegmentNode *node;

	GrammarDescend(grammar);
	if (GrammarAccept(grammar, "not"))
	{
		node = ReadOne(grammar);
		node = MakeNode(grammar, SEGMENT_NOT, node, NULL);
	}
	else if (GrammarAccept(grammar, "("))
	{
		node = ReadOr(grammar);
		GrammarExpect(grammar, ")", "Parentheses come in pairs.");
	}
	else if (grammar->token != GRAMMAR_WORD && grammar->token != GRAMMAR_VALUE)
		GrammarComplain(grammar, "a signal or an event",
				 "Conditions are written like interest_category['electronics'] decayed >= 5, or search -> add_to_cart within 30 minutes.");
	else
		node = BeginsSequence(grammar) ? ReadSequence(grammar) : ReadComparison(grammar);
	grammar->depth--;
	return node;
}

/* Read what is combined by and. */
static SegmentNode *
ReadAnd(Grammar *grammar)
{
	SegmentNode *node = ReadOne(grammar);

	while (GrammarAccept(grammar, "and"))
	{
		SegmentNode *right = ReadOne(grammar);

		node = MakeNode(grammar, SEGMENT_AND, node, right);
	}
	return node;
}

/* Read what is combined by or. */
static SegmentNode *
ReadOr(Grammar *grammar)
{
	SegmentNode *node = ReadAnd(grammar);

	while (GrammarAccept(grammar, "or"))
	{
		SegmentNode *right = ReadAnd(grammar);

		node = MakeNode(grammar, SEGMENT_OR, node, right);
	}
	return node;
}

/* Read a condition. */
SegmentNode *
SegmentParse(const char *condition, const char *argument)
{
	Grammar		grammar;
	SegmentNode *node;

	GrammarBegin(&grammar, condition, argument ? argument : "condition", argument == NULL);
	node = ReadOr(&grammar);
	if (grammar.token != GRAMMAR_END)
		GrammarComplain(&grammar, "and, or, or the end", "Parts of a condition are combined by and, or and not.");
	return node;
}

/* True if a part compares something of a signal. */
bool
SegmentCompares(const SegmentNode *node, const char *signal)
{
	for (int i = 0; i < node->termCount; i++)
		if (strcmp(node->terms[i].signal, signal) == 0)
			return true;
	return false;
}

/* Call something for each comparison and sequence. */
void
SegmentEach(SegmentNode *node, void (*call) (SegmentNode *node, void *arg), void *arg)
{
	if (node->kind == SEGMENT_COMPARE || node->kind == SEGMENT_SEQUENCE)
	{
		call(node, arg);
		return;
	}
	SegmentEach(node->left, call, arg);
	if (node->right)
		SegmentEach(node->right, call, arg);
}
