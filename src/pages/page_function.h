/*
 * page_function.h
 *		Modules whose items a function of the shop's returns.
 */
#ifndef PERSONALIZE_PAGE_FUNCTION_H
#define PERSONALIZE_PAGE_FUNCTION_H

#include "postgres.h"

#include "engines/context.h"
#include "pages/page_module.h"

/* Ask the function for up to n items, with the rights of the caller; keys are palloc'd. */
extern int	PageFunctionCall(EngineContext *context, const PageModule *module, int n, int64 **keys);

#endif
