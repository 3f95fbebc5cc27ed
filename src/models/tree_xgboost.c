/*
 * tree_xgboost.c
 *		Reads XGBoost's JSON format (Booster.save_model), as versions 1.3 and later write it.
 *
 * Features and sums are of single precision; a feature below the condition goes left
 * (include/xgboost/tree_model.h), a category in the set goes right
 * (src/common/categorical.h).  The base score is kept as a prediction and is brought back
 * to what leaves add to.
 */
#include "postgres.h"

#include "models/tree_model.h"

#include <math.h>

#include "base/json_member.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

/* What the objectives make of a sum. */
static const struct
{
	const char *name;			/* a prefix if it ends with ":" */
	TreeTransform transform;
}			objectives[] = {
	{"binary:logistic", TREE_SIGMOID},
	{"binary:logitraw", TREE_IDENTITY},
	{"reg:logistic", TREE_SIGMOID},
	{"reg:gamma", TREE_EXPONENTIAL},
	{"reg:tweedie", TREE_EXPONENTIAL},
	{"count:poisson", TREE_EXPONENTIAL},
	{"survival:cox", TREE_EXPONENTIAL},
	{"reg:", TREE_IDENTITY},
	{"rank:", TREE_IDENTITY}
};

/* Give a member, which must be there; the place is that of the object. */
static JsonbValue
Member(JsonbContainer *object, const char *name, const char *place)
{
	JsonbValue	value;

	if (!JsonMember(object, name, &value))
		TreeModelRefuse(place, "it has no member \"%s\"", name);
	return value;
}

/* The same for an object or an array. */
static JsonbContainer *
Container(JsonbContainer *object, const char *name, bool array, const char *place)
{
	JsonbValue	value = Member(object, name, place);

	if (value.type != jbvBinary || JsonContainerIsArray(value.val.binary.data) != array)
		TreeModelRefuse(place, "member \"%s\" is no %s", name, array ? "array" : "object");
	return value.val.binary.data;
}

/*
 * The document as JSON has it: XGBoost also writes NaN and Infinity, which become null and a
 * number that no double holds.
 */
static char *
StrictJson(const char *content)
{
	StringInfoData strict;
	bool		inString = false;

	initStringInfo(&strict);
	for (const char *at = content; *at != '\0'; at++)
	{
		if (inString && *at == '\\' && at[1] != '\0')
			appendStringInfoChar(&strict, *at++);
		else if (*at == '"')
			inString = !inString;
		else if (!inString && (*at == 'N' || *at == 'I'))
		{
			bool		isNaN = *at == 'N';
			const char *name = isNaN ? "NaN" : "Infinity";

			if (strncmp(at, name, strlen(name)) == 0)
			{
				appendStringInfoString(&strict, isNaN ? "null" : "1e999");
				at += strlen(name) - 1;
				continue;
			}
		}
		appendStringInfoChar(&strict, *at);
	}
	return strict.data;
}

/* A number, which may be in a string and in brackets, as some versions have it; null is NaN. */
static double
Number(const JsonbValue *value, const char *name, const char *place)
{
	char	   *text;
	char	   *end;
	double		number;

	if (value->type == jbvNull)
		return NAN;
	if (value->type == jbvNumeric)
		text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvString)
		text = pnstrdup(value->val.string.val, value->val.string.len);
	else if (value->type == jbvBool)
		text = pstrdup(value->val.boolean ? "1" : "0");
	else
		TreeModelRefuse(place, "member \"%s\" is no number", name);
	number = strtod(text[0] == '[' ? text + 1 : text, &end);
	if (end == text || (*end != '\0' && strcmp(end, "]") != 0) || isnan(number))
		TreeModelRefuse(place, "member \"%s\" is \"%.40s\", which is no number", name, text);
	pfree(text);
	return number;
}

/* A whole number within bounds. */
static int
WholeNumber(const JsonbValue *value, double lowest, double highest, const char *name, const char *place)
{
	double		number = Number(value, name, place);

	if (!(number >= lowest && number <= highest) || number != floor(number))
		TreeModelRefuse(place, "member \"%s\" is %g, which is no whole number from %.0f to %.0f",
						name, number, lowest, highest);
	return (int) number;
}

