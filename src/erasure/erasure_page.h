/*
 * erasure_page.h
 *		Overwriting the free space of pages, and finding keys that separate them.
 */
#ifndef PERSONALIZE_ERASURE_PAGE_H
#define PERSONALIZE_ERASURE_PAGE_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* What is looked for, and what was found. */
typedef struct ErasurePages
{
	TransactionId oldest;		/* row versions dead to it should have gone */
	MemoryContext context;		/* of the list below */
	int64		dead;			/* row versions that have not gone */
	List	   *indexes;		/* names of those to be built anew */
} ErasurePages;

/* Overwrite the free space of a table, its b-trees and its TOAST. */
extern void ErasureWipeTable(ErasurePages *work, Oid tableId);

#endif
