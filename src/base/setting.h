/*
 * setting.h
 *		Settings of a session that change how values are read and printed.
 */
#ifndef PERSONALIZE_SETTING_H
#define PERSONALIZE_SETTING_H

#include "postgres.h"

/* Set one until the caller's nest level of settings (NewGUCNestLevel) ends. */
extern void SettingPin(const char *name, const char *value);

/*
 * Have the transaction write nothing until End, which is told what Begin has said; an error
 * ends it with the (sub)transaction.
 */
extern bool SettingBeginReadOnly(void);
extern void SettingEndReadOnly(bool before);

/* Set all that values and statements depend on, as above. */
extern void SettingPinAll(void);

#endif
