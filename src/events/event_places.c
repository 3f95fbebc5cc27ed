/*
 * event_places.c
 *		Where the raw events of some people are, for those who read them many times.
 *
 * A day that is not over has no index on user_key, so that a scan for one person looks at
 * each of its pages.  Whoever asks for thousands of people, or again and again for one, as
 * training does for each page that a person was shown, looks once instead.
 */
#include "postgres.h"

#include "events/event_places.h"

#include "base/grow.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* The events of one person, days in order. */
typedef struct PersonPlaces
{
	int			count;
	int			capacity;
	EventPlace *places;
} PersonPlaces;

struct EventPlaces
{
	KeySet		people;
	PersonPlaces *ofPeople;		/* by number of the person */
	size_t		bytes;
};

/* Make a place for the events of people. */
EventPlaces *
EventPlacesMake(const KeySet *people)
{
	EventPlaces *places = palloc(sizeof(EventPlaces));

	places->people = KeySetCopy(people);
	places->bytes = sizeof(PersonPlaces) * people->count;
	places->ofPeople = palloc_extended(places->bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return places;
}

/* Add an event, if it is of one of the people; false: there is no room. */
bool
EventPlacesAdd(EventPlaces *places, int64 userKey, const EventPlace *place)
{
	const KeySetEntry *entry = KeySetHas(&places->people, userKey) ? keyset_lookup(places->people.table, userKey) : NULL;
	PersonPlaces *person;

	if (entry == NULL)
		return true;
	person = &places->ofPeople[entry->number];
	places->bytes -= person->capacity * sizeof(EventPlace);
	GrowArray(person->places, person->count + 1, person->capacity, 16);
	person->places[person->count++] = *place;
	places->bytes += person->capacity * sizeof(EventPlace);
	return places->bytes <= maintenance_work_mem * (size_t) 1024;
}

/* A person's events of one day. */
int
EventPlacesOf(const EventPlaces *places, int64 userKey, Oid partition, const EventPlace **found)
{
	const KeySetEntry *entry = keyset_lookup(places->people.table, userKey);
	const PersonPlaces *person = entry ? &places->ofPeople[entry->number] : NULL;
	int			first = 0;
	int			end;

	if (person == NULL)
		return 0;
	while (first < person->count && person->places[first].partition != partition)
		first++;
	for (end = first; end < person->count && person->places[end].partition == partition; end++)
		;
	*found = person->places + first;
	return end - first;
}

/* True if somebody's events have been looked for. */
bool
EventPlacesHave(const EventPlaces *places, int64 userKey)
{
	return KeySetHas(&places->people, userKey);
}
