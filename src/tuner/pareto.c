/* tuner: domination, fronts and crowding. Why sorted first: a point cannot be dominated by one that
 * comes later in lexicographic order, so that each is put into a front once (ENS: Zhang et al.
 * 2015, "An efficient approach to nondominated sorting").
 * Thread: any, no state. Owner: the caller's arrays. */
#include "tuner/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool rlt_dominates(const double *a, const double *b, int objectives) {
    bool better = false;
    for (int i = 0; i < objectives; i++) {
        if (a[i] < b[i]) {
            return false;
        }
        better |= a[i] > b[i];
    }
    return better;
}

typedef struct row { /* of a matrix, for sorting without a global */
    const double *keys;
    int objectives;
    int64_t index;
} row;

/* The better first; equal ones by index. */
static int lexicographic(const void *a, const void *b) {
    const row *x = a, *y = b;
    for (int i = 0; i < x->objectives; i++) {
        if (x->keys[i] != y->keys[i]) {
            return x->keys[i] > y->keys[i] ? -1 : 1;
        }
    }
    return (x->index > y->index) - (x->index < y->index);
}

static row *sorted_rows(const double *keys, int64_t count, int objectives) {
    row *rows = rlt_alloc(sizeof *rows * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        rows[i] = (row){keys + i * objectives, objectives, i};
    }
    qsort(rows, (size_t)count, sizeof *rows, lexicographic);
    return rows;
}

void rlt_lexicographic_order(const double *keys, int64_t count, int objectives, int64_t *order) {
    row *rows = sorted_rows(keys, count, objectives);
    for (int64_t i = 0; i < count; i++) {
        order[i] = rows[i].index;
    }
    rlt_free(rows);
}

/* Fronts as chains of places in `rows`, the newest member first. */
typedef struct fronts {
    const row *rows;
    int64_t *last, *before; /* last[front]; before[place], -1: none */
    int64_t count;
} fronts;

/* With two objectives the newest member has the largest second key of its front. */
static bool front_dominates(const fronts *at, int64_t front, const row *point) {
    for (int64_t i = at->last[front]; i >= 0; i = at->before[i]) {
        if (rlt_dominates(at->rows[i].keys, point->keys, point->objectives)) {
            return true;
        }
        if (point->objectives == 2) {
            return false;
        }
    }
    return false;
}

/* The first front without a member that dominates the point: those before it all have one. */
static int64_t find_front(const fronts *at, const row *point) {
    int64_t low = 0, high = at->count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (front_dominates(at, middle, point)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool equal_points(const row *a, const row *b) {
    for (int i = 0; i < a->objectives; i++) {
        if (a->keys[i] != b->keys[i]) {
            return false;
        }
    }
    return true;
}

static void rank_feasible(const double *keys, int64_t count, int objectives, int64_t *ranks) {
    row *rows = sorted_rows(keys, count, objectives);
    fronts at = {.rows = rows,
                 .last = rlt_alloc(sizeof(int64_t) * (size_t)count),
                 .before = rlt_alloc(sizeof(int64_t) * (size_t)count)};
    for (int64_t i = 0; i < count; i++) {
        int64_t *rank = &ranks[rows[i].index];
        if (i > 0 && equal_points(&rows[i - 1], &rows[i])) {
            *rank = ranks[rows[i - 1].index];
            continue;
        }
        *rank = find_front(&at, &rows[i]);
        at.before[i] = *rank < at.count ? at.last[*rank] : -1;
        at.last[*rank] = i;
        at.count += *rank == at.count;
    }
    rlt_free(at.last);
    rlt_free(at.before);
    rlt_free(rows);
}

void rlt_nondomination_ranks(const double *keys, int64_t count, int objectives,
                             const double *violations, int64_t *ranks) {
    if (count == 0) {
        return;
    }
    if (violations == NULL) {
        rank_feasible(keys, count, objectives, ranks);
        return;
    }
    /* the feasible ones together, the others as points of one key */
    double *some = rlt_alloc(sizeof(double) * (size_t)(count * objectives));
    int64_t *places = rlt_alloc(sizeof(int64_t) * (size_t)count);
    int64_t *found = rlt_alloc(sizeof(int64_t) * (size_t)count), first = 0;
    for (int pass = 0; pass < 2; pass++) {
        int width = pass == 0 ? objectives : 1;
        int64_t used = 0, next = first;
        for (int64_t i = 0; i < count; i++) {
            if ((violations[i] > 0) == (pass == 1)) {
                double negated = -violations[i];
                memcpy(some + used * width, pass == 0 ? keys + i * objectives : &negated,
                       sizeof(double) * (size_t)width);
                places[used++] = i;
            }
        }
        if (used > 0) {
            rank_feasible(some, used, width, found);
        }
        for (int64_t i = 0; i < used; i++) {
            ranks[places[i]] = first + found[i];
            next = first + found[i] + 1 > next ? first + found[i] + 1 : next;
        }
        first = next;
    }
    rlt_free(some);
    rlt_free(places);
    rlt_free(found);
}

/* ---- crowding ---- */

typedef struct place {
    double key;
    int64_t order; /* keeps equal ones as they were */
    int64_t index;
} place;

static int descending(const void *a, const void *b) {
    const place *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key ? -1 : 1)
                            : (x->order > y->order) - (x->order < y->order);
}

/* Finite ends of sorted keys; a range of nothing counts as 1. */
static double range_of(const place *places, int64_t count) {
    int64_t best = 0, worst = count - 1;
    while (best < count && places[best].key == INFINITY) {
        best++;
    }
    while (worst >= 0 && places[worst].key == -INFINITY) {
        worst--;
    }
    double high = best < count ? places[best].key : -INFINITY;
    double low = worst >= 0 ? places[worst].key : INFINITY;
    return high - low > 0 ? high - low : 1;
}

void rlt_crowding_distances(const double *keys, int64_t count, int objectives, double *distances) {
    place *places = rlt_alloc(sizeof *places * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        places[i].index = i;
        distances[i] = 0;
    }
    for (int k = 0; k < objectives; k++) {
        for (int64_t i = 0; i < count; i++) {
            places[i].key = keys[places[i].index * objectives + k];
            places[i].order = i;
        }
        qsort(places, (size_t)count, sizeof *places, descending);
        if (count == 0 || places[0].key == places[count - 1].key) {
            continue;
        }
        double range = range_of(places, count);
        for (int64_t i = 0; i < count; i++) {
            double above = i > 0 ? places[i - 1].key : INFINITY;
            double below = i + 1 < count ? places[i + 1].key : -INFINITY;
            distances[places[i].index] += above == below ? 0 : (above - below) / range;
        }
    }
    rlt_free(places);
}
