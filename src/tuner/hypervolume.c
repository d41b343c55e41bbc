/* tuner: the hypervolume of a set of points, and small subsets that have much of it.
 * Inside, points are extents above the reference (all positive), so that a point's own volume is
 * the product of its extents. Thread: any, no state. Owner: the caller's arrays. */
#include "tuner/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double product(const double *extents, int objectives) {
    double volume = 1;
    for (int i = 0; i < objectives; i++) {
        volume *= extents[i];
    }
    return volume;
}

/* ---- two and three objectives: sweeps ---- */

static int by_first(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static int by_first_ascending(const void *a, const void *b) {
    return by_first(b, a);
}

/* points [count, 2], sorted here: from the widest to the highest, each adds what is above. */
static double area(double *points, int64_t count) {
    qsort(points, (size_t)count, 2 * sizeof(double), by_first);
    double sum = 0, height = 0;
    for (int64_t i = 0; i < count; i++) {
        if (points[2 * i + 1] > height) {
            sum += points[2 * i] * (points[2 * i + 1] - height);
            height = points[2 * i + 1];
        }
    }
    return sum;
}

/* A staircase of (width, height): widths fall, heights rise. */
typedef struct stairs {
    double *steps; /* [capacity, 2] */
    int64_t count;
    double area;
} stairs;

/* Puts a step in and takes out those that it covers; the area grows by what is new. */
static void add_step(stairs *at, double width, double height) {
    int64_t first = 0; /* the first step that is not wider */
    while (first < at->count && at->steps[2 * first] > width) {
        first++;
    }
    double floor = first > 0 ? at->steps[2 * first - 1] : 0;
    if (height <= floor || (first < at->count && at->steps[2 * first] == width &&
                            at->steps[2 * first + 1] >= height)) {
        return;
    }
    int64_t last = first; /* the first step that stays behind it */
    double reached = floor;
    at->area += width * (height - floor);
    while (last < at->count && at->steps[2 * last + 1] <= height) {
        at->area -= at->steps[2 * last] * (at->steps[2 * last + 1] - reached);
        reached = at->steps[2 * last + 1];
        last++;
    }
    if (last < at->count) { /* partly covered */
        at->area -= at->steps[2 * last] * (height - reached);
    }
    memmove(at->steps + 2 * (first + 1), at->steps + 2 * last,
            2 * sizeof(double) * (size_t)(at->count - last));
    at->count += first + 1 - last;
    at->steps[2 * first] = width;
    at->steps[2 * first + 1] = height;
}

/* points [count, 3], sorted here: from the top down, slabs over the area so far. */
static double volume(double *points, int64_t count) {
    qsort(points, (size_t)count, 3 * sizeof(double), by_first);
    stairs at = {.steps = rlt_alloc(2 * sizeof(double) * (size_t)(count + 1))};
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        add_step(&at, points[3 * i + 1], points[3 * i + 2]);
        double below = i + 1 < count ? points[3 * (i + 1)] : 0;
        sum += at.area * (points[3 * i] - below);
    }
    rlt_free(at.steps);
    return sum;
}

/* ---- more: WFG ---- */

static bool covers(const double *a, const double *b, int objectives) {
    for (int i = 0; i < objectives; i++) {
        if (a[i] < b[i]) {
            return false;
        }
    }
    return true;
}

/* Keeps the points that no other one covers, one of equal ones. */
static int64_t keep_front(double *points, int64_t count, int objectives) {
    size_t row = sizeof(double) * (size_t)objectives;
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        const double *point = points + i * objectives;
        bool covered = false;
        for (int64_t j = 0; j < kept && !covered; j++) {
            covered = covers(points + j * objectives, point, objectives);
        }
        if (covered) {
            continue;
        }
        int64_t left = 0;
        for (int64_t j = 0; j < kept; j++) {
            if (!covers(point, points + j * objectives, objectives)) {
                memmove(points + left++ * objectives, points + j * objectives, row);
            }
        }
        memmove(points + left * objectives, point, row);
        kept = left + 1;
    }
    return kept;
}

