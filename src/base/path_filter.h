/*
 * path_filter.h
 *		The type path_filter: a jsonpath predicate as an argument.
 */
#ifndef PERSONALIZE_PATH_FILTER_H
#define PERSONALIZE_PATH_FILTER_H

#include "postgres.h"

#include "utils/jsonpath.h"

/* The predicate of an argument, which may as well be a text; an error if it is none. */
extern JsonPath *PathFilterRead(Datum filter);

#endif