/* A member that is an array of numbers; *count is how many, or -1 if any number is right. */
static double *
Numbers(JsonbContainer *object, const char *name, int *count, const char *place)
{
	JsonbContainer *array = Container(object, name, true, place);
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;
	double	   *numbers;
	int			i = 0;

	if (*count >= 0 && *count != JsonContainerSize(array))
		TreeModelRefuse(place, "member \"%s\" has %u numbers, not %d", name, JsonContainerSize(array), *count);
	*count = JsonContainerSize(array);
	numbers = palloc(mul_size(Max(*count, 1), sizeof(double)));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			numbers[i++] = Number(&value, name, place);
	return numbers;
}

/* The same for whole numbers within bounds. */
static int *
WholeNumbers(JsonbContainer *object, const char *name, int *count, double lowest, double highest, const char *place)
{
	double	   *numbers = Numbers(object, name, count, place);
	int		   *integers = palloc(mul_size(Max(*count, 1), sizeof(int)));

	for (int i = 0; i < *count; i++)
	{
		if (!(numbers[i] >= lowest && numbers[i] <= highest) || numbers[i] != floor(numbers[i]))
			TreeModelRefuse(place, "member \"%s\" has %g, which is no whole number from %.0f to %.0f",
							name, numbers[i], lowest, highest);
		integers[i] = (int) numbers[i];
	}
	pfree(numbers);
	return integers;
}

/* The sets of categories of a tree: which nodes have one, and where. */
typedef struct Categories
{
	int			count;			/* of the nodes that have a set */
	int		   *ofNode;			/* which set a node has; -1: none */
	int		   *segments;
	int		   *sizes;
	int			valueCount;
	int		   *values;
} Categories;

/* Read the sets of a tree of so many nodes; older versions write none. */
static void
ReadCategories(Categories *sets, JsonbContainer *tree, int nodeCount, const char *place)
{
	JsonbValue	value;
	int		   *nodes;

	memset(sets, 0, sizeof(Categories));
	sets->ofNode = palloc(mul_size(nodeCount, sizeof(int)));
	for (int i = 0; i < nodeCount; i++)
		sets->ofNode[i] = -1;
	if (!JsonMember(tree, "categories_nodes", &value))
		return;
	sets->count = -1;
	nodes = WholeNumbers(tree, "categories_nodes", &sets->count, 0, nodeCount - 1, place);
	for (int i = 0; i < sets->count; i++)
		sets->ofNode[nodes[i]] = i;
	pfree(nodes);
	sets->segments = WholeNumbers(tree, "categories_segments", &sets->count, 0, INT_MAX, place);
	sets->sizes = WholeNumbers(tree, "categories_sizes", &sets->count, 0, INT_MAX, place);
	sets->valueCount = -1;
	sets->values = WholeNumbers(tree, "categories", &sets->valueCount, 0, 1 << 24, place);
}

/* Give a node its set. */
static void
TakeCategories(TreeFileNode *node, int number, const Categories *sets, const char *place)
{
	int			highest = 0;
	int			i = sets->ofNode[number];
	uint32	   *words;

	if (i < 0)
		TreeModelRefuse(place, "node %d splits by categories and is not in categories_nodes", number);
	if ((int64) sets->segments[i] + sets->sizes[i] > sets->valueCount)
		TreeModelRefuse(place, "the categories of node %d lead out of categories", number);
	for (int j = 0; j < sets->sizes[i]; j++)
		highest = Max(highest, sets->values[sets->segments[i] + j]);
	node->setWords = highest / 32 + 1;
	words = palloc0(node->setWords * sizeof(uint32));
	for (int j = 0; j < sets->sizes[i]; j++)
	{
		int			category = sets->values[sets->segments[i] + j];

		words[category / 32] |= (uint32) 1 << (category % 32);
	}
	node->set = words;
	node->treatment = TREE_IN_SET_OR_MISSING;
	node->value = 0.5;
}

