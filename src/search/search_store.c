/*
 * search_store.c
 *		What must be known of the tables of search, which hold nobody's data.
 */
#include "postgres.h"

#include "search/search_store.h"

#include "people/person_store.h"

static const PersonStore stores[] = {
	{.name = "search_attribute",.content = "definitions",.form = PERSON_STORE_PLAIN("search_attribute")},
	{.name = "search_setting",.content = "definitions",.form = PERSON_STORE_PLAIN("search_setting")},
	{.name = "search_synonym",.content = "definitions",.form = PERSON_STORE_PLAIN("search_synonym")},
	{.name = "_search_posting",.content = "the catalogue",.exempt = "an index of item, which verify_search_index() compares"},
	{.name = "_search_word",.content = "the catalogue",.exempt = "an index of item, with words it had"},
	{.name = "_search_total",.content = "the catalogue",.exempt = "sums of _search_posting"},
	{.name = "_search_server",.content = "the catalogue",.exempt = "which server made _search_posting"}
};

/* Register them. */
void
SearchStoreInit(void)
{
	PersonStoreRegister(stores, lengthof(stores));
}
