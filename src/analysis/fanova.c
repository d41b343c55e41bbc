/* analysis: fANOVA. A tree cuts the space into boxes; the mean over all other parameters, as a
 * function of one, has a variance, and its part of the tree's whole variance is that parameter's
 * importance (Hutter et al. 2014, sections 3.2 and 4.1). Thread: any, no state. */
#include "analysis/analysis_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct encoding {
    int *column; /* [param_count] the first one; -1: the parameter is not used */
    double *x;   /* [features, rows] */
    int *by_value;
    rlt_table01 table;
} encoding;

/* A tree's leaves, each with its part of the whole space. */
typedef struct weighed {
    rlt_leaves leaves;
    double *part;
    double mean, variance;
} weighed;

static double scaled(const rlt_analysis_param *param, double x, bool log_scale) {
    bool log_x = param->log && log_scale;
    double low = log_x ? log(param->low) : param->low,
           high = log_x ? log(param->high) : param->high;
    double at = ((log_x ? log(x) : x) - low) / (high - low);
    return fmin(fmax(at, 0), 1);
}

static bool is_in_all(const rlt_analysis_data *data, const int *kept, int count, int param) {
    for (int i = 0; i < count; i++) {
        if (isnan(data->x[(size_t)kept[i] * (size_t)data->param_count + (size_t)param])) {
            return false;
        }
    }
    return true;
}

typedef struct placed {
    double x;
    int row;
} placed;

static int compare_placed(const void *a, const void *b) {
    const placed *left = a, *right = b;
    return left->x != right->x ? (left->x > right->x) - (left->x < right->x)
                               : left->row - right->row;
}

static void order_rows(const double *x, int count, int *by_value) {
    placed *list = rlt_alloc(sizeof *list * (size_t)count);
    for (int i = 0; i < count; i++) {
        list[i] = (placed){x[i], i};
    }
    qsort(list, (size_t)count, sizeof *list, compare_placed);
    for (int i = 0; i < count; i++) {
        by_value[i] = list[i].row;
    }
    rlt_free(list);
}

static void add_feature(const rlt_analysis_data *data, const int *kept, int param, bool log_scale,
                        encoding *made) {
    const rlt_analysis_param *p = &data->params[param];
    rlt_table01 *table = &made->table;
    size_t place = (size_t)table->feature_count * (size_t)table->rows;
    double *x = made->x + place;
    for (int i = 0; i < table->rows; i++) {
        double value = data->x[(size_t)kept[i] * (size_t)data->param_count + (size_t)param];
        bool known = value >= 0 && value < p->choices;
        x[i] = p->choices == 0 ? scaled(p, value, log_scale) : known ? floor(value) : -1;
    }
    if (p->choices == 0) {
        order_rows(x, table->rows, made->by_value + place);
    }
    made->column[param] = table->columns;
    table->features[table->feature_count++] =
        (rlt_feature){x, made->by_value + place, p->choices, table->columns};
    table->columns += p->choices > 0 ? p->choices : 1;
}

static void encode(const rlt_analysis_data *data, const int *kept, int count, bool log_scale,
                   encoding *made, rlt_importance *out) {
    size_t width = (size_t)data->param_count, cells = width * (size_t)count;
    made->column = rlt_alloc(sizeof(int) * width);
    made->x = rlt_alloc(sizeof(double) * cells);
    made->by_value = rlt_alloc(sizeof(int) * cells);
    made->table = (rlt_table01){.rows = count};
    made->table.features = rlt_alloc(sizeof(rlt_feature) * width);
    made->table.y = rlt_alloc(sizeof(double) * (size_t)count);
    for (int j = 0; j < data->param_count; j++) {
        const rlt_analysis_param *param = &data->params[j];
        bool fits = is_in_all(data, kept, count, j) && !rlt_param_has_too_many(param);
        out[j] = (rlt_importance){.param = j, .left_out = !fits};
        made->column[j] = -1;
        if (fits && !rlt_param_is_single(param)) {
            add_feature(data, kept, j, log_scale, made);
        }
    }
    double largest = 0, mean = 0; /* importances are parts: a unit in which no square overflows */
    for (int i = 0; i < count; i++) {
        largest = fmax(largest, fabs(data->values[kept[i]]));
    }
    for (int i = 0; i < count; i++) {
        mean += data->values[kept[i]] / largest / count;
    }
    for (int i = 0; i < count; i++) {
        made->table.y[i] = data->values[kept[i]] / largest - mean;
    }
}

