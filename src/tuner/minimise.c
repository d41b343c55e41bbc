/* tuner: L-BFGS in a box: see minimise.h.
 * Thread: any, no state. */
#include "tuner/minimise.h"
#include "core/core.h"

#include <math.h>
#include <string.h>

enum { MEMORY = 8 };
typedef struct search {
    rlt_minimise_fn fn;
    void *user;
    const rlt_minimise_options *options;
    int n, calls;
    double value;
    double *x, *gradient, *direction; /* [n] */
    double *next, *next_gradient;     /* [n] */
    bool *held;                       /* [n] at a bound that the gradient pushes against */
    double *steps, *changes;          /* [MEMORY][n] of x and of the gradient, the latest pairs */
    int pairs;                        /* ever; pair k is at k % MEMORY */
} search;

static double dot(const search *at, const double *a, const double *b) {
    double sum = 0;
    for (int j = 0; j < at->n; j++) {
        sum += at->held[j] ? 0 : a[j] * b[j];
    }
    return sum;
}

static double clip(const search *at, int j, double x) {
    return fmin(fmax(x, at->options->low[j]), at->options->high[j]);
}

/* The largest component of the gradient that a step could follow. */
static double hold_bounds(search *at) {
    double most = 0;
    for (int j = 0; j < at->n; j++) {
        double g = at->gradient[j], x = at->x[j];
        at->held[j] = (x <= at->options->low[j] && g > 0) || (x >= at->options->high[j] && g < 0);
        most = at->held[j] ? most : fmax(most, fabs(g));
    }
    return most;
}

/* direction := -H gradient by the two loops; curvature of the free coordinates alone. */
static void find_direction(search *at) {
    double factors[MEMORY] = {0}, *d = at->direction, scale = 1;
    int first = at->pairs > MEMORY ? at->pairs - MEMORY : 0;
    for (int j = 0; j < at->n; j++) {
        d[j] = at->held[j] ? 0 : -at->gradient[j];
    }
    for (int k = at->pairs - 1; k >= first; k--) {
        const double *s = at->steps + (size_t)(k % MEMORY) * at->n;
        const double *y = at->changes + (size_t)(k % MEMORY) * at->n;
        double curvature = dot(at, s, y);
        factors[k % MEMORY] = curvature > 0 ? dot(at, s, d) / curvature : 0;
        for (int j = 0; j < at->n; j++) {
            d[j] -= at->held[j] ? 0 : factors[k % MEMORY] * y[j];
        }
        if (k == at->pairs - 1 && curvature > 0) {
            scale = curvature / dot(at, y, y);
        }
    }
    for (int j = 0; j < at->n; j++) {
        d[j] *= scale;
    }
    for (int k = first; k < at->pairs; k++) {
        const double *s = at->steps + (size_t)(k % MEMORY) * at->n;
        const double *y = at->changes + (size_t)(k % MEMORY) * at->n;
        double curvature = dot(at, s, y);
        double beta = curvature > 0 ? dot(at, y, d) / curvature : 0;
        for (int j = 0; j < at->n; j++) {
            d[j] += at->held[j] || curvature <= 0 ? 0 : (factors[k % MEMORY] - beta) * s[j];
        }
    }
}

static void remember(search *at) {
    double *s = at->steps + (size_t)(at->pairs % MEMORY) * at->n;
    double *y = at->changes + (size_t)(at->pairs % MEMORY) * at->n;
    double curvature = 0, squares = 0;
    for (int j = 0; j < at->n; j++) {
        s[j] = at->next[j] - at->x[j];
        y[j] = at->next_gradient[j] - at->gradient[j];
        curvature += s[j] * y[j];
        squares += y[j] * y[j];
    }
    at->pairs += curvature > 1e-12 * squares;
}

/* Along the direction, projected, until the value falls enough; false: it does not. */
static bool step(search *at) {
    double t = 1, longest = 0;
    for (int j = 0; j < at->n; j++) {
        longest = fmax(longest, fabs(at->direction[j]));
    }
    if (at->pairs == 0 && longest > 0) {
        t = fmin(1, 0.1 / longest);
    }
    for (int tries = 0; tries < 12 && at->calls < at->options->calls_max; tries++) {
        double slope = 0;
        for (int j = 0; j < at->n; j++) {
            at->next[j] = clip(at, j, at->x[j] + t * at->direction[j]);
            slope += at->gradient[j] * (at->next[j] - at->x[j]);
        }
        double value = at->fn(at->user, at->next, at->next_gradient);
        at->calls++;
        if (value <= at->value + 1e-4 * slope && slope < 0) {
            remember(at);
            at->value = value;
            return true;
        }
        /* the least of the parabola through both values and the slope */
        double shrink = isfinite(value) ? -slope / (2 * (value - at->value - slope)) : 0.1;
        t *= fmin(fmax(shrink, 0.1), 0.5); /* 0.1 for NAN */
    }
    return false;
}

static void swap(double **a, double **b) {
    double *kept = *a;
    *a = *b;
    *b = kept;
}

static void descend(search *at) {
    while (at->calls < at->options->calls_max) {
        double before = at->value;
        if (hold_bounds(at) <= at->options->gradient_max) {
            return;
        }
        find_direction(at);
        if (!(dot(at, at->direction, at->gradient) < 0)) {
            at->pairs = 0;
            find_direction(at);
        }
        if (!step(at)) {
            if (at->pairs == 0) {
                return;
            }
            at->pairs = 0; /* once more, straight down */
            continue;
        }
        swap(&at->x, &at->next);
        swap(&at->gradient, &at->next_gradient);
        if (fabs(before - at->value) <= at->options->change_min * fmax(1, fabs(at->value))) {
            return;
        }
    }
}

double rlt_minimise(rlt_minimise_fn fn, void *user, int n, const rlt_minimise_options *options,
                    double *x) {
    size_t size = (size_t)n;
    double *block = rlt_alloc(sizeof(double) * size * (5 + 2 * MEMORY));
    search at = {.fn = fn, .user = user, .options = options, .n = n, .calls = 1, .x = block};
    at.gradient = at.x + n;
    at.direction = at.gradient + n;
    at.next = at.direction + n;
    at.next_gradient = at.next + n;
    at.steps = at.next_gradient + n;
    at.changes = at.steps + MEMORY * size;
    at.held = rlt_alloc(sizeof(bool) * size);
    for (int j = 0; j < n; j++) {
        at.x[j] = clip(&at, j, x[j]);
    }
    at.value = fn(user, at.x, at.gradient);
    if (isfinite(at.value)) {
        descend(&at);
    }
    memcpy(x, at.x, sizeof(double) * size);
    rlt_free(block);
    rlt_free(at.held);
    return at.value;
}
