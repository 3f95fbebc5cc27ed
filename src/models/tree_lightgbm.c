/*
 * tree_lightgbm.c
 *		Reads LightGBM's text format (Booster.save_model), as versions 2 to 4 write it.
 *
 * Lines "key=value": a header, then a block "Tree=<n>" each, then "end of trees".
 * Decisions are LightGBM's (src/io/tree.cpp, include/LightGBM/tree.h): a feature at most
 * the threshold goes left; what is missing, and where it goes, is in decision_type;
 * categories in the set go left.
 */
#include "postgres.h"

#include "models/tree_model.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

/* Bits of decision_type. */
#define DECISION_CATEGORICAL 1
#define DECISION_DEFAULT_LEFT 2
#define DECISION_MISSING(type) (((type) >> 2) & 3)
#define MISSING_NONE 0
#define MISSING_ZERO 1

/* A line's key and value; they end with a NUL. */
typedef struct FileLine
{
	char	   *key;
	char	   *value;			/* NULL: no "=" */
} FileLine;

/* The file, line by line. */
typedef struct LineFile
{
	char	   *next;			/* NULL: the end */
	int			number;			/* of the line at hand, from 1 */
} LineFile;

/* What a tree's block has. */
typedef struct TreeBlock
{
	int			leaves;
	int			categorical;
	char	   *splitFeature;
	char	   *threshold;
	char	   *decisionType;
	char	   *leftChild;
	char	   *rightChild;
	char	   *leafValue;
	char	   *boundaries;
	char	   *categories;
	char	   *isLinear;
} TreeBlock;

/* The line at hand, in words. */
static const char *
Place(const LineFile *file)
{
	return psprintf("line %d", file->number);
}

/* Go to the next line; false at the end. */
static bool
NextLine(LineFile *file, FileLine *line)
{
	char	   *end;
	char	   *equals;

	if (file->next == NULL || *file->next == '\0')
		return false;
	line->key = file->next;
	end = strchr(line->key, '\n');
	file->next = end ? end + 1 : NULL;
	file->number++;
	if (end == NULL)
		end = line->key + strlen(line->key);
	if (end > line->key && end[-1] == '\r')
		end--;
	*end = '\0';
	equals = strchr(line->key, '=');
	line->value = equals ? equals + 1 : NULL;
	if (equals)
		*equals = '\0';
	return true;
}

/* Read a list of numbers, exactly so many; what names it in errors. */
static double *
ReadNumbers(const char *list, int count, const char *what, const char *place)
{
	double	   *numbers = palloc(mul_size(Max(count, 1), sizeof(double)));
	const char *at = list;

	if (list == NULL)
		TreeModelRefuse(place, "%s is missing", what);
	for (int i = 0; i < count; i++)
	{
		char	   *end;

		numbers[i] = strtod(at, &end);
		if (end == at || (*end != ' ' && *end != '\0'))
			TreeModelRefuse(place, "%s has \"%.40s\" where number %d of %d is expected", what, at, i + 1, count);
		at = end;
		while (*at == ' ')
			at++;
	}
	if (*at != '\0')
		TreeModelRefuse(place, "%s has more than %d numbers", what, count);
	return numbers;
}

/* The same for whole numbers in a range. */
static int64 *
ReadIntegers(const char *list, int count, int64 lowest, int64 highest, const char *what, const char *place)
{
	double	   *numbers = ReadNumbers(list, count, what, place);
	int64	   *integers = palloc(mul_size(Max(count, 1), sizeof(int64)));

	for (int i = 0; i < count; i++)
	{
		if (!(numbers[i] >= lowest && numbers[i] <= highest) || numbers[i] != floor(numbers[i]))
			TreeModelRefuse(place, "%s has %g, which is no whole number from " INT64_FORMAT " to " INT64_FORMAT,
							what, numbers[i], lowest, highest);
		integers[i] = (int64) numbers[i];
	}
	pfree(numbers);
	return integers;
}

