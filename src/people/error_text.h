/*
 * error_text.h
 *		The texts of errors that are kept.
 */
#ifndef PERSONALIZE_ERROR_TEXT_H
#define PERSONALIZE_ERROR_TEXT_H

#include "postgres.h"

/* Note what is over before the work begins whose errors may be kept. */
extern TransactionId ErrorTextBegin(void);

/*
 * The text of an error of work that began then, as it may be written in this transaction:
 * another one where it may tell of somebody who is erased.  An erasure waits for the end
 * of the transaction from now on, so this comes last.
 */
extern const char *ErrorTextToKeep(const char *text, TransactionId since);

#endif