/* The largest number below one of single precision: what is below the latter is at most that. */
static double
Below(double condition)
{
	return nextafterf((float) condition, -INFINITY);
}

/* Add a tree; the leaves are multiplied with weight. */
static void
AddTree(TreeBuilder *builder, JsonbContainer *tree, float weight, const char *place)
{
	JsonbContainer *param = Container(tree, "tree_param", false, place);
	JsonbValue	value = Member(param, "num_nodes", place);
	int			count = WholeNumber(&value, 1, TREE_MODEL_MAX_NODES, "num_nodes", place);
	int		   *left = WholeNumbers(tree, "left_children", &count, -1, count - 1, place);
	int		   *right = WholeNumbers(tree, "right_children", &count, -1, count - 1, place);
	int		   *features = WholeNumbers(tree, "split_indices", &count, 0, INT_MAX, place);
	double	   *conditions = Numbers(tree, "split_conditions", &count, place);
	int		   *defaults = WholeNumbers(tree, "default_left", &count, 0, 1, place);
	int		   *types = JsonMember(tree, "split_type", &value) ?
		WholeNumbers(tree, "split_type", &count, 0, 1, place) : palloc0(count * sizeof(int));
	TreeFileNode *nodes = palloc0(mul_size(count, sizeof(TreeFileNode)));
	Categories	sets;

	if (JsonMember(param, "size_leaf_vector", &value) && WholeNumber(&value, 0, INT_MAX, "size_leaf_vector", place) > 1)
		TreeModelRefuse(place, "its leaves have several values, which are not supported");
	ReadCategories(&sets, tree, count, place);
	for (int i = 0; i < count; i++)
	{
		nodes[i] = (TreeFileNode)
		{
			.isLeaf = left[i] == -1,
			.value = left[i] == -1 ? (float) conditions[i] * weight : Below(conditions[i]),
			.left = left[i],
			.right = right[i],
			.feature = features[i],
			.treatment = TREE_SINGLE,
			.missingLeft = defaults[i] != 0
		};
		if (left[i] != -1 && types[i] == 1)
			TakeCategories(&nodes[i], i, &sets, place);
	}
	TreeBuilderAdd(builder, nodes, count);
}

/* Add the trees of a booster; weights: of dart, or NULL. */
static void
AddTrees(TreeBuilder *builder, JsonbContainer *booster, const double *weights, int weightCount)
{
	JsonbContainer *model = Container(booster, "model", false, "gradient_booster");
	JsonbContainer *trees = Container(model, "trees", true, "gradient_booster.model");
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "tree of a model", ALLOCSET_DEFAULT_SIZES);
	JsonbIterator *iterator = JsonbIteratorInit(trees);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			number = 0;

	if (weights && weightCount != JsonContainerSize(trees))
		TreeModelRefuse("gradient_booster.weight_drop", "it has %d weights for %u trees", weightCount, JsonContainerSize(trees));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		MemoryContext old;
		const char *place;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		old = MemoryContextSwitchTo(context);
		place = psprintf("gradient_booster.model.trees[%d]", number);
		if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			TreeModelRefuse(place, "it is no object");
		AddTree(builder, value.val.binary.data, weights ? weights[number] : 1, place);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		number++;
	}
	MemoryContextDelete(context);
}

/* What becomes of the sum. */
static void
ReadObjective(TreeModel *model, JsonbContainer *learner)
{
	JsonbContainer *objective = Container(learner, "objective", false, "learner");
	JsonbValue	value = Member(objective, "name", "learner.objective");
	char	   *name;

	if (value.type != jbvString)
		TreeModelRefuse("learner.objective", "member \"name\" is no string");
	name = pnstrdup(value.val.string.val, value.val.string.len);
	for (int i = 0; i < lengthof(objectives); i++)
	{
		const char *known = objectives[i].name;
		bool		prefix = known[strlen(known) - 1] == ':';

		if (prefix ? strncmp(name, known, strlen(known)) == 0 : strcmp(name, known) == 0)
		{
			model->transform = objectives[i].transform;
			return;
		}
	}
	TreeModelRefuse("learner.objective", "objective \"%.60s\" is not supported: it must give one number", name);
}

