/*
 * item_view.h
 *		Conditions on ids in views, answered by the key.
 */
#ifndef PERSONALIZE_ITEM_VIEW_H
#define PERSONALIZE_ITEM_VIEW_H

/* Called once when the library is loaded. */
extern void ItemViewInit(void);

#endif
