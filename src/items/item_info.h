/*
 * item_info.h
 *		A row of the catalogue, as engines read it.
 */
#ifndef PERSONALIZE_ITEM_INFO_H
#define PERSONALIZE_ITEM_INFO_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/numeric.h"

/* One catalogue row; what is NULL there is NULL here. */
typedef struct ItemInfo
{
	int64		key;
	bool		available;
	bool		hidden;
	text	   *itemId;
	text	   *category;
	text	   *brand;
	Numeric		price;
	text	   *currency;
	ArrayType  *tags;
	TimestampTz createdAt;		/* since when it is offered */
	int64		categoryKey;	/* keys of these texts; 0: there is none */
	int64		brandKey;
} ItemInfo;

#endif
