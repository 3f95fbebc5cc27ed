/*
 * tree_model.h
 *		Boosted trees: their one form, however they were trained.
 *
 * All trees' nodes are in one array, each tree in breadth-first order, so that the children
 * of a node are side by side.  A leaf leads to itself, so that going down as many steps as
 * the tree is deep ends in the right leaf without a branch.  What the formats do differently
 * before a comparison (missing values, single precision, categories) is done once a row: a
 * node compares a column, which is a feature after such a treatment, and never NaN.
 */
#ifndef PERSONALIZE_TREE_MODEL_H
#define PERSONALIZE_TREE_MODEL_H

#include "postgres.h"

#include "compat.h"
#include "nodes/pg_list.h"

/* Bounds of what is accepted. */
#define TREE_MODEL_MAX_FEATURES 4096
#define TREE_MODEL_MAX_TREES 10000
#define TREE_MODEL_MAX_NODES 4000000
#define TREE_MODEL_MAX_DEPTH 1000
#define TREE_MODEL_MAX_COLUMNS 65535

/* What becomes of a feature's value before it is compared; NaN is a missing value. */
typedef enum TreeTreatment
{
	TREE_AS_GIVEN,
	TREE_MISSING_IS_ZERO,		/* NaN counts as 0 */
	TREE_ZERO_IS_MISSING,		/* 0 counts as NaN */
	TREE_SINGLE,				/* rounded to single precision */
	TREE_IN_SET,				/* 0 if the category is in the set, else 1, also if it is missing */
	TREE_IN_SET_OR_MISSING		/* 1 if it is in the set, else 0; NaN stays */
} TreeTreatment;

/* A feature after its treatment. */
typedef struct TreeColumn
{
	uint16		feature;
	uint8		treatment;
	bool		missingLeft;	/* what is missing goes to the left */
	int32		set;			/* the first word of the set, preceded by how many words it has; -1: none */
} TreeColumn;

/* A node; a leaf leads to itself and has its value instead of a threshold. */
typedef struct TreeNode
{
	double		value;			/* at most this: to the left */
	int32		left;
	uint16		column;
	uint16		step;			/* from the left child to the right one: 1, of a leaf 0 */
} TreeNode;

/* What is done with the sum of the leaves. */
typedef enum TreeTransform
{
	TREE_IDENTITY,
	TREE_SIGMOID,				/* 1 / (1 + e^(-steepness * sum)) */
	TREE_EXPONENTIAL,
	TREE_SQUARE,				/* with the sum's sign */
	TREE_LOG_EXPONENTIAL		/* ln(1 + e^sum) */
} TreeTransform;

typedef struct TreeModel
{
	bool		singleSum;		/* leaves are summed in single precision */
	TreeTransform transform;
	double		steepness;
	double		base;			/* what the sum begins with */
	double		scale;			/* what the sum is multiplied with before the transformation */
	int			featureCount;
	int			columnCount;
	TreeColumn *columns;
	int			wordCount;
	uint32	   *words;			/* of all sets */
	int			treeCount;
	int32	   *roots;
	int32	   *depths;
	int			nodeCount;
	TreeNode   *nodes;
} TreeModel;

/* A node as a file has it: children are numbers of nodes in the same tree. */
typedef struct TreeFileNode
{
	bool		isLeaf;
	double		value;
	int			left;
	int			right;
	int			feature;
	TreeTreatment treatment;
	int			setWords;
	const uint32 *set;
	bool		missingLeft;
} TreeFileNode;

/* A model that is being put together from a file. */
typedef struct TreeBuilder TreeBuilder;

extern TreeBuilder *TreeBuilderBegin(int featureCount);

/* Add a tree whose root is node 0; every node must be reached once. */
extern void TreeBuilderAdd(TreeBuilder *builder, const TreeFileNode *nodes, int count);
extern TreeModel *TreeBuilderEnd(TreeBuilder *builder);

/* Complain about a model; place says where in the file. */
pg_noreturn extern void TreeModelRefuse(const char *place, const char *problem,...) pg_attribute_printf(2, 3);

/* The readers; features gets the names of the features (char *), NIL if the file has none. */
extern TreeModel *TreeLightgbmRead(const char *content, List **features);
extern TreeModel *TreeXgboostRead(const char *content, List **features);

/* To bytes and back; the bytes are checked. */
extern bytea *TreeModelPack(const TreeModel *model);
extern TreeModel *TreeModelUnpack(const bytea *packed);

/*
 * Score rows of features: stride doubles a row, the model's features first; raw: the
 * sum as it is.
 */
extern void TreeModelScore(const TreeModel *model, const double *features, int stride, int rows,
						   bool raw, double *scores);

#endif