/* One whole number. */
static int
ReadInteger(const char *value, int lowest, int highest, const char *what, const char *place)
{
	return ReadIntegers(value, 1, lowest, highest, what, place)[0];
}

/* What becomes of the sum, by the line objective. */
static void
ReadObjective(TreeModel *model, const char *objective, const char *place)
{
	const char *end = strchr(objective, ' ');
	int			length = end ? end - objective : strlen(objective);
	const char *sigmoid = strstr(objective, "sigmoid:");

#define IS(name) (length == strlen(name) && strncmp(objective, name, length) == 0)
	if (IS("binary") || IS("cross_entropy"))
	{
		model->transform = TREE_SIGMOID;
		if (sigmoid)
			model->steepness = strtod(sigmoid + strlen("sigmoid:"), NULL);
		if (!(model->steepness > 0) || isinf(model->steepness))
			TreeModelRefuse(place, "objective has a sigmoid that is not above 0");
	}
	else if (IS("poisson") || IS("gamma") || IS("tweedie"))
		model->transform = TREE_EXPONENTIAL;
	else if (IS("cross_entropy_lambda"))
		model->transform = TREE_LOG_EXPONENTIAL;
	else if (IS("regression") && strstr(objective, " sqrt"))
		model->transform = TREE_SQUARE;
	else if (!(IS("lambdarank") || IS("rank_xendcg") || IS("regression") || IS("regression_l1") ||
			   IS("huber") || IS("fair") || IS("quantile") || IS("mape") || IS("custom")))
		TreeModelRefuse(place, "objective \"%.60s\" is not supported: it must give one number", objective);
#undef IS
}

/* Read the names of the features. */
static List *
ReadFeatures(char *value, int count, const char *place)
{
	List	   *names = NIL;
	char	   *save;

	for (char *name = strtok_r(value, " ", &save); name; name = strtok_r(NULL, " ", &save))
		names = lappend(names, pstrdup(name));
	if (list_length(names) != count)
		TreeModelRefuse(place, "feature_names has %d names for %d features", list_length(names), count);
	return names;
}

/* What the header says of the model. */
typedef struct Header
{
	int			features;		/* 0: not said yet */
	char	   *names;
	const char *namesPlace;
	char	   *objective;
	const char *objectivePlace;
	bool		average;
} Header;

/* Take a line of the header. */
static void
ReadHeaderLine(Header *header, const FileLine *line, const char *place)
{
	if (strcmp(line->key, "average_output") == 0)
		header->average = true;
	if (line->value == NULL)
		return;
	if (strcmp(line->key, "num_class") == 0 || strcmp(line->key, "num_tree_per_iteration") == 0)
	{
		if (ReadInteger(line->value, 1, 1000000, line->key, place) != 1)
			TreeModelRefuse(place, "%s is %s: a model of several classes gives no one score", line->key, line->value);
	}
	else if (strcmp(line->key, "max_feature_idx") == 0)
		header->features = ReadInteger(line->value, 0, TREE_MODEL_MAX_FEATURES - 1, line->key, place) + 1;
	else if (strcmp(line->key, "feature_names") == 0)
	{
		header->names = line->value;
		header->namesPlace = place;
	}
	else if (strcmp(line->key, "objective") == 0)
	{
		header->objective = line->value;
		header->objectivePlace = place;
	}
}

