/*
 * segment_parse.c
 *		Conditions of segments, read into a tree.
 *
 *	condition	one { and | or one }, not one, ( condition ); and binds tighter than or
 *	comparison	signal ['value'] [count | sum | decayed] [in N unit] [op N [leave N]]
 *	sequence	event -> event ... [-> not event] within N unit [by query | item | session]
 *
 * Names of other than letters, digits, _ and . stand in single quotes, like values.
 *
 * Nothing of it is ever run as SQL.
 */
#include "postgres.h"

#include "profiles/segment.h"

#include <math.h>

#include "base/choice.h"
#include "base/key.h"
#include "compat.h"
#include "miscadmin.h"
#include "signals/value_key.h"

#define MAX_WORD 255
#define MAX_DEPTH 32
#define MAX_PARTS 32
#define MAX_LENGTH (INT64CONST(400) * USECS_PER_DAY)

typedef enum TokenKind
{
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_VALUE,				/* in single quotes */
	TOKEN_NUMBER,
	TOKEN_SYMBOL
} TokenKind;

/* A condition being read. */
typedef struct Parser
{
	const char *condition;
	const char *argument;		/* NULL: nothing is an error */
	const char *next;
	TokenKind	kind;			/* of the token at hand */
	char		word[MAX_WORD + 1];
	int			depth;
	int			parts;
} Parser;

static const char *const measureNames[] = {"count", "sum", "decayed"};
static const char *const operatorNames[] = {">=", "<=", ">", "<", "="};
static const char *const keyNames[] = {"query", "item", "session"};

/* Units of time, in microseconds; the plural is the same. */
static const char *const unitNames[] = {"minute", "hour", "day", "week"};
static const int64 unitLengths[] = {USECS_PER_MINUTE, USECS_PER_HOUR, USECS_PER_DAY, 7 * USECS_PER_DAY};

/* Complain of the token at hand. */
pg_noreturn static void
Complain(const Parser *parser, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 parser->kind == TOKEN_END ?
			 errmsg("%s \"%s\" ends where %s is expected", parser->argument ? parser->argument : "condition",
					parser->condition, problem) :
			 errmsg("\"%s\" in %s \"%s\" is not %s", parser->word,
					parser->argument ? parser->argument : "condition", parser->condition, problem),
			 errhint("%s", hint)));
}

/* Complain, and say which names there are. */
pg_noreturn static void
ComplainOfName(const Parser *parser, const char *problem, const char *kinds, const char *const *names, int count)
{
	Complain(parser, problem, ChoiceHint(parser->word, kinds, names, count));
}

/* True for what words are made of, letters of other scripts among it. */
static bool
IsWord(char c)
{
	return isalnum((unsigned char) c) || c == '_' || c == '.' || IS_HIGHBIT_SET(c);
}

/* The length of an arrow here; 0: there is none. */
static int
ArrowLength(const char *from)
{
	if (strncmp(from, "->", 2) == 0)
		return 2;
	return strncmp(from, "\xe2\x86\x92", 3) == 0 ? 3 : 0;
}

/* Keep a part of the condition as the token at hand. */
static void
Take(Parser *parser, TokenKind kind, const char *from, int length)
{
	parser->kind = kind;
	if (length > MAX_WORD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a word of the condition is longer than %d bytes", MAX_WORD)));
	memcpy(parser->word, from, length);
	parser->word[length] = '\0';
}

/* Read a value in quotes; two of them stand for one. */
static void
ReadQuoted(Parser *parser)
{
	const char *from = parser->next + 1;
	int			length = 0;
	char		value[MAX_WORD + 1];

	while (*from != '\0' && (*from != '\'' || from[1] == '\'') && length < MAX_WORD)
	{
		if (*from == '\'')
			from++;
		value[length++] = *from++;
	}
	Take(parser, TOKEN_VALUE, value, length);
	if (*from != '\'')
		Complain(parser, psprintf("a value of at most %d bytes in quotes", MAX_WORD), "End it with a single quote.");
	parser->next = from + 1;
}

/* Read the next token. */
static void
Advance(Parser *parser)
{
	const char *from;
	int			length;

	while (isspace((unsigned char) *parser->next))
		parser->next++;
	from = parser->next;
	if (*from == '\'')
	{
		ReadQuoted(parser);
		return;
	}
	length = ArrowLength(from);
	if (length > 0)
		Take(parser, TOKEN_SYMBOL, "->", 2);
	else if (*from == '\0')
		Take(parser, TOKEN_END, "", 0);
	else if (isdigit((unsigned char) *from) || ((*from == '-' || *from == '.') && isdigit((unsigned char) from[1])))
	{
		length = strspn(from + 1, "0123456789.eE") + 1;
		Take(parser, TOKEN_NUMBER, from, length);
	}
	else if (IsWord(*from))
	{
		while (IsWord(from[length]) && ArrowLength(from + length) == 0)
			length++;
		Take(parser, TOKEN_WORD, from, length);
	}
	else
	{
		length = (*from == '>' || *from == '<') && from[1] == '=' ? 2 : 1;
		Take(parser, TOKEN_SYMBOL, from, length);
	}
	parser->next = from + length;
}

/* True if the token at hand is this word or symbol. */
static bool
Is(const Parser *parser, const char *word)
{
	return (parser->kind == TOKEN_WORD || parser->kind == TOKEN_SYMBOL) && strcmp(parser->word, word) == 0;
}

/* Go past this word or symbol, if it is the token at hand. */
static bool
Accept(Parser *parser, const char *word)
{
	if (!Is(parser, word))
		return false;
	Advance(parser);
	return true;
}

/* Go past this word or symbol. */
static void
Expect(Parser *parser, const char *word, const char *hint)
{
	if (!Accept(parser, word))
		Complain(parser, psprintf("\"%s\"", word), hint);
}

/* The place of the token at hand in a list, without the s of a plural; -1: it is not there. */
static int
FindWord(const Parser *parser, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		size_t		length = strlen(names[i]);

		if (strncmp(parser->word, names[i], length) == 0 &&
			(parser->word[length] == '\0' || strcmp(parser->word + length, "s") == 0))
			return i;
	}
	return -1;
}

