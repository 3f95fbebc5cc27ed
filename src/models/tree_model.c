/*
 * tree_model.c
 *		Boosted trees: put together, checked and evaluated.
 *
 * A block of rows goes through one tree after the other, a few rows side by side: they
 * wait for memory together, and no step depends on a branch that is hard to foresee.
 */
#include "postgres.h"

#include "models/tree_model.h"

#include <float.h>
#include <math.h>

#include "base/grow.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Rows whose columns are prepared at a time, and those that go down side by side. */
#define BLOCK_ROWS 64
#define LANES 8

/* At most this far from 0 is 0, as LightGBM has it. */
#define ZERO_THRESHOLD 1e-35f

struct TreeBuilder
{
	TreeModel  *model;
	int			columnCapacity;
	int			wordCapacity;
	int			treeCapacity;
	int			nodeCapacity;
};

/* Complain about a model. */
void
TreeModelRefuse(const char *place, const char *problem,...)
{
	StringInfoData text;

	initStringInfo(&text);
	for (;;)
	{
		va_list		arguments;
		int			needed;

		va_start(arguments, problem);
		needed = appendStringInfoVA(&text, problem, arguments);
		va_end(arguments);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid model: %s", text.data),
			 errdetail("The fault is in %s.", place)));
}

/* Begin a model. */
TreeBuilder *
TreeBuilderBegin(int featureCount)
{
	TreeBuilder *builder = palloc0(sizeof(TreeBuilder));
	TreeModel  *model = palloc0(sizeof(TreeModel));

	builder->model = model;
	builder->columnCapacity = builder->wordCapacity = builder->treeCapacity = builder->nodeCapacity = 64;
	model->steepness = 1;
	model->scale = 1;
	model->featureCount = featureCount;
	model->columns = palloc(64 * sizeof(TreeColumn));
	model->words = palloc(64 * sizeof(uint32));
	model->roots = palloc(64 * sizeof(int32));
	model->depths = palloc(64 * sizeof(int32));
	model->nodes = palloc(64 * sizeof(TreeNode));
	return builder;
}

/* The place of a set among the words: it is added. */
static int32
AddSet(TreeBuilder *builder, const TreeFileNode *node)
{
	TreeModel  *model = builder->model;
	int32		place = model->wordCount + 1;

	if (node->setWords > (int) (MaxAllocSize / sizeof(uint32)) - place)
		TreeModelRefuse("its categories", "too many categories");
	GrowArray(model->words, place + node->setWords, builder->wordCapacity, 64);
	model->words[place - 1] = node->setWords;
	memcpy(model->words + place, node->set, node->setWords * sizeof(uint32));
	model->wordCount = place + node->setWords;
	return place;
}

/* The column that a node compares; sets are not looked for among those there are. */
static uint16
FindColumn(TreeBuilder *builder, const TreeFileNode *node, const char *place)
{
	TreeModel  *model = builder->model;
	bool		isSet = node->treatment == TREE_IN_SET || node->treatment == TREE_IN_SET_OR_MISSING;

	for (int i = 0; !isSet && i < model->columnCount; i++)
		if (model->columns[i].feature == node->feature && model->columns[i].treatment == node->treatment &&
			model->columns[i].missingLeft == node->missingLeft)
			return i;
	if (model->columnCount == TREE_MODEL_MAX_COLUMNS)
		TreeModelRefuse(place, "more than %d different comparisons with categories", TREE_MODEL_MAX_COLUMNS);
	GrowArray(model->columns, model->columnCount + 1, builder->columnCapacity, 64);
	model->columns[model->columnCount] = (TreeColumn)
	{
		.feature = node->feature,
		.treatment = node->treatment,
		.missingLeft = node->missingLeft,
		.set = isSet ? AddSet(builder, node) : -1
	};
	return model->columnCount++;
}

