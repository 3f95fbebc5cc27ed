/*
 * grammar.c
 *		What conditions of segments and expressions of features are made of.
 *
 *	term		signal ['value'] [measure] [[in] N unit]
 *	rate		rate(term, term [, prior N weight N])
 *
 * Names of other than letters, digits, _ and . stand in single quotes, like values.
 *
 * Nothing of it is ever run as SQL.
 */
#include "postgres.h"

#include "profiles/grammar.h"

#include <math.h>

#include "base/choice.h"
#include "base/key.h"
#include "lib/stringinfo.h"
#include "signals/signal.h"
#include "signals/value_key.h"
#include "utils/builtins.h"

#define MAX_LENGTH (INT64CONST(400) * USECS_PER_DAY)
#define MAX_PRIOR 1e9

/* Units of time, in microseconds; the plural is the same, and a month is 30 days as in intervals. */
static const char *const unitNames[] = {"minute", "hour", "day", "week", "month"};
static const int64 unitLengths[] = {
	USECS_PER_MINUTE, USECS_PER_HOUR, USECS_PER_DAY, 7 * USECS_PER_DAY, DAYS_PER_MONTH * USECS_PER_DAY
};

/* Complain of the token at hand. */
void
GrammarComplain(const Grammar *grammar, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 grammar->token == GRAMMAR_END ?
			 errmsg("%s \"%s\" ends where %s is expected", grammar->kind,
					grammar->string, problem) :
			 errmsg("\"%s\" in %s \"%s\" is not %s", grammar->word,
					grammar->kind, grammar->string, problem),
			 errhint("%s", hint)));
}

/* Complain, and say which names there are. */
void
GrammarComplainOfName(const Grammar *grammar, const char *problem, const char *kinds, const char *const *names, int count)
{
	GrammarComplain(grammar, problem, ChoiceHint(grammar->word, kinds, names, count));
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
Take(Grammar *grammar, GrammarToken token, const char *from, int length)
{
	grammar->token = token;
	if (length > GRAMMAR_MAX_WORD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a word of the %s is longer than %d bytes", grammar->kind, GRAMMAR_MAX_WORD)));
	memcpy(grammar->word, from, length);
	grammar->word[length] = '\0';
}

/* Read a value in quotes; two of them stand for one. */
static void
ReadQuoted(Grammar *grammar)
{
	const char *from = grammar->next + 1;
	int			length = 0;
	char		value[GRAMMAR_MAX_WORD + 1];

	while (*from != '\0' && (*from != '\'' || from[1] == '\'') && length < GRAMMAR_MAX_WORD)
	{
		if (*from == '\'')
			from++;
		value[length++] = *from++;
	}
	Take(grammar, GRAMMAR_VALUE, value, length);
	if (*from != '\'')
		GrammarComplain(grammar, psprintf("a value of at most %d bytes in quotes", GRAMMAR_MAX_WORD), "End it with a single quote.");
	grammar->next = from + 1;
}

/* Read the next token. */
void
GrammarAdvance(Grammar *grammar)
{
	const char *from;
	int			length;

	while (isspace((unsigned char) *grammar->next))
		grammar->next++;
	from = grammar->next;
	if (*from == '\'')
	{
		ReadQuoted(grammar);
		return;
	}
	length = ArrowLength(from);
	if (length > 0)
		Take(grammar, GRAMMAR_SYMBOL, "->", 2);
	else if (*from == '\0')
		Take(grammar, GRAMMAR_END, "", 0);
	else if (isdigit((unsigned char) *from) || ((*from == '-' || *from == '.') && isdigit((unsigned char) from[1])))
	{
		length = strspn(from + 1, "0123456789.eE") + 1;
		Take(grammar, GRAMMAR_NUMBER, from, length);
	}
	else if (IsWord(*from))
	{
		while (IsWord(from[length]) && ArrowLength(from + length) == 0)
			length++;
		Take(grammar, GRAMMAR_WORD, from, length);
	}
	else
	{
		length = (*from == '>' || *from == '<') && from[1] == '=' ? 2 : 1;
		Take(grammar, GRAMMAR_SYMBOL, from, length);
	}
	grammar->next = from + length;
}

/* True if the token at hand is this word or symbol. */
bool
GrammarIs(const Grammar *grammar, const char *word)
{
	return (grammar->token == GRAMMAR_WORD || grammar->token == GRAMMAR_SYMBOL) && strcmp(grammar->word, word) == 0;
}

/* Go past this word or symbol, if it is the token at hand. */
bool
GrammarAccept(Grammar *grammar, const char *word)
{
	if (!GrammarIs(grammar, word))
		return false;
	GrammarAdvance(grammar);
	return true;
}

/* Go past this word or symbol. */
void
GrammarExpect(Grammar *grammar, const char *word, const char *hint)
{
	if (!GrammarAccept(grammar, word))
		GrammarComplain(grammar, psprintf("\"%s\"", word), hint);
}

/* The place of the token at hand in a list, without the s of a plural; -1: it is not there. */
static int
FindWord(const Grammar *grammar, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		size_t		length = strlen(names[i]);

		if (strncmp(grammar->word, names[i], length) == 0 &&
			(grammar->word[length] == '\0' || strcmp(grammar->word + length, "s") == 0))
			return i;
	}
	return -1;
}

/* Read a number. */
double
GrammarReadNumber(Grammar *grammar)
{
	char	   *end;
	double		number = strtod(grammar->word, &end);

	if (grammar->token != GRAMMAR_NUMBER || *end != '\0' || !isfinite(number))
		GrammarComplain(grammar, "a number", "A number is written like 5 or 0.5.");
	GrammarAdvance(grammar);
	return number;
}

/* Read a length of time: a number and a unit. */
int64
GrammarReadLength(Grammar *grammar)
{
	double		number = GrammarReadNumber(grammar);
	int			unit = grammar->token == GRAMMAR_WORD ? FindWord(grammar, unitNames, lengthof(unitNames)) : -1;

	if (unit < 0)
		GrammarComplainOfName(grammar, "a unit of time", "units", unitNames, lengthof(unitNames));
	number *= unitLengths[unit];
	if (number < USECS_PER_MINUTE || number > MAX_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a length of time in %s \"%s\" is not between a minute and 400 days",
						grammar->kind, grammar->string)));
	GrammarAdvance(grammar);
	return (int64) number;
}