/* Take a line of a tree. */
static void
ReadBlockLine(TreeBlock *block, const FileLine *line, const char *place)
{
	static const struct
	{
		const char *key;
		size_t		offset;
	}			lists[] = {
		{"split_feature", offsetof(TreeBlock, splitFeature)},
		{"threshold", offsetof(TreeBlock, threshold)},
		{"decision_type", offsetof(TreeBlock, decisionType)},
		{"left_child", offsetof(TreeBlock, leftChild)},
		{"right_child", offsetof(TreeBlock, rightChild)},
		{"leaf_value", offsetof(TreeBlock, leafValue)},
		{"cat_boundaries", offsetof(TreeBlock, boundaries)},
		{"cat_threshold", offsetof(TreeBlock, categories)},
		{"is_linear", offsetof(TreeBlock, isLinear)}
	};

	if (line->value == NULL)
		return;
	if (strcmp(line->key, "num_leaves") == 0)
		block->leaves = ReadInteger(line->value, 1, TREE_MODEL_MAX_NODES / 2, line->key, place);
	else if (strcmp(line->key, "num_cat") == 0)
		block->categorical = ReadInteger(line->value, 0, TREE_MODEL_MAX_NODES, line->key, place);
	for (int i = 0; i < lengthof(lists); i++)
		if (strcmp(line->key, lists[i].key) == 0)
			*(char **) ((char *) block + lists[i].offset) = line->value;
}

/* The number of a child in our count: leaves, which are negative, come after the splits. */
static int
Child(int64 child, int splits)
{
	return child >= 0 ? (int) child : splits + (int) (-child - 1);
}

/* The sets of categories of a tree. */
typedef struct Sets
{
	int			count;
	int64	   *bounds;			/* of each set among the words, and the end */
	uint32	   *words;
} Sets;

/* Read the sets of a tree. */
static void
ReadSets(Sets *sets, const TreeBlock *block, const char *place)
{
	int64	   *words;

	sets->count = block->categorical;
	sets->bounds = ReadIntegers(block->boundaries, sets->count + 1, 0, TREE_MODEL_MAX_NODES, "cat_boundaries", place);
	for (int i = 0; i < sets->count; i++)
		if (sets->bounds[i] > sets->bounds[i + 1])
			TreeModelRefuse(place, "cat_boundaries do not ascend");
	words = ReadIntegers(block->categories, sets->bounds[sets->count], 0, PG_UINT32_MAX, "cat_threshold", place);
	sets->words = palloc(mul_size(Max(sets->bounds[sets->count], 1), sizeof(uint32)));
	for (int i = 0; i < sets->bounds[sets->count]; i++)
		sets->words[i] = words[i];
	pfree(words);
}

/* Give a split the set that its threshold is the number of. */
static void
TakeSet(TreeFileNode *node, const Sets *sets, const char *place)
{
	int64		index = node->value >= 0 && node->value < sets->count ? (int64) node->value : -1;

	if (index < 0)
		TreeModelRefuse(place, "threshold %g names none of %d sets of categories", node->value, sets->count);
	node->setWords = sets->bounds[index + 1] - sets->bounds[index];
	node->set = sets->words + sets->bounds[index];
	node->treatment = TREE_IN_SET;
	node->value = 0.5;
	node->missingLeft = false;
}

/* Fill the splits of a tree. */
static void
ReadSplits(TreeFileNode *nodes, const TreeBlock *block, const char *place)
{
	int			splits = block->leaves - 1;
	int64	   *features = ReadIntegers(block->splitFeature, splits, 0, INT_MAX, "split_feature", place);
	double	   *thresholds = ReadNumbers(block->threshold, splits, "threshold", place);
	int64	   *types = ReadIntegers(block->decisionType, splits, 0, 15, "decision_type", place);
	int64	   *left = ReadIntegers(block->leftChild, splits, -block->leaves, splits - 1, "left_child", place);
	int64	   *right = ReadIntegers(block->rightChild, splits, -block->leaves, splits - 1, "right_child", place);
	Sets		sets = {0};

	if (block->categorical > 0)
		ReadSets(&sets, block, place);
	for (int i = 0; i < splits; i++)
	{
		int			missing = DECISION_MISSING(types[i]);

		nodes[i] = (TreeFileNode)
		{
			.value = thresholds[i],
			.left = Child(left[i], splits),
			.right = Child(right[i], splits),
			.feature = features[i],
			.treatment = missing == MISSING_NONE ? TREE_MISSING_IS_ZERO :
				missing == MISSING_ZERO ? TREE_ZERO_IS_MISSING : TREE_AS_GIVEN,
			.missingLeft = (types[i] & DECISION_DEFAULT_LEFT) != 0
		};
		if (types[i] & DECISION_CATEGORICAL)
			TakeSet(&nodes[i], &sets, place);
	}
}

