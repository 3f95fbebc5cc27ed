/*
 * page_title.h
 *		What stands above a shelf.
 */
#ifndef PERSONALIZE_PAGE_TITLE_H
#define PERSONALIZE_PAGE_TITLE_H

#include "postgres.h"

#include "engines/slate.h"

/* A title for a shelf whose first item this is; NULL: it names something that there is not. */
extern text *PageTitleMake(EngineContext *context, const text *template, const Candidate *first);

#endif
