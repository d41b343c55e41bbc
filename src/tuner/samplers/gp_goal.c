/* tuner: the sampler gp: what is to be improved on. It is what is expected at trials, not the
 * luckiest results: of one objective the best of them, of several the front of them, each with the
 * running trials as if they had come out as predicted; of feasible trials alone.
 * Thread: the tuner's. */
#include "tuner/pareto.h"
#include "tuner/samplers/gp_state.h"

#include <math.h>
#include <string.h>

enum { BEST_FEW = 5 };

static double expected(const rlt_gp_state *at, int k, int i) { /* K alpha = y - noise alpha */
    return at->gps[k].y[i] - at->gps[k].noise * at->gps[k].alpha[i];
}

static bool is_feasible(const rlt_gp_state *at, int i) {
    return at->history->violations[at->results[i].number] == 0;
}

/* Those with the least violation, each violation once, until there are BEST_FEW places. */
static void add_least_violations(rlt_gp_state *at) {
    const double *violations = at->history->violations;
    double least = 0;
    while (at->incumbents < BEST_FEW && at->incumbents < at->count) {
        double next = INFINITY;
        int found = -1;
        for (int i = 0; i < at->count; i++) {
            double violation = violations[at->results[i].number];
            if (violation > least && (found < 0 || violation < next)) {
                next = violation;
                found = i;
            }
        }
        if (found < 0) {
            break;
        }
        least = next;
        rlt_gp_read_place(at, at->results[found].number,
                          at->places + (size_t)at->incumbents++ * at->d);
    }
}

static void find_best(rlt_gp_state *at) {
    for (int i = 0; i < at->count && at->incumbents < BEST_FEW; i++) {
        if (is_feasible(at, i)) {
            rlt_gp_read_place(at, at->results[i].number,
                              at->places + (size_t)at->incumbents++ * at->d);
        }
    }
    at->any_feasible = at->incumbents > 0;
    at->best = -INFINITY;
    for (int i = 0; i < at->count; i++) {
        at->best = is_feasible(at, i) ? fmax(at->best, expected(at, 0, i)) : at->best;
    }
    add_least_violations(at);
}

static bool is_whole(const rlt_gp_state *at, int i) {
    const int objectives = at->history->objectives;
    bool whole = true;
    for (int k = 0; k < objectives; k++) {
        whole &= !isnan(at->history->keys[at->results[i].number * objectives + k]);
    }
    return whole;
}

static void find_front(rlt_gp_state *at) {
    const int objectives = at->history->objectives;
    at->front_count = 0;
    for (int i = 0; i < at->count; i++) {
        if (is_feasible(at, i) && is_whole(at, i)) {
            for (int k = 0; k < objectives; k++) {
                at->front[(size_t)at->front_count * objectives + k] = expected(at, k, i);
            }
            rlt_gp_read_place(at, at->results[i].number,
                              at->places + (size_t)at->front_count++ * at->d);
        }
    }
    at->any_feasible = at->front_count > 0;
    if (!at->any_feasible) {
        add_least_violations(at);
    }
    if (!at->any_feasible && at->incumbents == 0) { /* no result has all its numbers */
        rlt_gp_read_place(at, at->results[0].number, at->places);
        at->incumbents = 1;
    }
}

void rlt_gp_find_goal(rlt_gp_state *at) {
    at->incumbents = 0;
    (rlt_gp_several(at) ? find_front : find_best)(at);
}

void rlt_gp_raise_goal(rlt_gp_state *at, const double *x, const double *means) {
    const int objectives = at->history->objectives;
    if (!rlt_gp_several(at)) {
        at->best = fmax(at->best, means[0]);
        return;
    }
    memcpy(at->front + (size_t)at->front_count * objectives, means,
           sizeof(double) * (size_t)objectives);
    memcpy(at->places + (size_t)at->front_count++ * at->d, x, sizeof(double) * (size_t)at->d);
}

/* Indices of those that no other one dominates into members; returns how many. */
static int find_members(const rlt_gp_state *at, int *members) {
    int64_t *ranks = rlt_alloc(sizeof(int64_t) * (size_t)at->front_count);
    int count = 0;
    rlt_nondomination_ranks(at->front, at->front_count, at->history->objectives, NULL, ranks);
    for (int i = 0; i < at->front_count; i++) {
        if (ranks[i] == 0) {
            members[count++] = i;
        }
    }
    rlt_free(ranks);
    return count;
}

/* A little below the worst result of all, as Optuna's: were it at the front's own ends, a front of
 * few points would hardly ever be made longer. `margin` is of the front's range or, if that is
 * short, of a standard deviation. */
static void place_reference(const rlt_gp_state *at, const int *members, int count,
                            double *reference) {
    const int objectives = at->history->objectives;
    const double margin = 0.1;
    for (int k = 0; k < objectives; k++) {
        double least = INFINITY, most = -INFINITY;
        for (int i = 0; i < count; i++) {
            double value = at->front[(size_t)members[i] * objectives + k];
            least = fmin(least, value);
            most = fmax(most, value);
        }
        double worst = least;
        for (int i = 0; i < at->count; i++) {
            worst = fmin(worst, at->gps[k].y[i]);
        }
        reference[k] = worst - margin * fmax(most - least, 1);
    }
}

/* A front with too many boxes: the reference moves towards a point of it until there are few
 * enough, so that of that part of the front every point counts. */
static void make_boxes(rlt_gp_state *at, const int *members, int count, uint64_t key) {
    const int objectives = at->history->objectives;
    double reference[RLT_OBJECTIVES_MAX], raised[RLT_OBJECTIVES_MAX];
    const double *towards =
        at->front + (size_t)members[rlt_shuffle(count, 0, key)] * (size_t)objectives;
    place_reference(at, members, count, reference);
    double left = 1;
    do {
        for (int k = 0; k < objectives; k++) {
            raised[k] = towards[k] - left * (towards[k] - reference[k]);
        }
        left *= 0.75;
    } while (!rlt_gp_boxes_make(&at->boxes, at->front, at->front_count, raised));
}

int rlt_gp_prepare_front(rlt_gp_state *at, uint64_t key) {
    const size_t row = sizeof(double) * (size_t)at->d;
    if (!at->any_feasible) {
        memcpy(at->incumbent, at->places, row * (size_t)at->incumbents);
        return at->incumbents;
    }
    int *members = rlt_alloc(sizeof(int) * (size_t)at->front_count);
    int count = find_members(at, members), chosen = 0;
    if (at->boxes.form == NULL) {
        rlt_gp_boxes_init(&at->boxes, at->history->objectives);
    }
    make_boxes(at, members, count, key);
    for (; chosen < count && chosen < RLT_GP_INCUMBENTS; chosen++) {
        int64_t next = rlt_shuffle(count, chosen, key);
        memcpy(at->incumbent + (size_t)chosen * at->d,
               at->places + (size_t)members[next] * (size_t)at->d, row);
    }
    rlt_free(members);
    return chosen;
}
