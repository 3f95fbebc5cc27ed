/*
 * grammar.h
 *		What conditions of segments and expressions of features are made of.
 */
#ifndef PERSONALIZE_GRAMMAR_H
#define PERSONALIZE_GRAMMAR_H

#include "postgres.h"

#include "compat.h"
#include "signals/aggregate.h"

#define GRAMMAR_MAX_WORD 255
#define GRAMMAR_MAX_DEPTH 32
#define GRAMMAR_MAX_PARTS 32

typedef enum GrammarToken
{
	GRAMMAR_END,
	GRAMMAR_WORD,
	GRAMMAR_VALUE,				/* in single quotes */
	GRAMMAR_NUMBER,
	GRAMMAR_SYMBOL
} GrammarToken;

/* A text being read. */
typedef struct Grammar
{
	const char *string;
	const char *kind;			/* what it is, as an error calls it: condition */
	bool		lenient;		/* a name that is none is no error */
	const char *next;
	GrammarToken token;			/* at hand */
	char		word[GRAMMAR_MAX_WORD + 1];
	int			depth;
	int			parts;
} Grammar;

/* What of a signal is meant: signal ['value'] [measure] [[in] N unit]. */
typedef struct GrammarTerm
{
	char	   *signal;
	bool		hasValue;
	uint64		value;			/* its value key; of all values if there is none */
	char	   *reference;		/* the value is that of a word like item.category; NULL: it is not */
	Aggregate	measure;
	int64		period;			/* microseconds; 0: all that is kept */
} GrammarTerm;

/* What a term may say. */
typedef struct GrammarTermKind
{
	int			measures;		/* the first so many aggregates */
	void		(*reference) (const Grammar *grammar);	/* complains of a word that is no value; NULL: all are */
} GrammarTermKind;

/* Begin to read: the first token is at hand then. */
extern void GrammarBegin(Grammar *grammar, const char *string, const char *kind, bool lenient);

/* Go to the next token. */
extern void GrammarAdvance(Grammar *grammar);

/* True if the token at hand is this word or symbol; Accept goes past it then, Expect does or complains. */
extern bool GrammarIs(const Grammar *grammar, const char *word);
extern bool GrammarAccept(Grammar *grammar, const char *word);
extern void GrammarExpect(Grammar *grammar, const char *word, const char *hint);

/* Complain of the token at hand; of a name, and say which there are. */
pg_noreturn extern void GrammarComplain(const Grammar *grammar, const char *problem, const char *hint);
pg_noreturn extern void GrammarComplainOfName(const Grammar *grammar, const char *problem, const char *kinds,
											  const char *const *names, int count);

/* Count a part, and complain of too many; go down into parentheses, and complain of too deep. */
extern void GrammarCountPart(Grammar *grammar);
extern void GrammarDescend(Grammar *grammar);

/* Read a number; a length of time; a number of seconds, perhaps with another unit; a signal's term. */
extern double GrammarReadNumber(Grammar *grammar);
extern int64 GrammarReadLength(Grammar *grammar);
extern double GrammarReadSeconds(Grammar *grammar);
extern GrammarTerm GrammarReadTerm(Grammar *grammar, const GrammarTermKind *kind);

/* True if the word at hand calls a function; goes past it and its parenthesis then. */
extern bool GrammarAcceptCall(Grammar *grammar, const char *name);

/* Read the end of a rate: [, prior N weight N] ). */
extern void GrammarReadPrior(Grammar *grammar, double *prior, double *weight);

#endif
