/*
 * tree_pack.c
 *		Boosted trees as bytes: the same on every platform.
 *
 * A header, then columns, words of sets, trees and nodes, each of a fixed width.
 * Whatever the bytes hold, what is unpacked keeps to its arrays: a dump may have been
 * edited.
 */
#include "postgres.h"

#include "models/tree_model.h"

#include "base/bytes.h"
#include "utils/memutils.h"

#define FORMAT_VERSION 1
#define HEADER_BYTES 43
#define COLUMN_BYTES 8
#define TREE_BYTES 8
#define NODE_BYTES 15

/* Where the next number goes. */
static uint8 *
PutDouble(uint8 *out, double value)
{
	uint64		bits;

	memcpy(&bits, &value, 8);
	BytesPut(out, bits, 8);
	return out + 8;
}

static uint8 *
Put(uint8 *out, uint64 value, int width)
{
	BytesPut(out, value, width);
	return out + width;
}

/* Reading: what is left is checked once, by the header. */
static double
GetDouble(const uint8 **in)
{
	uint64		bits = BytesGet(*in, 8);
	double		value;

	memcpy(&value, &bits, 8);
	*in += 8;
	return value;
}

static uint64
Get(const uint8 **in, int width)
{
	uint64		value = BytesGet(*in, width);

	*in += width;
	return value;
}

/* How many bytes a model takes after the header. */
static Size
BodyBytes(const TreeModel *model)
{
	return (Size) model->columnCount * COLUMN_BYTES + (Size) model->wordCount * 4 +
		(Size) model->treeCount * TREE_BYTES + (Size) model->nodeCount * NODE_BYTES;
}

/* A model as bytes. */
bytea *
TreeModelPack(const TreeModel *model)
{
	Size		size = VARHDRSZ + HEADER_BYTES + BodyBytes(model);
	bytea	   *packed = palloc(size);
	uint8	   *out = (uint8 *) VARDATA(packed);

	SET_VARSIZE(packed, size);
	out = Put(out, FORMAT_VERSION, 1);
	out = Put(out, model->singleSum, 1);
	out = Put(out, model->transform, 1);
	out = PutDouble(out, model->steepness);
	out = PutDouble(out, model->base);
	out = PutDouble(out, model->scale);
	out = Put(out, model->featureCount, 2);
	out = Put(out, model->columnCount, 2);
	out = Put(out, model->wordCount, 4);
	out = Put(out, model->treeCount, 4);
	out = Put(out, model->nodeCount, 4);
	for (int i = 0; i < model->columnCount; i++)
	{
		out = Put(out, model->columns[i].feature, 2);
		out = Put(out, model->columns[i].treatment, 1);
		out = Put(out, model->columns[i].missingLeft, 1);
		out = Put(out, (uint32) model->columns[i].set, 4);
	}
	for (int i = 0; i < model->wordCount; i++)
		out = Put(out, model->words[i], 4);
	for (int i = 0; i < model->treeCount; i++)
	{
		out = Put(out, model->roots[i], 4);
		out = Put(out, model->depths[i], 4);
	}
	for (int i = 0; i < model->nodeCount; i++)
	{
		out = PutDouble(out, model->nodes[i].value);
		out = Put(out, model->nodes[i].left, 4);
		out = Put(out, model->nodes[i].column, 2);
		out = Put(out, model->nodes[i].step, 1);
	}
	return packed;
}

/* Complain about bytes that are no model. */
pg_noreturn static void
ReportDamage(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a model of table personalize.model is damaged"),
			 errdetail("%s", detail),
			 errhint("Import it again with personalize.import_model().")));
}

