/* analysis: one regression tree on rows drawn with replacement. The rows of a node lie side by
 * side, once for the node and once more in the order of every numeric feature, so that a node costs
 * a pass over its rows for each feature and nothing is sorted. Thread: any. Owner: the caller
 * (rlt_leaves_fini). */
#include "analysis/analysis_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the rows with a choice. */
typedef struct tally {
    double sum, weight;
} tally;

typedef struct grower {
    const rlt_table01 *table;
    rlt_rng rng;
    int depth_max, room;
    int *rows;      /* the distinct drawn rows */
    int **sorted;   /* [features] the same in the order of a numeric one; NULL: a choice */
    int *moved;     /* room for a partition */
    double *weight; /* [table rows] how often each was drawn */
    int *order;     /* of columns, shuffled for each node */
    int *owner;     /* [columns] the feature */
    tally *tallies; /* [columns] of the node at hand */
    double *box;    /* [columns, 2] of the node at hand */
    rlt_leaves *leaves;
} grower;

typedef struct node {
    int first, count, depth;
    double sum, weight;
} node;

typedef struct split {
    int column; /* -1: none */
    double threshold, gain;
} split;

static void shuffle(grower *g) {
    for (int i = g->table->columns - 1; i > 0; i--) {
        int j = (int)rlt_rng_below(&g->rng, (uint32_t)i + 1), kept = g->order[i];
        g->order[i] = g->order[j];
        g->order[j] = kept;
    }
}

/* The sum of squared errors falls by sum^2/weight of both sides less that of the node (Breiman et
 * al.: "Classification and Regression Trees", 1984). */
static void offer(const node *n, tally left, int column, double threshold, split *best) {
    double right_sum = n->sum - left.sum, right_weight = n->weight - left.weight;
    double gain = left.sum * left.sum / left.weight + right_sum * right_sum / right_weight;
    if (best->column < 0 || gain > best->gain) {
        *best = (split){column, threshold, gain};
    }
}

static void try_numeric(const grower *g, const node *n, int feature, split *best) {
    const rlt_feature *f = &g->table->features[feature];
    const int *rows = g->sorted[feature] + n->first;
    tally left = {0};
    for (int i = 0; i + 1 < n->count; i++) {
        double here = f->x[rows[i]], next = f->x[rows[i + 1]];
        left.sum += g->table->y[rows[i]] * g->weight[rows[i]];
        left.weight += g->weight[rows[i]];
        if (next > here) {
            double middle = here / 2 + next / 2;
            offer(n, left, f->column, middle < next ? middle : here, best);
        }
    }
}

static void tally_choices(grower *g, const node *n) {
    memset(g->tallies, 0, sizeof *g->tallies * (size_t)g->table->columns);
    for (int k = 0; k < g->table->feature_count; k++) {
        const rlt_feature *f = &g->table->features[k];
        for (int i = n->first; f->choices > 0 && i < n->first + n->count; i++) {
            int row = g->rows[i], choice = (int)f->x[row];
            if (choice >= 0) {
                g->tallies[f->column + choice].sum += g->table->y[row] * g->weight[row];
                g->tallies[f->column + choice].weight += g->weight[row];
            }
        }
    }
}

static split find_split(grower *g, const node *n) {
    split best = {.column = -1};
    shuffle(g);
    tally_choices(g, n);
    for (int i = 0; i < g->table->columns; i++) {
        int column = g->order[i], feature = g->owner[column];
        tally with = g->tallies[column];
        if (g->table->features[feature].choices == 0) {
            try_numeric(g, n, feature, &best);
        } else if (with.weight > 0 && with.weight < n->weight) {
            offer(n, (tally){n->sum - with.sum, n->weight - with.weight}, column, 0.5, &best);
        }
    }
    return best;
}

static bool goes_left(const grower *g, const split *at, int row) {
    const rlt_feature *f = &g->table->features[g->owner[at->column]];
    return f->choices > 0 ? (int)f->x[row] != at->column - f->column : f->x[row] <= at->threshold;
}

/* Those that go left come first, both in their order; returns how many. */
static int partition(const grower *g, const split *at, int *rows, int count) {
    int left = 0, right = 0;
    for (int i = 0; i < count; i++) {
        int row = rows[i];
        if (goes_left(g, at, row)) {
            rows[left++] = row;
        } else {
            g->moved[right++] = row;
        }
    }
    memcpy(rows + left, g->moved, sizeof *rows * (size_t)right);
    return left;
}