static void weigh(weighed *tree) {
    const rlt_leaves *leaves = &tree->leaves;
    tree->part = rlt_alloc(sizeof(double) * (size_t)leaves->count);
    tree->mean = tree->variance = 0;
    for (int i = 0; i < leaves->count; i++) {
        const double *box = leaves->box + 2 * (size_t)i * (size_t)leaves->columns;
        tree->part[i] = 1;
        for (int j = 0; j < leaves->columns; j++) {
            tree->part[i] *= box[2 * j + 1] - box[2 * j];
        }
        tree->mean += tree->part[i] * leaves->value[i];
    }
    for (int i = 0; i < leaves->count; i++) {
        double away = leaves->value[i] - tree->mean;
        tree->variance += tree->part[i] * away * away;
    }
}

typedef struct edge {
    double at, change; /* of the marginal */
} edge;

static int compare_edges(const void *a, const void *b) {
    double left = ((const edge *)a)->at, right = ((const edge *)b)->at;
    return (left > right) - (left < right);
}

/* The marginal is a step function: every leaf adds its value, by its part in the other columns,
 * from one end of its range to the other. */
static double variance_numeric(const weighed *tree, int column) {
    const rlt_leaves *leaves = &tree->leaves;
    edge *edges = rlt_alloc(sizeof *edges * 2 * (size_t)leaves->count);
    int count = 0;
    for (int i = 0; i < leaves->count; i++) {
        const double *range =
            leaves->box + 2 * ((size_t)i * (size_t)leaves->columns + (size_t)column);
        if (range[1] > range[0]) {
            double height = (leaves->value[i] - tree->mean) * tree->part[i] / (range[1] - range[0]);
            edges[count++] = (edge){range[0], height};
            edges[count++] = (edge){range[1], -height};
        }
    }
    qsort(edges, (size_t)count, sizeof *edges, compare_edges);
    double height = 0, variance = 0;
    for (int i = 0; i + 1 < count; i++) {
        height += edges[i].change;
        variance += height * height * (edges[i + 1].at - edges[i].at);
    }
    rlt_free(edges);
    return variance;
}

/* Which choices' columns a leaf fixes, and to what. */
typedef struct pattern {
    uint64_t zeros, ones;
    double height;
} pattern;

static int compare_patterns(const void *a, const void *b) {
    const pattern *left = a, *right = b;
    if (left->zeros != right->zeros) {
        return left->zeros < right->zeros ? -1 : 1;
    }
    return (left->ones > right->ones) - (left->ones < right->ones);
}

/* Sorted, those of one kind together. */
static int collect_patterns(const weighed *tree, int column, int choices, pattern *list) {
    const rlt_leaves *leaves = &tree->leaves;
    for (int i = 0; i < leaves->count; i++) {
        const double *box =
            leaves->box + 2 * ((size_t)i * (size_t)leaves->columns + (size_t)column);
        pattern made = {0};
        double width = 1;
        for (int k = 0; k < choices;
             k++) { /* a column of zeros and ones is only cut in its middle */
            width *= box[2 * k + 1] - box[2 * k];
            made.zeros |= (uint64_t)(box[2 * k + 1] < 1) << k;
            made.ones |= (uint64_t)(box[2 * k] > 0) << k;
        }
        made.height = (leaves->value[i] - tree->mean) * tree->part[i] / width;
        list[i] = made;
    }
    qsort(list, (size_t)leaves->count, sizeof *list, compare_patterns);
    int count = 0;
    for (int i = 0; i < leaves->count; i++) {
        if (count > 0 && compare_patterns(&list[count - 1], &list[i]) == 0) {
            list[count - 1].height += list[i].height;
        } else {
            list[count++] = list[i];
        }
    }
    return count;
}