/* Add a tree whose block is complete. */
static void
AddBlock(TreeBuilder *builder, const TreeBlock *block, const char *place)
{
	int			splits = block->leaves - 1;
	TreeFileNode *nodes;
	double	   *leaves;

	if (block->leaves == 0)
		TreeModelRefuse(place, "num_leaves is missing");
	if (block->isLinear && strcmp(block->isLinear, "0") != 0)
		TreeModelRefuse(place, "its leaves are linear models (linear_tree), which are not supported");
	nodes = palloc0(mul_size(splits + block->leaves, sizeof(TreeFileNode)));
	leaves = ReadNumbers(block->leafValue, block->leaves, "leaf_value", place);
	if (splits > 0)
		ReadSplits(nodes, block, place);
	for (int i = 0; i < block->leaves; i++)
		nodes[splits + i] = (TreeFileNode)
	{
		.isLeaf = true,.value = leaves[i]
	};
	TreeBuilderAdd(builder, nodes, splits + block->leaves);
}

/* Begin the model that the header tells of. */
static TreeBuilder *
BeginModel(Header *header, List **features, const char *place)
{
	TreeBuilder *builder;

	if (header->features == 0)
		TreeModelRefuse(place, "max_feature_idx is missing");
	builder = TreeBuilderBegin(header->features);
	*features = header->names ? ReadFeatures(header->names, header->features, header->namesPlace) : NIL;
	if (header->objective)
		ReadObjective(TreeBuilderEnd(builder), header->objective, header->objectivePlace);
	return builder;
}

/* Read a model. */
TreeModel *
TreeLightgbmRead(const char *content, List **features)
{
	LineFile		file = {.next = pstrdup(content)};
	FileLine		line;
	Header		header = {0};
	TreeBlock		block = {0};
	const char *blockPlace = NULL;
	TreeBuilder *builder = NULL;
	TreeModel  *model;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "tree of a model", ALLOCSET_DEFAULT_SIZES);

	if (!NextLine(&file, &line) || strcmp(line.key, "tree") != 0)
		TreeModelRefuse("line 1", "a LightGBM model begins with the line \"tree\"");
	for (;;)
	{
		bool		more = NextLine(&file, &line);
		bool		isTree = more && strcmp(line.key, "Tree") == 0 && line.value != NULL;
		bool		isEnd = more && strcmp(line.key, "end of trees") == 0;

		CHECK_FOR_INTERRUPTS();
		if (!more)
			TreeModelRefuse(Place(&file), "the file ends before \"end of trees\"");
		if ((isTree || isEnd) && builder == NULL)
			builder = BeginModel(&header, features, Place(&file));
		if ((isTree || isEnd) && blockPlace != NULL)
		{
			/* the lists of a tree are gone once it is added, and the arrays stay where they are */
			MemoryContext old = MemoryContextSwitchTo(context);

			AddBlock(builder, &block, blockPlace);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		if (isEnd)
			break;
		if (isTree)
		{
			block = (TreeBlock)
			{
				0
			};
			blockPlace = psprintf("tree %s, which begins in line %d", line.value, file.number);
		}
		else if (builder == NULL)
			ReadHeaderLine(&header, &line, Place(&file));
		else
			ReadBlockLine(&block, &line, blockPlace);
	}
	model = TreeBuilderEnd(builder);
	if (header.average && model->treeCount > 0)
		model->scale = 1.0 / model->treeCount;
	MemoryContextDelete(context);
	return model;
}