/* Read a number of seconds, or of another unit that stands behind it. */
double
GrammarReadSeconds(Grammar *grammar)
{
	double		number = GrammarReadNumber(grammar);
	int			unit = grammar->token == GRAMMAR_WORD ? FindWord(grammar, unitNames, lengthof(unitNames)) : -1;

	if (unit < 0)
		return number;
	GrammarAdvance(grammar);
	return number * unitLengths[unit] / USECS_PER_SEC;
}

/* Go past the word at hand and its parenthesis, if it calls this function. */
bool
GrammarAcceptCall(Grammar *grammar, const char *name)
{
	Grammar		ahead = *grammar;

	if (grammar->token != GRAMMAR_WORD || strcmp(grammar->word, name) != 0)
		return false;
	GrammarAdvance(&ahead);
	if (!GrammarAccept(&ahead, "("))
		return false;
	*grammar = ahead;
	return true;
}

/* Complain unless a part of a prior is one. */
static double
ReadPriorPart(Grammar *grammar, const char *what, bool mayBeZero)
{
	double		number = GrammarReadNumber(grammar);

	if (number < 0 || (number == 0 && !mayBeZero) || number > MAX_PRIOR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s %g in %s \"%s\" is not %s and at most %g", what, number, grammar->kind, grammar->string,
						mayBeZero ? "at least 0" : "above 0", MAX_PRIOR),
				 errhint("prior is the rate that is expected before anything is known, weight in how many cases it was seen as it were.")));
	return number;
}

/* Read the end of a rate. */
void
GrammarReadPrior(Grammar *grammar, double *prior, double *weight)
{
	static const char *const hint = "A rate is written like rate(purchases, views) or rate(purchases, views, prior 0.02 weight 50).";

	*prior = *weight = 0;
	if (GrammarAccept(grammar, ","))
	{
		GrammarExpect(grammar, "prior", hint);
		*prior = ReadPriorPart(grammar, "prior", true);
		GrammarExpect(grammar, "weight", hint);
		*weight = ReadPriorPart(grammar, "weight", false);
	}
	GrammarExpect(grammar, ")", hint);
}

/* Begin to read. */
void
GrammarBegin(Grammar *grammar, const char *string, const char *kind, bool lenient)
{
	*grammar = (Grammar) {.string = string,.kind = kind,.lenient = lenient,.next = string};
	GrammarAdvance(grammar);
}