/* Read a number. */
static double
ReadNumber(Parser *parser)
{
	char	   *end;
	double		number = strtod(parser->word, &end);

	if (parser->kind != TOKEN_NUMBER || *end != '\0' || !isfinite(number))
		Complain(parser, "a number", "A comparison ends with a number, like 5 or 0.5.");
	Advance(parser);
	return number;
}

/* Read a length of time: a number and a unit. */
static int64
ReadLength(Parser *parser)
{
	double		number = ReadNumber(parser);
	int			unit = parser->kind == TOKEN_WORD ? FindWord(parser, unitNames, lengthof(unitNames)) : -1;

	if (unit < 0)
		ComplainOfName(parser, "a unit of time", "units", unitNames, lengthof(unitNames));
	number *= unitLengths[unit];
	if (number < USECS_PER_MINUTE || number > MAX_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a length of time in condition \"%s\" is not between a minute and 400 days",
						parser->condition)));
	Advance(parser);
	return (int64) number;
}

/* The names of all signals; to be told which there are. */
static const char **
SignalNames(int *count)
{
	const SignalSet *set = SignalSetGet();
	const char **names = palloc_array(const char *, Max(set->count, 1));

	for (int i = 0; i < set->count; i++)
		names[i] = set->signals[i].name;
	*count = set->count;
	return names;
}

/* A part of the condition, counted. */
static SegmentNode *
MakeNode(Parser *parser, SegmentNodeKind kind, SegmentNode *left, SegmentNode *right)
{
	SegmentNode *node = palloc0_object(SegmentNode);

	if (++parser->parts > MAX_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("condition \"%s\" has more than %d parts", parser->condition, MAX_PARTS)));
	node->kind = kind;
	node->left = left;
	node->right = right;
	node->key = -1;
	return node;
}

/* Read what a comparison compares with; the signal is read. */
static void
ReadThresholds(Parser *parser, SegmentNode *node)
{
	int			operator = parser->kind == TOKEN_SYMBOL ?
		ChoiceFind(parser->word, operatorNames, lengthof(operatorNames)) : -1;

	if (operator < 0)
	{
		if (parser->kind == TOKEN_END || Is(parser, ")") || Is(parser, "and") || Is(parser, "or"))
			return;
		ComplainOfName(parser, "a comparison", "comparisons", operatorNames, lengthof(operatorNames));
	}
	Advance(parser);
	node->operator = operator;
	node->enter = ReadNumber(parser);
	node->hasEnter = true;
	if (Accept(parser, "leave"))
	{
		node->leave = ReadNumber(parser);
		node->hasLeave = true;
	}
}

/* Read a comparison, from the name of its signal on. */
static SegmentNode *
ReadComparison(Parser *parser)
{
	SegmentNode *node = MakeNode(parser, SEGMENT_COMPARE, NULL, NULL);
	int			count;
	const char **names = SignalNames(&count);

	if (parser->argument && ChoiceFind(parser->word, names, count) < 0)
		ComplainOfName(parser, "a signal", "signals", names, count);
	node->signal = pstrdup(parser->word);
	Advance(parser);
	if (Accept(parser, "["))
	{
		if (parser->kind != TOKEN_VALUE || parser->word[0] == '\0')
			Complain(parser, "a value in quotes", "A value of a signal is written like interest_category['electronics'].");
		node->hasValue = true;
		node->value = FeatureValueHash(KeyFromBytes(parser->word, strlen(parser->word)));
		Advance(parser);
		Expect(parser, "]", "A value of a signal is written like interest_category['electronics'].");
	}
	if (parser->kind == TOKEN_WORD && !Is(parser, "in") && !Is(parser, "and") && !Is(parser, "or"))
	{
		int			measure = ChoiceFind(parser->word, measureNames, lengthof(measureNames));

		if (measure < 0)
			ComplainOfName(parser, "a measure", "measures", measureNames, lengthof(measureNames));
		node->measure = measure;
		Advance(parser);
	}
	if (node->measure != SEGMENT_DECAYED && Accept(parser, "in"))
		node->period = ReadLength(parser);
	ReadThresholds(parser, node);
	return node;
}