/* Complain unless a node is what can be evaluated. */
static void
CheckNode(const TreeModel *model, const TreeFileNode *node, int number, int count, const char *place)
{
	if (isnan(node->value) || (node->isLeaf && isinf(node->value)))
		TreeModelRefuse(place, "node %d has a %s that is no finite number", number,
						node->isLeaf ? "leaf value" : "threshold");
	if (node->isLeaf)
		return;
	if (node->feature < 0 || node->feature >= model->featureCount)
		TreeModelRefuse(place, "node %d splits by feature %d of %d", number, node->feature, model->featureCount);
	if (node->left < 0 || node->left >= count || node->right < 0 || node->right >= count)
		TreeModelRefuse(place, "node %d leads to node %d of %d", number,
						node->left < 0 || node->left >= count ? node->left : node->right, count);
}

/* Add a node, whose children come later if it is no leaf. */
static void
AddNode(TreeBuilder *builder, const TreeFileNode *node, const char *place)
{
	TreeModel  *model = builder->model;

	model->nodes[model->nodeCount] = (TreeNode)
	{
		/* an infinite threshold parts what is missing from all the rest */
		.value = node->isLeaf ? node->value : Min(Max(node->value, -DBL_MAX), DBL_MAX),
		.left = model->nodeCount,
		.column = node->isLeaf ? 0 : FindColumn(builder, node, place),
		.step = node->isLeaf ? 0 : 1
	};
	model->nodeCount++;
}

/*
 * Add the nodes of a tree in breadth-first order; returns its depth.  order has room for
 * all numbers of nodes; a node that is reached twice, so also a circle, is refused.
 */
static int
AddNodes(TreeBuilder *builder, const TreeFileNode *nodes, int count, int *order, const char *place)
{
	TreeModel  *model = builder->model;
	int			root = model->nodeCount;
	bool	   *reached = palloc0(count);
	int			found = 1;
	int			depth = 0;

	order[0] = 0;
	reached[0] = true;
	for (int i = 0, levelEnd = 1; i < found; i++)
	{
		const TreeFileNode *node = &nodes[order[i]];

		if (i == levelEnd)
		{
			depth++;
			levelEnd = found;
		}
		CheckNode(model, node, order[i], count, place);
		AddNode(builder, node, place);
		if (node->isLeaf)
			continue;
		if (node->left == node->right || reached[node->left] || reached[node->right])
			TreeModelRefuse(place, "node %d leads to a node that is reached already", order[i]);
		reached[node->left] = reached[node->right] = true;
		model->nodes[root + i].left = root + found;
		order[found++] = node->left;
		order[found++] = node->right;
	}
	pfree(reached);
	return depth;
}

/* Add a tree. */
void
TreeBuilderAdd(TreeBuilder *builder, const TreeFileNode *nodes, int count)
{
	TreeModel  *model = builder->model;
	char	   *place = psprintf("tree %d", model->treeCount);
	int			root = model->nodeCount;
	int		   *order = palloc(mul_size(Max(count, 1), sizeof(int)));
	int			capacity = builder->treeCapacity;

	if (count < 1)
		TreeModelRefuse(place, "it has no nodes");
	if (model->treeCount == TREE_MODEL_MAX_TREES)
		TreeModelRefuse(place, "more than %d trees", TREE_MODEL_MAX_TREES);
	if (count > TREE_MODEL_MAX_NODES - model->nodeCount)
		TreeModelRefuse(place, "more than %d nodes", TREE_MODEL_MAX_NODES);
	GrowArray(model->nodes, root + count, builder->nodeCapacity, 64);
	GrowArray(model->roots, model->treeCount + 1, capacity, 64);
	GrowArray(model->depths, model->treeCount + 1, builder->treeCapacity, 64);
	model->roots[model->treeCount] = root;
	model->depths[model->treeCount] = AddNodes(builder, nodes, count, order, place);
	if (model->depths[model->treeCount] > TREE_MODEL_MAX_DEPTH)
		TreeModelRefuse(place, "it is deeper than %d nodes", TREE_MODEL_MAX_DEPTH);
	model->treeCount++;
	pfree(order);
	pfree(place);
}

/* The model that has been put together; one without trees is its base. */
TreeModel *
TreeBuilderEnd(TreeBuilder *builder)
{
	return builder->model;
}

