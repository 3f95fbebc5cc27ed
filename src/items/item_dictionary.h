/*
 * item_dictionary.h
 *		Items that events name first get a row in the catalogue.
 */
#ifndef PERSONALIZE_ITEM_DICTIONARY_H
#define PERSONALIZE_ITEM_DICTIONARY_H

#include "postgres.h"

/* Give the logged items of these shards a row; called by item_stat's fold. */
extern void ItemDictionaryFold(const bool *shards);

#endif
