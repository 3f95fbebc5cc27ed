/*
 * linear_model.c
 *		A weighted sum of features: packed and evaluated.
 *
 * Packed it is a version, whether it tells a probability, the intercept and the weights, in
 * the byte order of the network.
 */
#include "postgres.h"

#include "models/linear_model.h"

#include <math.h>

#include "compat.h"
#include "libpq/pqformat.h"
#include "models/logistic.h"

#define PACKED_VERSION 1

/* To bytes. */
bytea *
LinearModelPack(const LinearModel *model)
{
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbyte(&buffer, PACKED_VERSION);
	pq_sendbyte(&buffer, model->probability);
	pq_sendfloat8(&buffer, model->intercept);
	pq_sendint32(&buffer, model->featureCount);
	for (int i = 0; i < model->featureCount; i++)
		pq_sendfloat8(&buffer, model->weights[i]);
	return pq_endtypsend(&buffer);
}

/* Complain of bytes that nobody has packed. */
pg_noreturn static void
ReportDamage(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a model of table personalize.model is damaged"),
			 errhint("Train it again, or put another version in use.")));
}

/* The next number. */
static double
GetFinite(StringInfo buffer)
{
	double		value = pq_getmsgfloat8(buffer);

	if (!isfinite(value))
		ReportDamage();
	return value;
}

/* And back. */
LinearModel *
LinearModelUnpack(const bytea *packed)
{
	LinearModel *model = palloc0(sizeof(LinearModel));
	int			length = VARSIZE_ANY_EXHDR(packed);
	StringInfoData buffer = {.data = (char *) VARDATA_ANY(packed),.len = length,.maxlen = length};
	const int	header = 2 + sizeof(float8) + sizeof(int32);

	if (length < header || pq_getmsgbyte(&buffer) != PACKED_VERSION)
		ReportDamage();
	model->probability = pq_getmsgbyte(&buffer) != 0;
	model->intercept = GetFinite(&buffer);
	model->featureCount = pq_getmsgint(&buffer, sizeof(int32));
	if (model->featureCount < 0 || model->featureCount > LINEAR_MODEL_MAX_FEATURES ||
		length != header + model->featureCount * (int) sizeof(float8))
		ReportDamage();
	model->weights = palloc(Max(model->featureCount, 1) * sizeof(double));
	for (int i = 0; i < model->featureCount; i++)
		model->weights[i] = GetFinite(&buffer);
	return model;
}

/* The score of a row. */
double
LinearModelScore(const LinearModel *model, const double *row, bool raw)
{
	double		sum = model->intercept;

	for (int i = 0; i < model->featureCount; i++)
		sum += isnan(row[i]) ? 0 : model->weights[i] * row[i];
	return model->probability && !raw ? LogisticProbability(sum) : sum;
}