/* The mean of the squared marginal over all combinations of the columns, each as likely: the sum
 * over pairs of patterns of how often both hold. */
static double variance_choice(const weighed *tree, int column, int choices) {
    pattern *list = rlt_alloc(sizeof *list * (size_t)tree->leaves.count);
    int count = collect_patterns(tree, column, choices, list);
    double variance = 0;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j <= i; j++) {
            uint64_t zeros = list[i].zeros | list[j].zeros, ones = list[i].ones | list[j].ones;
            if ((zeros & ones) == 0) {
                double both = ldexp(list[i].height * list[j].height,
                                    -__builtin_popcountll(zeros) - __builtin_popcountll(ones));
                variance += i == j ? both : 2 * both;
            }
        }
    }
    rlt_free(list);
    return fmax(variance, 0);
}

/* Adds a tree's fractions to sums[param] and squares[param]; false: the tree is one leaf. */
static bool add_tree(const rlt_analysis_data *data, const encoding *made, weighed *tree,
                     double *sums, double *squares) {
    weigh(tree);
    for (int j = 0; j < data->param_count && tree->variance > 0; j++) {
        int choices = data->params[j].choices;
        if (made->column[j] >= 0) {
            double part = choices > 0 ? variance_choice(tree, made->column[j], choices)
                                      : variance_numeric(tree, made->column[j]);
            sums[j] += part / tree->variance;
            squares[j] += part / tree->variance * (part / tree->variance);
        }
    }
    rlt_free(tree->part);
    rlt_leaves_fini(&tree->leaves);
    return tree->variance > 0;
}

static void run_forest(const rlt_analysis_data *data, const encoding *made,
                       const rlt_fanova_options *options, rlt_importance *out) {
    size_t size = sizeof(double) * (size_t)data->param_count;
    double *sums = rlt_alloc(size), *squares = rlt_alloc(size);
    int trees = options->trees > 0 ? options->trees : 64, used = 0;
    for (int t = 0; t < trees; t++) {
        weighed tree;
        rlt_tree_grow(&made->table, options->depth_max > 0 ? options->depth_max : 64,
                      rlt_rng_make(options->seed, RLT_STREAM_SHUFFLE, (uint32_t)t), &tree.leaves);
        used += add_tree(data, made, &tree, sums, squares);
    }
    for (int j = 0; j < data->param_count && used > 0; j++) {
        out[j].raw = sums[j] / used;
        out[j].deviation = sqrt(fmax(squares[j] / used - out[j].raw * out[j].raw, 0));
    }
    rlt_free(sums);
    rlt_free(squares);
}

rlt_status rlt_importance_fanova(const rlt_analysis_data *data, const rlt_fanova_options *options,
                                 rlt_importance *out, rlt_err *err) {
    int count = 0, *kept = rlt_alloc(sizeof(int) * (size_t)(data->count + 1));
    encoding made = {0};
    rlt_status status = rlt_analysis_check(data, kept, &count, err);
    if (status == RLT_OK) {
        encode(data, kept, count, options->log_scale, &made, out);
        if (made.table.columns == 0) {
            status =
                rlt_fail(err, RLT_EINVAL,
                         "fANOVA can use none of the %d parameters: it needs those that all %d "
                         "trials have; PED-ANOVA can use conditional ones",
                         data->param_count, count);
        } else {
            run_forest(data, &made, options, out);
            rlt_importance_finish(out, data->param_count);
        }
    }
    rlt_free(made.column);
    rlt_free(made.x);
    rlt_free(made.by_value);
    rlt_free(made.table.features);
    rlt_free(made.table.y);
    rlt_free(kept);
    return status;
}