static double measure(double *points, int64_t count, int objectives);

/* Each point adds its own volume less what it shares with the points after it. These reach at least
 * as far in the first objective, as points are sorted by it, so that what is shared has one
 * dimension less to look at. The points come sorted from the least first extent up. */
static double wfg(const double *points, int64_t count, int objectives) {
    int rest = objectives - 1;
    double *shared = rlt_alloc(sizeof(double) * (size_t)(count * rest)), sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const double *point = points + i * objectives;
        int64_t others = count - i - 1;
        for (int64_t j = 0; j < others; j++) {
            for (int k = 0; k < rest; k++) {
                shared[j * rest + k] = fmin(point[1 + k], point[(1 + j) * objectives + 1 + k]);
            }
        }
        sum += point[0] * (product(point + 1, rest) - measure(shared, others, rest));
    }
    rlt_free(shared);
    return sum;
}

static double sort_and_slice(double *points, int64_t count, int objectives) {
    count = keep_front(points, count, objectives);
    qsort(points, (size_t)count, sizeof(double) * (size_t)objectives, by_first_ascending);
    return wfg(points, count, objectives);
}

static double measure(double *points, int64_t count, int objectives) {
    if (count == 0) {
        return 0;
    }
    switch (objectives) {
    case 1: {
        double most = 0;
        for (int64_t i = 0; i < count; i++) {
            most = fmax(most, points[i]);
        }
        return most;
    }
    case 2:
        return area(points, count);
    case 3:
        return volume(points, count);
    default:
        return sort_and_slice(points, count, objectives);
    }
}

double rlt_hypervolume(const double *keys, int64_t count, int objectives, const double *reference) {
    double *points = rlt_alloc(sizeof(double) * (size_t)(count * objectives));
    int64_t used = 0;
    bool infinite = false;
    for (int64_t i = 0; i < count; i++) {
        bool above = true, endless = false;
        for (int k = 0; k < objectives; k++) {
            double extent = keys[i * objectives + k] - reference[k];
            points[used * objectives + k] = extent;
            above &= extent > 0; /* false for NAN */
            endless |= extent == INFINITY;
        }
        used += above;
        infinite |= above && endless;
    }
    double total = infinite ? INFINITY : measure(points, used, objectives);
    rlt_free(points);
    return total;
}

/* Only a point that no earlier one covers changes anything; those that it covers are dropped. */
void rlt_hypervolume_history(const double *keys, int64_t count, int objectives,
                             const double *reference, double *volumes) {
    const size_t row = sizeof(double) * (size_t)objectives;
    double *front = rlt_alloc(row * (size_t)count);
    int64_t size = 0;
    for (int64_t i = 0; i < count; i++) {
        const double *point = keys + i * objectives;
        bool adds = true;
        volumes[i] = i > 0 ? volumes[i - 1] : 0;
        for (int k = 0; k < objectives; k++) {
            adds &= point[k] > reference[k]; /* false for NAN */
        }
        for (int64_t j = 0; j < size && adds; j++) {
            adds = !covers(front + j * objectives, point, objectives);
        }
        if (adds) {
            memcpy(front + size * objectives, point, row);
            size = keep_front(front, size + 1, objectives);
            volumes[i] = rlt_hypervolume(front, size, objectives, reference);
        }
    }
    rlt_free(front);
}

/* ---- subsets ---- */

void rlt_reference_point(const double *keys, int64_t count, int objectives, double *reference) {
    for (int k = 0; k < objectives; k++) {
        double worst = INFINITY;
        for (int64_t i = 0; i < count; i++) {
            worst = fmin(worst, keys[i * objectives + k]);
        }
        double lower = fmin(1.1 * worst, 0.9 * worst);
        reference[k] = lower == 0 ? -1e-12 : lower;
    }
}

