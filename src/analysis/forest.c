/* analysis: one regression tree on rows drawn with replacement. Thread: any. Owner: the caller
 * (rlt_leaves_fini). */
#include "analysis/analysis_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    double x, y, weight;
} item;

typedef struct grower {
    const rlt_table01 *table;
    rlt_rng rng;
    int depth_max, room;
    int *rows;      /* the distinct drawn rows, those of a node side by side */
    double *weight; /* [table rows] how often each was drawn */
    item *items;
    int *order;  /* of columns, shuffled for each node */
    double *box; /* [columns, 2] of the node at hand */
    rlt_leaves *leaves;
} grower;

typedef struct split {
    int column; /* -1: none */
    double threshold, gain;
} split;

static int compare_items(const void *a, const void *b) {
    double left = ((const item *)a)->x, right = ((const item *)b)->x;
    return (left > right) - (left < right);
}

static void shuffle(grower *g) {
    for (int i = g->table->columns - 1; i > 0; i--) {
        int j = (int)rlt_rng_below(&g->rng, (uint32_t)i + 1), kept = g->order[i];
        g->order[i] = g->order[j];
        g->order[j] = kept;
    }
}

/* The sum of squared errors falls by sum^2/weight of both sides less that of the node (Breiman et
 * al.: "Classification and Regression Trees", 1984). */
static void try_column(grower *g, int first, int count, int column, split *best) {
    double sum = 0, weight = 0, left_sum = 0, left_weight = 0;
    for (int i = 0; i < count; i++) {
        int row = g->rows[first + i];
        g->items[i] = (item){g->table->x[(size_t)row * (size_t)g->table->columns + (size_t)column],
                             g->table->y[row], g->weight[row]};
        sum += g->items[i].y * g->items[i].weight;
        weight += g->items[i].weight;
    }
    qsort(g->items, (size_t)count, sizeof *g->items, compare_items);
    for (int i = 0; i + 1 < count; i++) {
        left_sum += g->items[i].y * g->items[i].weight;
        left_weight += g->items[i].weight;
        if (g->items[i + 1].x <= g->items[i].x) {
            continue;
        }
        double right_sum = sum - left_sum, right_weight = weight - left_weight;
        double gain = left_sum * left_sum / left_weight + right_sum * right_sum / right_weight;
        if (best->column < 0 || gain > best->gain) {
            double middle = g->items[i].x / 2 + g->items[i + 1].x / 2;
            *best = (split){column, middle < g->items[i + 1].x ? middle : g->items[i].x, gain};
        }
    }
}

static void add_leaf(grower *g, double value) {
    rlt_leaves *leaves = g->leaves;
    RLT_ASSERT(leaves->count < g->room);
    size_t size = 2 * (size_t)leaves->columns;
    memcpy(leaves->box + (size_t)leaves->count * size, g->box, size * sizeof(double));
    leaves->value[leaves->count++] = value;
}

/* Rows at most the threshold come first; returns how many. */
static int partition(grower *g, int first, int count, const split *at) {
    int left = 0;
    for (int i = 0; i < count; i++) {
        int row = g->rows[first + i];
        size_t place = (size_t)row * (size_t)g->table->columns + (size_t)at->column;
        if (g->table->x[place] <= at->threshold) {
            g->rows[first + i] = g->rows[first + left];
            g->rows[first + left++] = row;
        }
    }
    return left;
}

static void grow(grower *g, int first, int count, int depth) {
    double sum = 0, weight = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        int row = g->rows[first + i];
        double y = g->table->y[row];
        sum += g->weight[row] * y;
        squares += g->weight[row] * y * y;
        weight += g->weight[row];
    }
    double mean = sum / weight;
    split best = {.column = -1};
    if (count > 1 && depth < g->depth_max && squares / weight - mean * mean > 1e-14 * squares) {
        shuffle(g);
        for (int i = 0; i < g->table->columns; i++) {
            try_column(g, first, count, g->order[i], &best);
        }
    }
    if (best.column < 0) {
        add_leaf(g, mean);
        return;
    }
    int left = partition(g, first, count, &best);
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

void rlt_tree_grow(const rlt_table01 *table, int depth_max, rlt_rng rng, rlt_leaves *leaves) {
    size_t rows = (size_t)table->rows, columns = (size_t)table->columns;
    grower g = {.table = table, .rng = rng, .depth_max = depth_max, .leaves = leaves};
    g.rows = rlt_alloc(sizeof(int) * rows);
    g.weight = rlt_alloc(sizeof(double) * rows);
    g.items = rlt_alloc(sizeof(item) * rows);
    g.order = rlt_alloc(sizeof(int) * columns);
    g.box = rlt_alloc(sizeof(double) * 2 * columns);
    for (int j = 0; j < table->columns; j++) {
        g.order[j] = j;
        g.box[2 * j + 1] = 1;
    }
    int distinct = draw_rows(&g);
    g.room = distinct;
    *leaves = (rlt_leaves){.columns = table->columns};
    leaves->value = rlt_alloc(sizeof(double) * (size_t)distinct);
    leaves->box = rlt_alloc(sizeof(double) * 2 * columns * (size_t)distinct);
    grow(&g, 0, distinct, 0);
    rlt_free(g.rows);
    rlt_free(g.weight);
    rlt_free(g.items);
    rlt_free(g.order);
    rlt_free(g.box);
}

void rlt_leaves_fini(rlt_leaves *leaves) {
    rlt_free(leaves->value);
    rlt_free(leaves->box);
    *leaves = (rlt_leaves){0};
}