/* The base score before the transformation, and what says how many numbers are predicted. */
static void
ReadLearner(TreeModel *model, JsonbContainer *param)
{
	const char *place = "learner.learner_model_param";
	JsonbValue	value;
	float		base;

	if (JsonMember(param, "num_class", &value) && WholeNumber(&value, 0, INT_MAX, "num_class", place) > 1)
		TreeModelRefuse(place, "a model of several classes gives no one score");
	if (JsonMember(param, "num_target", &value) && WholeNumber(&value, 0, INT_MAX, "num_target", place) > 1)
		TreeModelRefuse(place, "a model of several targets gives no one score");
	value = Member(param, "base_score", place);
	base = Number(&value, "base_score", place);
	if (model->transform == TREE_SIGMOID)
		base = -logf(1.0f / base - 1.0f);
	else if (model->transform == TREE_EXPONENTIAL)
		base = logf(base);
	if (isnan(base) || isinf(base))
		TreeModelRefuse(place, "member \"base_score\" is %g, which its objective does not allow",
						Number(&value, "base_score", place));
	model->base = base;
}

/* Read the names of the features, if there are any. */
static List *
ReadFeatures(JsonbContainer *learner, int count)
{
	List	   *names = NIL;
	JsonbValue	value;
	JsonbIterator *iterator;
	JsonbIteratorToken token;

	if (!JsonMember(learner, "feature_names", &value))
		return NIL;
	iterator = JsonbIteratorInit(Container(learner, "feature_names", true, "learner"));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvString)
			TreeModelRefuse("learner.feature_names", "name %d is no string", list_length(names) + 1);
		names = lappend(names, pnstrdup(value.val.string.val, value.val.string.len));
	}
	if (names != NIL && list_length(names) != count)
		TreeModelRefuse("learner.feature_names", "it has %d names for %d features", list_length(names), count);
	return names;
}

/* The booster that has the trees, and the weights that dart gives them. */
static JsonbContainer *
FindBooster(JsonbContainer *learner, double **weights, int *weightCount)
{
	JsonbContainer *booster = Container(learner, "gradient_booster", false, "learner");
	JsonbValue	value = Member(booster, "name", "gradient_booster");
	char	   *name = value.type == jbvString ? pnstrdup(value.val.string.val, value.val.string.len) : "";

	*weights = NULL;
	*weightCount = -1;
	if (strcmp(name, "gbtree") == 0)
		return booster;
	if (strcmp(name, "dart") != 0)
		TreeModelRefuse("gradient_booster", "booster \"%.60s\" is not supported: it must be gbtree or dart", name);
	*weights = Numbers(booster, "weight_drop", weightCount, "gradient_booster");
	return Container(booster, "gbtree", false, "gradient_booster");
}

/* Read a model. */
TreeModel *
TreeXgboostRead(const char *content, List **features)
{
	Jsonb	   *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(StrictJson(content))));
	JsonbContainer *learner;
	JsonbContainer *param;
	JsonbContainer *booster;
	JsonbValue	value;
	TreeBuilder *builder;
	double	   *weights;
	int			weightCount;
	int			featureCount;

	if (!JsonContainerIsObject(&json->root))
		TreeModelRefuse("the document", "it is no object");
	learner = Container(&json->root, "learner", false, "the document");
	param = Container(learner, "learner_model_param", false, "learner");
	value = Member(param, "num_feature", "learner.learner_model_param");
	featureCount = WholeNumber(&value, 1, TREE_MODEL_MAX_FEATURES, "num_feature", "learner.learner_model_param");
	builder = TreeBuilderBegin(featureCount);
	TreeBuilderEnd(builder)->singleSum = true;
	ReadObjective(TreeBuilderEnd(builder), learner);
	ReadLearner(TreeBuilderEnd(builder), param);
	*features = ReadFeatures(learner, featureCount);
	booster = FindBooster(learner, &weights, &weightCount);
	AddTrees(builder, booster, weights, weightCount);
	return TreeBuilderEnd(builder);
}