typedef struct choice { /* of a subset: what may still be taken */
    const double *keys, *reference;
    int objectives;
    int64_t *candidates; /* indices of different points, in lexicographic order */
    double *bounds;      /* of what each can add at most */
    int64_t count;
    double *chosen; /* [size + 1, objectives] keys of those taken, then a place for one more */
    int64_t taken;
    double volume; /* of those taken */
} choice;

static double added_by(choice *at, int64_t index) {
    memcpy(at->chosen + at->taken * at->objectives, at->keys + index * at->objectives,
           sizeof(double) * (size_t)at->objectives);
    return rlt_hypervolume(at->chosen, at->taken + 1, at->objectives, at->reference) - at->volume;
}

/* What a point adds never grows as others are taken, so that an old figure is an upper bound: only
 * those that might still be the best are looked at again. Equal ones: the first. */
static int64_t best_candidate(choice *at) {
    bool *fresh = rlt_alloc((size_t)at->count);
    for (;;) {
        int64_t top = 0;
        for (int64_t i = 1; i < at->count; i++) {
            top = at->bounds[i] > at->bounds[top] ? i : top;
        }
        if (fresh[top] || at->taken == 0) {
            rlt_free(fresh);
            return top;
        }
        at->bounds[top] = added_by(at, at->candidates[top]);
        fresh[top] = true;
    }
}

static void take(choice *at, int64_t place, int64_t *chosen) {
    int64_t index = at->candidates[place], after = at->count - place - 1;
    at->volume += added_by(at, index); /* leaves the point where it has to be */
    chosen[at->taken++] = index;
    at->count--;
    memmove(at->candidates + place, at->candidates + place + 1, sizeof(int64_t) * (size_t)after);
    memmove(at->bounds + place, at->bounds + place + 1, sizeof(double) * (size_t)after);
}

/* Different points into at->candidates, the better first; the indices of the others into `again`.
 */
static void tell_apart(choice *at, int64_t count, int64_t *again) {
    int64_t *order = rlt_alloc(sizeof(int64_t) * (size_t)count), repeated = 0;
    size_t size = sizeof(double) * (size_t)at->objectives;
    rlt_lexicographic_order(at->keys, count, at->objectives, order);
    for (int64_t i = 0; i < count; i++) {
        const double *point = at->keys + order[i] * at->objectives;
        const double *last = i > 0 ? at->keys + order[i - 1] * at->objectives : NULL;
        if (last != NULL && memcmp(point, last, size) == 0) {
            again[repeated++] = order[i];
        } else {
            at->candidates[at->count++] = order[i];
        }
    }
    rlt_free(order);
}

static void own_volumes(choice *at) {
    for (int64_t i = 0; i < at->count; i++) {
        at->bounds[i] = added_by(at, at->candidates[i]);
    }
}

static bool all_finite(const double *numbers, int count) {
    for (int i = 0; i < count; i++) {
        if (!isfinite(numbers[i])) {
            return false;
        }
    }
    return true;
}

void rlt_hypervolume_subset(const double *keys, int64_t count, int objectives, int64_t size,
                            const double *reference, int64_t *chosen) {
    RLT_ASSERT(size >= 0 && size <= count);
    choice at = {.keys = keys, .reference = reference, .objectives = objectives};
    int64_t *again = rlt_alloc(sizeof(int64_t) * (size_t)count);
    at.candidates = rlt_alloc(sizeof(int64_t) * (size_t)count);
    at.bounds = rlt_alloc(sizeof(double) * (size_t)count);
    at.chosen = rlt_alloc(sizeof(double) * (size_t)((size + 1) * objectives));
    tell_apart(&at, count, again);
    bool measured = all_finite(reference, objectives); /* else there is nothing to choose by */
    if (measured) {
        own_volumes(&at);
    }
    while (at.taken < size && at.count > 0) {
        take(&at, measured ? best_candidate(&at) : 0, chosen);
    }
    for (int64_t i = 0; at.taken < size; i++) {
        chosen[at.taken++] = again[i];
    }
    rlt_free(again);
    rlt_free(at.candidates);
    rlt_free(at.bounds);
    rlt_free(at.chosen);
}
