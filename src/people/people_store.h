/*
 * people_store.h
 *		What must be done for the tables that say who a person is.
 */
#ifndef PERSONALIZE_PEOPLE_STORE_H
#define PERSONALIZE_PEOPLE_STORE_H

/* Called once when the library is loaded. */
extern void PeopleStoreInit(void);

#endif
