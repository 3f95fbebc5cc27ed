/*
 * profile_store.h
 *		What must be done for profiles, segments and preferences, which are of one person each.
 */
#ifndef PERSONALIZE_PROFILE_STORE_H
#define PERSONALIZE_PROFILE_STORE_H

/* Called once when the library is loaded. */
extern void ProfileStoreInit(void);
extern void SegmentStoreInit(void);

#endif
