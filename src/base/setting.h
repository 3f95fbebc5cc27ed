/*
 * setting.h
 *		Settings of a session that change how values are read and printed.
 */
#ifndef PERSONALIZE_SETTING_H
#define PERSONALIZE_SETTING_H

#include "postgres.h"

/* Set one until the caller's nest level of settings (NewGUCNestLevel) ends. */
extern void SettingPin(const char *name, const char *value);

/* Set all that values and statements depend on, as above. */
extern void SettingPinAll(void);

#endif