/* True if a set has the category that a value is. */
static bool
SetHas(const TreeModel *model, int32 set, double value)
{
	uint32		count = model->words[set - 1];

	if (!(value >= 0 && value < (double) count * 32))
		return false;
	return (model->words[set + (uint32) value / 32] >> ((uint32) value % 32) & 1) != 0;
}

/* A feature's value after its treatment; NaN if it is missing. */
static double
Treat(const TreeModel *model, const TreeColumn *column, double value)
{
	switch ((TreeTreatment) column->treatment)
	{
		case TREE_MISSING_IS_ZERO:
			return isnan(value) ? 0 : value;
		case TREE_ZERO_IS_MISSING:
			return fabs(value) <= ZERO_THRESHOLD ? (double) NAN : value;
		case TREE_SINGLE:
			return (float) value;
		case TREE_IN_SET:
			return SetHas(model, column->set, trunc(value)) ? 0 : 1;
		case TREE_IN_SET_OR_MISSING:
			return isnan(value) ? value : SetHas(model, column->set, value < 0 ? -1 : trunc(value)) ? 1 : 0;
		case TREE_AS_GIVEN:
			break;
	}
	return value;
}

/* What the nodes compare: what is missing is beyond every threshold on its side. */
static double
ColumnValue(const TreeModel *model, const TreeColumn *column, double value)
{
	value = Treat(model, column, value);
	if (isnan(value))
		return column->missingLeft ? -INFINITY : INFINITY;
	return value;
}

/* Add a tree's leaves to the sums of a block; columns has LANES rows more than it needs. */
static void
AddTree(const TreeModel *model, int tree, const double *columns, int rows, double *sums)
{
	const TreeNode *nodes = model->nodes;
	int			width = model->columnCount;

	for (int first = 0; first < rows; first += LANES)
	{
		const double *row = columns + (size_t) first * width;
		int32		at[LANES];

		for (int lane = 0; lane < LANES; lane++)
			at[lane] = model->roots[tree];
		for (int step = model->depths[tree]; step > 0; step--)
			for (int lane = 0; lane < LANES; lane++)
			{
				const TreeNode *node = &nodes[at[lane]];
				double		value = row[(size_t) lane * width + node->column];

				/* no branch: a comparison is a number, and a value never NaN */
				at[lane] = node->left + ((int) (value > node->value) & node->step);
			}
		for (int lane = 0; lane < LANES && first + lane < rows; lane++)
		{
			double		sum = sums[first + lane] + nodes[at[lane]].value;

			sums[first + lane] = model->singleSum ? (float) sum : sum;
		}
	}
}

/* What the sum of the leaves says. */
static double
Transform(const TreeModel *model, double sum)
{
	switch (model->transform)
	{
		case TREE_SIGMOID:
			return 1 / (1 + exp(-model->steepness * sum));
		case TREE_EXPONENTIAL:
			return exp(sum);
		case TREE_SQUARE:
			return copysign(sum * sum, sum);
		case TREE_LOG_EXPONENTIAL:
			return log1p(exp(sum));
		case TREE_IDENTITY:
			break;
	}
	return sum;
}

/* Score rows of features. */
void
TreeModelScore(const TreeModel *model, const double *features, int stride, int rows,
			   bool raw, double *scores)
{
	/* a model whose trees are single leaves has no columns */
	int			width = model->columnCount;
	double	   *columns = palloc0(mul_size(mul_size(BLOCK_ROWS + LANES, Max(width, 1)), sizeof(double)));

	for (int first = 0; first < rows; first += BLOCK_ROWS)
	{
		int			count = Min(BLOCK_ROWS, rows - first);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
		{
			const double *row = features + (size_t) (first + i) * stride;

			for (int c = 0; c < width; c++)
				columns[(size_t) i * width + c] = ColumnValue(model, &model->columns[c], row[model->columns[c].feature]);
			scores[first + i] = model->base;
		}
		for (int tree = 0; tree < model->treeCount; tree++)
			AddTree(model, tree, columns, count, scores + first);
		for (int i = 0; i < count && !raw; i++)
			scores[first + i] = Transform(model, scores[first + i] * model->scale);
	}
	pfree(columns);
}