/* Read the header; false unless the bytes are as many as it says. */
static bool
ReadHeader(TreeModel *model, const uint8 **in, Size size)
{
	if (size < HEADER_BYTES || Get(in, 1) != FORMAT_VERSION)
		return false;
	model->singleSum = Get(in, 1) != 0;
	model->transform = Get(in, 1);
	model->steepness = GetDouble(in);
	model->base = GetDouble(in);
	model->scale = GetDouble(in);
	model->featureCount = Get(in, 2);
	model->columnCount = Get(in, 2);
	model->wordCount = Get(in, 4);
	model->treeCount = Get(in, 4);
	model->nodeCount = Get(in, 4);
	return model->featureCount <= TREE_MODEL_MAX_FEATURES &&
		model->wordCount >= 0 &&
		model->treeCount >= 0 && model->treeCount <= TREE_MODEL_MAX_TREES &&
		model->nodeCount >= 0 && model->nodeCount <= TREE_MODEL_MAX_NODES &&
		size == HEADER_BYTES + BodyBytes(model);
}

/* True if a column keeps to the features and sets. */
static bool
ColumnIsSound(const TreeModel *model, const TreeColumn *column)
{
	bool		isSet = column->treatment == TREE_IN_SET || column->treatment == TREE_IN_SET_OR_MISSING;

	if (column->feature >= model->featureCount || column->treatment > TREE_IN_SET_OR_MISSING)
		return false;
	return !isSet || (column->set >= 1 && column->set <= model->wordCount &&
					  model->words[column->set - 1] <= (uint32) (model->wordCount - column->set));
}

/* Read columns and sets; false if one leads out of them. */
static bool
ReadColumns(TreeModel *model, const uint8 **in)
{
	model->columns = palloc(Max(model->columnCount, 1) * sizeof(TreeColumn));
	model->words = palloc(Max(model->wordCount, 1) * sizeof(uint32));
	for (int i = 0; i < model->columnCount; i++)
	{
		model->columns[i].feature = Get(in, 2);
		model->columns[i].treatment = Get(in, 1);
		model->columns[i].missingLeft = Get(in, 1) != 0;
		model->columns[i].set = (int32) Get(in, 4);
	}
	for (int i = 0; i < model->wordCount; i++)
		model->words[i] = Get(in, 4);
	for (int i = 0; i < model->columnCount; i++)
		if (!ColumnIsSound(model, &model->columns[i]))
			return false;
	return true;
}

/* Read trees and nodes; false if one leads out of them. */
static bool
ReadTrees(TreeModel *model, const uint8 **in)
{
	model->roots = palloc(Max(model->treeCount, 1) * sizeof(int32));
	model->depths = palloc(Max(model->treeCount, 1) * sizeof(int32));
	model->nodes = MemoryContextAllocHuge(CurrentMemoryContext, Max(model->nodeCount, 1) * sizeof(TreeNode));
	for (int i = 0; i < model->treeCount; i++)
	{
		model->roots[i] = (int32) Get(in, 4);
		model->depths[i] = (int32) Get(in, 4);
		if (model->roots[i] < 0 || model->roots[i] >= model->nodeCount || model->depths[i] > TREE_MODEL_MAX_DEPTH)
			return false;
	}
	for (int i = 0; i < model->nodeCount; i++)
	{
		TreeNode   *node = &model->nodes[i];

		node->value = GetDouble(in);
		node->left = (int32) Get(in, 4);
		node->column = Get(in, 2);
		node->step = Get(in, 1) != 0;
		if (node->left < 0 || node->left >= model->nodeCount - node->step ||
			node->column >= Max(model->columnCount, 1))
			return false;
	}
	return true;
}

/* A model from bytes. */
TreeModel *
TreeModelUnpack(const bytea *packed)
{
	TreeModel  *model = palloc0(sizeof(TreeModel));
	const uint8 *in = (const uint8 *) VARDATA_ANY(packed);

	if (!ReadHeader(model, &in, VARSIZE_ANY_EXHDR(packed)))
		ReportDamage("Its header does not fit its length, or is of another version.");
	if (!ReadColumns(model, &in))
		ReportDamage("A comparison names a feature or a set of categories that there is not.");
	if (!ReadTrees(model, &in))
		ReportDamage("A node leads out of its model.");
	return model;
}
