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

#include "compat.h"
#include "events/event.h"
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
};

/* Add a place; how many bytes more that took. */
static size_t
AddPlace(PersonPlaces *person, const EventPlace *place)
{
	size_t		before = person->capacity;

	if (person->count == person->capacity)
	{
		person->capacity = Max(16, 2 * person->capacity);
		person->places = person->places == NULL ?
			palloc_array(EventPlace, person->capacity) :
			repalloc_huge(person->places, sizeof(EventPlace) * person->capacity);
	}
	person->places[person->count++] = *place;
	return (person->capacity - before) * sizeof(EventPlace);
}

/* Find the events of people. */
EventPlaces *
EventPlacesRead(const KeySet *people, Snapshot snapshot)
{
	EventScanOptions options = {.snapshot = snapshot,.allDays = true,.keysOnly = true,.withoutIndex = true};
	EventPlaces *places = palloc0(sizeof(EventPlaces));
	size_t		bytes = sizeof(PersonPlaces) * people->count;
	EventScan  *scan;
	EventRow	row;

	places->people = KeySetCopy(people);
	places->ofPeople = palloc_extended(bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	scan = EventScanBegin(&options);
	while (bytes <= maintenance_work_mem * (size_t) 1024 && EventScanNext(scan, &row))
	{
		const KeySetEntry *entry = KeySetHas(people, row.userKey) ? keyset_lookup(people->table, row.userKey) : NULL;
		EventPlace	place = {.ts = row.ts};

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL)
			continue;
		EventScanPlace(scan, &place.partition, &place.tid);
		bytes += AddPlace(&places->ofPeople[entry->number], &place);
	}
	EventScanEnd(scan);
	return bytes <= maintenance_work_mem * (size_t) 1024 ? places : NULL;
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