static void add_leaf(grower *g, double value) {
    rlt_leaves *leaves = g->leaves;
    RLT_ASSERT(leaves->count < g->room);
    size_t size = 2 * (size_t)leaves->columns;
    memcpy(leaves->box + (size_t)leaves->count * size, g->box, size * sizeof(double));
    leaves->value[leaves->count++] = value;
}

static void grow(grower *g, int first, int count, int depth) {
    node n = {.first = first, .count = count};
    double squares = 0;
    for (int i = first; i < first + count; i++) {
        double y = g->table->y[g->rows[i]], weight = g->weight[g->rows[i]];
        n.sum += weight * y;
        squares += weight * y * y;
        n.weight += weight;
    }
    double mean = n.sum / n.weight;
    split best = {.column = -1};
    if (count > 1 && depth < g->depth_max && squares / n.weight - mean * mean > 1e-14 * squares) {
        best = find_split(g, &n);
    }
    if (best.column < 0) {
        add_leaf(g, mean);
        return;
    }
    int left = partition(g, &best, g->rows + first, count);
    for (int k = 0; k < g->table->feature_count; k++) {
        if (g->sorted[k] != NULL) {
            partition(g, &best, g->sorted[k] + first, count);
        }
    }
    double *range = g->box + 2 * best.column, low = range[0], high = range[1];
    range[1] = best.threshold;
    grow(g, first, left, depth + 1);
    range[0] = best.threshold;
    range[1] = high;
    grow(g, first + left, count - left, depth + 1);
    range[0] = low;
}

static int draw_rows(grower *g) {
    int distinct = 0;
    for (int i = 0; i < g->table->rows; i++) {
        uint32_t row = rlt_rng_below(&g->rng, (uint32_t)g->table->rows);
        if (g->weight[row] == 0) {
            g->rows[distinct++] = (int)row;
        }
        g->weight[row]++;
    }
    return distinct;
}

static void set_up_features(grower *g) {
    for (int k = 0; k < g->table->feature_count; k++) {
        const rlt_feature *f = &g->table->features[k];
        for (int i = 0; i < (f->choices > 0 ? f->choices : 1); i++) {
            g->owner[f->column + i] = k;
        }
        if (f->choices == 0) {
            g->sorted[k] = rlt_alloc(sizeof(int) * (size_t)g->table->rows);
            int count = 0;
            for (int i = 0; i < g->table->rows; i++) {
                if (g->weight[f->by_value[i]] > 0) {
                    g->sorted[k][count++] = f->by_value[i];
                }
            }
        }
    }
}

void rlt_tree_grow(const rlt_table01 *table, int depth_max, rlt_rng rng, rlt_leaves *leaves) {
    size_t rows = (size_t)table->rows, columns = (size_t)table->columns;
    grower g = {.table = table, .rng = rng, .depth_max = depth_max, .leaves = leaves};
    g.rows = rlt_alloc(sizeof(int) * rows);
    g.moved = rlt_alloc(sizeof(int) * rows);
    g.weight = rlt_alloc(sizeof(double) * rows);
    g.sorted = rlt_alloc(sizeof(int *) * (size_t)table->feature_count);
    g.order = rlt_alloc(sizeof(int) * columns);
    g.owner = rlt_alloc(sizeof(int) * columns);
    g.tallies = rlt_alloc(sizeof(tally) * columns);
    g.box = rlt_alloc(sizeof(double) * 2 * columns);
    for (int j = 0; j < table->columns; j++) {
        g.order[j] = j;
        g.box[2 * j + 1] = 1;
    }
    g.room = draw_rows(&g);
    set_up_features(&g);
    *leaves = (rlt_leaves){.columns = table->columns};
    leaves->value = rlt_alloc(sizeof(double) * (size_t)g.room);
    leaves->box = rlt_alloc(sizeof(double) * 2 * columns * (size_t)g.room);
    grow(&g, 0, g.room, 0);
    for (int k = 0; k < table->feature_count; k++) {
        rlt_free(g.sorted[k]);
    }
    void *const made[] = {g.rows, g.moved, g.weight, g.sorted, g.order, g.owner, g.tallies, g.box};
    for (size_t i = 0; i < RLT_COUNT(made); i++) {
        rlt_free(made[i]);
    }
}

void rlt_leaves_fini(rlt_leaves *leaves) {
    rlt_free(leaves->value);
    rlt_free(leaves->box);
    *leaves = (rlt_leaves){0};
}
