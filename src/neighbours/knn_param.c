/*
 * knn_param.c
 *		The parameters of the neighbour score.
 */
#include "postgres.h"

#include "neighbours/knn_param.h"

const KnnParamInfo knnParamInfo[KNN_PARAM_COUNT] = {
	{"session_items", "items", true, 1, KNN_MAX_SESSION_ITEMS, 8, offsetof(KnnParams, sessionItems),
	"newest distinct items of the session that count"},
	{"long_items", "items", true, 0, KNN_MAX_LONG_ITEMS, 8, offsetof(KnnParams, longItems),
	"long-term items that count besides"},
	{"postings", "sessions", true, 1, KNN_MAX_POSTINGS, 128, offsetof(KnnParams, postings),
	"newest sessions looked at per item"},
	{"neighbours", "sessions", true, 1, KNN_MAX_NEIGHBOURS, 128, offsetof(KnnParams, neighbours),
	"most similar sessions that vote"},
	{"long_weight", "factor", false, 0, 10, 0.2, offsetof(KnnParams, longWeight),
	"weight of a long-term item; the session's newest item weighs 1"},
	{"overlap_power", "exponent", false, 0, 10, 2, offsetof(KnnParams, overlapPower),
	"how much a larger overlap with a session counts"},
	{"recent_decay", "clicks", false, 0.1, 1e6, 6, offsetof(KnnParams, recentDecay),
	"a session that shares only an older item, so many clicks back, weighs 1/e"},
	{"next_weight", "factor", false, 0, 100, 1, offsetof(KnnParams, nextWeight),
	"weight of what came right after the newest item, beside 1 of the sessions"},
	{"next_prior", "times", false, 0.1, 1e6, 12, offsetof(KnnParams, nextPrior),
	"how often an item must have come right after the newest one to be believed by half"},
	{"repeat_weight", "factor", false, 0, 100, 1.25, offsetof(KnnParams, repeatWeight),
	"weight of the chance that people come back to an item of their session"},
	{"trend_power", "exponent", false, 0, 10, 0.2, offsetof(KnnParams, trendPower),
	"how much it counts that an item is met more often in the last days than before; 0: not at all"}
};

/* The value of a parameter. */
double
KnnParamGet(const KnnParams *params, const KnnParamInfo *info)
{
	const char *field = (const char *) params + info->offset;

	return info->integer ? *(const int *) field : *(const double *) field;
}

/* Set a parameter. */
void
KnnParamSet(KnnParams *params, const KnnParamInfo *info, double value)
{
	char	   *field = (char *) params + info->offset;

	if (info->integer)
		*(int *) field = (int) value;
	else
		*(double *) field = value;
}
