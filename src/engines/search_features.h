/*
 * search_features.h
 *		The features of rank_search() and search_items().
 */
#ifndef PERSONALIZE_SEARCH_FEATURES_H
#define PERSONALIZE_SEARCH_FEATURES_H

#include "postgres.h"

#include "engines/search_question.h"

/* What a feature speaks for, if it speaks loudest. */
typedef enum FeatureMeaning
{
	MEANS_TEXT,
	MEANS_QUERY,				/* people choose it after this query */
	MEANS_SESSION,				/* it goes with what was viewed */
	MEANS_CATEGORY,				/* it is of a kind the person likes */
	MEANS_CHANCE				/* too little is known of it */
} FeatureMeaning;

/* A feature with its weight as shipped. */
typedef struct WeightedFeature
{
	FeatureSource source;
	double		weight;
	FeatureMeaning meaning;
	const char *description;
} WeightedFeature;

#define SEARCH_FEATURE_COUNT 25
extern const WeightedFeature SearchFeatureList[];

/* The number of the feature that a column of a matrix is of. */
static inline int
SearchFeatureNumber(const FeatureMatrix *matrix, int column)
{
	return (const WeightedFeature *) ((const char *) matrix->sources[column] - offsetof(WeightedFeature, source)) -
		SearchFeatureList;
}

/* The scores by which a variant orders rows of all features, one of SEARCH_FEATURE_COUNT doubles an item. */
extern void SearchScoreRows(const Variant *variant, const double *rows, int count, double *scores);

/* The weights of a variant, one a feature; of one that is scored by trees those it is set to. */
extern void SearchWeightsOf(const Variant *variant, double *weightsOf);

#endif