/* Complain unless the word at hand is the name of an event type. */
static void
CheckEvent(const Parser *parser)
{
	const SignalSet *set = SignalSetGet();
	const char **names = palloc_array(const char *, Max(set->eventLimit, 1));
	int			count = 0;
	int			alias;

	for (int i = 0; i < set->eventLimit; i++)
	{
		if (set->events[i].name == NULL)
			continue;
		if (pg_strcasecmp(set->events[i].name, parser->word) == 0)
			return;
		names[count++] = set->events[i].name;
	}
	alias = EventTypeLookup(parser->word, strlen(parser->word));
	if (alias >= 0)
		Complain(parser, "the name of an event", psprintf("Events of this name are stored as \"%s\".", EventTypeName(alias)));
	ComplainOfName(parser, "an event", "events", names, count);
}

/* The name of the event at hand. */
static char *
ReadEvent(Parser *parser)
{
	char	   *event;

	if (parser->kind != TOKEN_WORD && parser->kind != TOKEN_VALUE)
		Complain(parser, "an event", "The names of events are in personalize.event_type.");
	if (parser->argument)
		CheckEvent(parser);
	event = pstrdup(parser->word);
	Advance(parser);
	return event;
}

/* Read a sequence, from its first event on. */
static SegmentNode *
ReadSequence(Parser *parser)
{
	static const char *const hint = "A sequence is written like search -> select_item -> add_to_cart within 30 minutes by query.";
	SegmentNode *node = MakeNode(parser, SEGMENT_SEQUENCE, NULL, NULL);
	bool		negative = false;

	node->events[node->stepCount++] = ReadEvent(parser);
	while (!negative && (Accept(parser, "->") || Accept(parser, "then")))
	{
		negative = Accept(parser, "not");
		if (negative)
			node->absent = ReadEvent(parser);
		else if (node->stepCount == SEGMENT_MAX_STEPS)
			Complain(parser, psprintf("one of at most %d steps", SEGMENT_MAX_STEPS), hint);
		else
			node->events[node->stepCount++] = ReadEvent(parser);
	}
	Expect(parser, "within", hint);
	node->within = ReadLength(parser);
	if (Accept(parser, "by"))
	{
		node->key = parser->kind == TOKEN_WORD ? ChoiceFind(parser->word, keyNames, lengthof(keyNames)) : -1;
		if (node->key < 0)
			ComplainOfName(parser, "a key of a sequence", "keys", keyNames, lengthof(keyNames));
		Advance(parser);
	}
	return node;
}

/* True if the word at hand begins a sequence. */
static bool
BeginsSequence(const Parser *parser)
{
	Parser		ahead = *parser;

	Advance(&ahead);
	return Is(&ahead, "->") || Is(&ahead, "then") || Is(&ahead, "within");
}

static SegmentNode *ReadOr(Parser *parser);

/* Read one part. */
static SegmentNode *
ReadOne(Parser *parser)
{
	SegmentNode *node;

	if (++parser->depth > MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("condition \"%s\" is nested more than %d deep", parser->condition, MAX_DEPTH)));
	if (Accept(parser, "not"))
	{
		node = ReadOne(parser);
		node = MakeNode(parser, SEGMENT_NOT, node, NULL);
	}
	else if (Accept(parser, "("))
	{
		node = ReadOr(parser);
		Expect(parser, ")", "Parentheses come in pairs.");
	}
	else if (parser->kind != TOKEN_WORD && parser->kind != TOKEN_VALUE)
		Complain(parser, "a signal or an event",
				 "Conditions are written like interest_category['electronics'] decayed >= 5, or search -> add_to_cart within 30 minutes.");
	else
		node = BeginsSequence(parser) ? ReadSequence(parser) : ReadComparison(parser);
	parser->depth--;
	return node;
}

/* Read what is combined by and. */
static SegmentNode *
ReadAnd(Parser *parser)
{
	SegmentNode *node = ReadOne(parser);

	while (Accept(parser, "and"))
	{
		SegmentNode *right = ReadOne(parser);

		node = MakeNode(parser, SEGMENT_AND, node, right);
	}
	return node;
}

/* Read what is combined by or. */
static SegmentNode *
ReadOr(Parser *parser)
{
	SegmentNode *node = ReadAnd(parser);

	while (Accept(parser, "or"))
	{
		SegmentNode *right = ReadAnd(parser);

		node = MakeNode(parser, SEGMENT_OR, node, right);
	}
	return node;
}

/* Read a condition. */
SegmentNode *
SegmentParse(const char *condition, const char *argument)
{
	Parser		parser = {.condition = condition,.argument = argument,.next = condition};
	SegmentNode *node;

	Advance(&parser);
	node = ReadOr(&parser);
	if (parser.kind != TOKEN_END)
		Complain(&parser, "and, or, or the end", "Parts of a condition are combined by and, or and not.");
	return node;
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
