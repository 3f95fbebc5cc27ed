/*
 * signal_metric.c
 *		What a signal counts, as a metric of experiments.
 *
 * An event is looked at by the code that counts it for profiles (signal_value.c), so
 * that a signal has one meaning.  Here the raw events of somebody are counted to the
 * microsecond, while a profile's panes grow wider with time.
 */
#include "postgres.h"

#include "experiments/signal_metric.h"

#include "base/argument.h"
#include "base/key.h"
#include "compat.h"
#include "fmgr.h"
#include "people/purpose.h"
#include "signals/signal.h"
#include "signals/value_key.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(personalize_check_signal_metric);

/* An event that is being counted. */
typedef struct Evaluation
{
	const SignalMetric *metric;
	SignalMetricCount count;
	void	   *arg;
} Evaluation;

/* Set up a metric. */
void
SignalMetricInit(SignalMetric *metric, const char *signal, const char *value, bool sum)
{
	const SignalSet *set = SignalSetGet();
	const Signal *found = SignalFindByName(set, signal);

	memset(metric, 0, sizeof(SignalMetric));
	metric->purposes = PURPOSE_ANALYTICS;
	metric->sum = sum;
	metric->anyValue = value == NULL;
	metric->since = DT_NOBEGIN;
	if (value != NULL)
		metric->value = FeatureValueHash(KeyFromBytes(value, strlen(value)));
	if (found == NULL || !found->enabled)
		return;
	metric->signal = found->id;
	metric->purposes |= found->purposes;
	metric->since = SignalEventsSince(set, found);
}

/* Count a value of the signal. */
static void
CountValue(void *arg, uint64 featureKey, int64 sum, const char *text, int length)
{
	Evaluation *evaluation = arg;
	const SignalMetric *metric = evaluation->metric;
	int64		amount = metric->sum ? sum : 1;

	if (amount != 0 && (metric->anyValue || FeatureKeyHash(featureKey) == metric->value))
		evaluation->count(evaluation->arg, amount);
}

/* What an event counts. */
void
SignalMetricEvaluate(const SignalMetric *metric, const EventRow *row, ItemReader *items,
					 SignalMetricCount count, void *arg)
{
	const SignalSet *set = SignalSetGet();
	const SignalEvent *event;
	Evaluation	evaluation = {metric, count, arg};

	if ((row->consent & metric->purposes) != metric->purposes)
		return;
	event = SignalSetEvent(&set, row->event);
	for (int i = 0; event != NULL && i < event->useCount; i++)
	{
		SignalEvent only = *event;

		if (event->uses[i].signal->id != metric->signal)
			continue;
		only.uses = &event->uses[i];
		only.useCount = 1;
		/* one with a number that is too large counts nothing, as for profiles */
		(void) SignalEvaluate(&only, row, items, CountValue, &evaluation);
	}
}

/* _check_signal_metric(signal, value): complain unless a metric may be of them. */
Datum
personalize_check_signal_metric(PG_FUNCTION_ARGS)
{
	const SignalSet *set = SignalSetGet();
	const Signal *signal;
	char	   *name;

	ArgumentCheckGiven(fcinfo, 0, "signal");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	signal = SignalFindByName(set, name);
	if (signal == NULL || !signal->enabled)
		SignalReportUnknown(set, name);
	if (!PG_ARGISNULL(1))
		SignalCheckValue(signal, "value of metric \"signal\"", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}