/* Count a part. */
void
GrammarCountPart(Grammar *grammar)
{
	if (++grammar->parts > GRAMMAR_MAX_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" has more than %d parts", grammar->kind, grammar->string, GRAMMAR_MAX_PARTS)));
}

/* Go down one level. */
void
GrammarDescend(Grammar *grammar)
{
	if (++grammar->depth > GRAMMAR_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" is nested more than %d deep", grammar->kind, grammar->string, GRAMMAR_MAX_DEPTH)));
}

/* True if the word at hand cannot be a measure. */
static bool
IsAfterTerm(const Grammar *grammar)
{
	static const char *const words[] = {"in", "and", "or", "default"};

	return ChoiceFind(grammar->word, words, lengthof(words)) >= 0;
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

/* True if a number without a sign is at hand. */
static bool
BeginsLength(const Grammar *grammar)
{
	return grammar->token == GRAMMAR_NUMBER && grammar->word[0] != '-';
}

/* Read the value of a term, in brackets. */
static void
ReadValue(Grammar *grammar, const GrammarTermKind *kind, GrammarTerm *term)
{
	static const char *const hint = "A value of a signal is written like interest_category['electronics'].";

	if (kind->reference != NULL && grammar->token == GRAMMAR_WORD)
	{
		kind->reference(grammar);
		term->reference = pstrdup(grammar->word);
	}
	else if (grammar->token != GRAMMAR_VALUE || grammar->word[0] == '\0')
		GrammarComplain(grammar, "a value in quotes", hint);
	else
		term->value = FeatureValueHash(KeyFromBytes(grammar->word, strlen(grammar->word)));
	term->hasValue = true;
	GrammarAdvance(grammar);
	GrammarExpect(grammar, "]", hint);
}

/* The aggregates that a signal keeps, and one more. */
static char *
KeptWith(const Signal *signal, Aggregate more)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int aggregate = AGGREGATE_MIN; aggregate <= AGGREGATE_LAST; aggregate++)
		if (aggregate == more || SignalHas(signal, aggregate))
			appendStringInfo(&names, "%s%s", names.len > 0 ? "," : "", AggregateNames[aggregate]);
	return names.data;
}

/* Complain of a measure that the signal would have to keep, and does not. */
static void
CheckKept(const Grammar *grammar, const GrammarTerm *term)
{
	const SignalSet *set = SignalSetGet();

	for (int i = 0; i < set->count; i++)
	{
		const Signal *signal = &set->signals[i];

		if (strcmp(signal->name, term->signal) == 0 && !SignalHas(signal, term->measure))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("signal \"%s\" does not keep %s, which %s \"%s\" asks for", signal->name,
							AggregateNames[term->measure], grammar->kind, grammar->string),
					 signal->id < SIGNAL_FIRST_OWN ?
					 errhint("It comes with the extension. Create one of your own with aggregates => '{%s}'.", AggregateNames[term->measure]) :
					 errhint("SELECT personalize.alter_signal(%s, aggregates => '{%s}') lets it.",
							 quote_literal_cstr(signal->name), KeptWith(signal, term->measure))));
	}
}

/* Read a term, from the name of its signal on. */
GrammarTerm
GrammarReadTerm(Grammar *grammar, const GrammarTermKind *kind)
{
	GrammarTerm term = {0};
	int			count;
	const char **names = SignalNames(&count);

	if (!grammar->lenient && ChoiceFind(grammar->word, names, count) < 0)
	{
		SignalRefuseElsewhere(SignalSetGet(), grammar->word);
		GrammarComplainOfName(grammar, "a signal", "signals", names, count);
	}
	term.signal = pstrdup(grammar->word);
	GrammarAdvance(grammar);
	if (GrammarAccept(grammar, "["))
		ReadValue(grammar, kind, &term);
	if (grammar->token == GRAMMAR_WORD && !IsAfterTerm(grammar))
	{
		int			measure = ChoiceFind(grammar->word, AggregateNames, kind->measures);

		if (measure < 0)
			GrammarComplainOfName(grammar, "a measure", "measures", AggregateNames, kind->measures);
		term.measure = (Aggregate) measure;
		if (!grammar->lenient)
			CheckKept(grammar, &term);
		GrammarAdvance(grammar);
	}
	if (term.measure != AGGREGATE_DECAYED && (GrammarAccept(grammar, "in") || BeginsLength(grammar)))
		term.period = GrammarReadLength(grammar);
	return term;
}
