/* tuner: configurations that are tried with several seeds (tune.seeds). Each of these replicates is
 * a trial; to the sampler the configuration is one, whose result is an aggregate of theirs.
 * Rules: a stopper judges the first replicate alone, and the others come once that has completed; a
 * replicate that was stopped or failed ends its configuration, which then gets no further ones, and
 * one with a failed replicate counts as failed. In a race every configuration has `start`
 * replicates, and gets a further one as long as it is not significantly worse than the best.
 * All of it follows from the order in which trials start and end, so that rows bring it back.
 * Thread: the tuner's. Owner: the tuner. */
#include "analysis/analysis.h"
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- aggregates ---- */

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median_of(const double *values, int count) {
    double *sorted = rlt_alloc(sizeof *sorted * (size_t)count);
    memcpy(sorted, values, sizeof *sorted * (size_t)count);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    double low = sorted[(count - 1) / 2], high = sorted[count / 2];
    rlt_free(sorted);
    return low == high ? low : low + (high - low) / 2;
}

double rlt_aggregate(int kind, const double *values, int count, bool maximise) {
    RLT_ASSERT(count > 0);
    double worst = values[0], sum = 0;
    for (int i = 0; i < count; i++) {
        worst = maximise ? fmin(worst, values[i]) : fmax(worst, values[i]);
        sum += values[i];
    }
    switch ((rlt_aggregate_kind)kind) {
    case RLT_AGGREGATE_MEAN:
        return sum / count;
    case RLT_AGGREGATE_MEDIAN:
        return median_of(values, count);
    case RLT_AGGREGATE_WORST:
        return worst;
    case RLT_AGGREGATE_IQM:
    default:
        return rlt_iqm(&(rlt_scores){values, count, 1});
    }
}

static void update_key(rlt_tuner *tuner, int64_t index) {
    rlt_configurations *all = &tuner->configurations;
    rlt_configuration *c = &all->items[index];
    const double *keys = rlt_configuration_keys(tuner, index);
    int count = 0;
    for (int i = 0; i < c->count; i++) {
        if (!isnan(keys[i])) {
            all->scratch[count++] = keys[i];
        }
    }
    c->measured = count;
    c->key = count > 0 ? rlt_aggregate(tuner->config.aggregate, all->scratch, count, true) : NAN;
}

/* ---- who wants a replicate ---- */

static void want(rlt_tuner *tuner, int64_t index, int64_t target) {
    rlt_configurations *all = &tuner->configurations;
    all->items[index].target = (int32_t)target;
    if (all->items[index].count < target) {
        all->wanting = rlt_tuner_grow(all->wanting, &all->wanting_capacity, all->wanting_count + 1,
                                      sizeof(int64_t));
        all->wanting[all->wanting_count++] = index;
    }
}

static void want_no_more(rlt_configurations *all, int64_t index) {
    for (int64_t i = 0; i < all->wanting_count; i++) {
        if (all->wanting[i] == index) {
            all->wanting_count--;
            memmove(all->wanting + i, all->wanting + i + 1,
                    sizeof(int64_t) * (size_t)(all->wanting_count - i));
            return;
        }
    }
}

int64_t rlt_configuration_wanting(const rlt_tuner *tuner) {
    return tuner->configurations.wanting_count > 0 ? tuner->configurations.wanting[0] : -1;
}

static bool may_grow(const rlt_tuner *tuner, const rlt_configuration *c) {
    return !c->closed && !c->dropped && c->count < tuner->config.seeds;
}

bool rlt_configurations_may_grow(const rlt_tuner *tuner) {
    for (int64_t i = tuner->configurations.first_open; i < tuner->configurations.count; i++) {
        if (may_grow(tuner, &tuner->configurations.items[i])) {
            return true;
        }
    }
    return false;
}

/* ---- starts ---- */

static bool races(const rlt_tuner *tuner) {
    return tuner->config.race.start > 0;
}

static int64_t start_of(const rlt_tuner *tuner) {
    return races(tuner) ? tuner->config.race.start : tuner->config.seeds;
}

static bool is_judged(const rlt_tuner *tuner) {
    return tuner->config.stopper != RLT_STOPPER_NONE;
}

rlt_status rlt_configurations_init(rlt_tuner *tuner, rlt_err *err) {
    rlt_configurations *all = &tuner->configurations;
    all->race.number = all->best_whole = -1;
    if (!rlt_tuner_replicates(tuner)) {
        return RLT_OK;
    }
    if (tuner->config.objectives.count > 1) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.seeds: replicates are compared by one metric, but tune.metrics names "
                        "%d; tune one of them, or leave seeds out",
                        tuner->config.objectives.count);
    }
    if (tuner->config.sampler == RLT_SAMPLER_ONESHOT) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.seeds: with oneshot trials are measured with one training's weights, "
                        "which another seed does not change; leave seeds out, and judge the winner "
                        "by final = { seeds = 5 }");
    }
    if (rlt_stopper_defs[tuner->config.stopper]->copies) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "tune.seeds: with %s trials copy each other and change their parameters, so "
            "that none has a configuration to be repeated; leave seeds out, and judge "
            "the winner by final = { seeds = 5 }",
            rlt_stoppers[tuner->config.stopper].name);
    }
    if (tuner->config.race.start > tuner->config.seeds) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.race.start: %" PRId64 " is more than tune.seeds, %" PRId64,
                        tuner->config.race.start, tuner->config.seeds);
    }
    all->scratch = rlt_alloc(sizeof(double) * 2 * (size_t)tuner->config.seeds);
    return RLT_OK;
}

void rlt_configurations_fini(rlt_configurations *all) {
    for (int64_t i = all->first_open; i < all->count; i++) {
        json_decref(all->items[i].params);
    }
    rlt_free(all->items);
    rlt_free(all->keys);
    rlt_free(all->limits);
    rlt_free(all->wanting);
    rlt_free(all->scratch);
    *all = (rlt_configurations){0};
}

void rlt_configuration_add(rlt_tuner *tuner, const json_t *params) {
    rlt_configurations *all = &tuner->configurations;
    const int64_t index = all->count, seeds = tuner->config.seeds;
    const int limits = tuner->config.constraints.count;
    all->items = rlt_tuner_grow(all->items, &all->capacity, index + 1, sizeof(rlt_configuration));
    all->keys =
        rlt_tuner_grow(all->keys, &all->key_capacity, index + 1, sizeof(double) * (size_t)seeds);
    all->limits = rlt_tuner_grow(all->limits, &all->limit_capacity, index + 1,
                                 sizeof(double) * (size_t)(limits + 1));
    for (int64_t i = 0; i < seeds; i++) {
        all->keys[index * seeds + i] = NAN;
    }
    for (int i = 0; i < limits; i++) {
        all->limits[index * limits + i] = -INFINITY;
    }
    all->items[all->count++] = (rlt_configuration){
        .first = tuner->count - 1, .key = NAN, .count = 1, .params = json_deep_copy(params)};
    want(tuner, index, is_judged(tuner) ? 1 : start_of(tuner));
}

void rlt_configuration_grown(rlt_tuner *tuner, int64_t index) {
    rlt_configurations *all = &tuner->configurations;
    rlt_configuration *c = &all->items[index];
    c->count++;
    if (c->count >= c->target) {
        want_no_more(all, index);
    }
}

/* ---- ends ---- */

static void drop(rlt_tuner *tuner, int64_t index) {
    rlt_configuration *c = &tuner->configurations.items[index];
    c->dropped = true;
    c->target = c->count;
    want_no_more(&tuner->configurations, index);
}

static void note(rlt_tuner *tuner, int64_t number, const double *constraints) {
    rlt_configurations *all = &tuner->configurations;
    const rlt_tuner_trial *at = &tuner->trials[number];
    const int64_t index = at->configuration;
    const int limits = tuner->config.constraints.count;
    rlt_configuration *c = &all->items[index];
    bool stopped = at->state == RLT_TRIAL_STOPPED;
    c->ended++;
    c->completed += at->state == RLT_TRIAL_COMPLETED;
    c->failed |= at->state == RLT_TRIAL_FAILED;
    c->infeasible |= at->infeasible;
    bool counts = stopped && c->stopped ? at->steps < c->steps
                  : stopped             ? true
                                        : !c->stopped && at->steps > c->steps;
    c->steps = counts ? at->steps : c->steps;
    c->stopped |= stopped;
    for (int i = 0; i < limits; i++) { /* NAN stays */
        double *limit = &all->limits[index * limits + i];
        *limit = isnan(*limit) || isnan(constraints[i]) ? NAN : fmax(*limit, constraints[i]);
    }
    if (at->state != RLT_TRIAL_FAILED) {
        all->keys[index * tuner->config.seeds + at->replicate] = at->key;
    }
    update_key(tuner, index);
    if (at->state != RLT_TRIAL_COMPLETED || isnan(at->key)) {
        drop(tuner, index);
    }
}

static rlt_trial_state state_of(const rlt_configuration *c) {
    return c->failed ? RLT_TRIAL_FAILED : c->stopped ? RLT_TRIAL_STOPPED : RLT_TRIAL_COMPLETED;
}

/* Equal ones in the order of number. */
static bool is_before(const rlt_tuner *tuner, int64_t a, int64_t b) {
    const rlt_configuration *x = &tuner->configurations.items[a];
    const rlt_configuration *y = &tuner->configurations.items[b];
    return rlt_configuration_better(x, y) || (a < b && !rlt_configuration_better(y, x));
}

static void close_configuration(rlt_tuner *tuner, int64_t index) {
    rlt_configurations *all = &tuner->configurations;
    rlt_configuration *c = &all->items[index];
    const int64_t place = tuner->history.sources + index;
    c->closed = true;
    json_decref(c->params);
    c->params = NULL;
    while (all->first_open < all->count && all->items[all->first_open].closed) {
        all->first_open++;
    }
    double goal = rlt_tuner_oriented(tuner, tuner->config.goal);
    bool whole = c->completed == tuner->config.seeds && c->measured == c->completed;
    if (whole && !c->infeasible) {
        tuner->goal_reached |= c->key >= goal;
        bool first = all->best_whole < 0 || is_before(tuner, index, all->best_whole);
        all->best_whole = first ? index : all->best_whole;
    }
    if (place < tuner->history.count) {
        rlt_history_end(&tuner->history, place, state_of(c), &c->key,
                        all->limits + index * tuner->config.constraints.count, c->steps);
    }
    if (tuner->sampler->ended != NULL) {
        tuner->sampler->ended(tuner->sampler_state, place);
    }
}

/* More replicates than the configuration has had; its target if there are none. */
static int64_t next_target(rlt_tuner *tuner, int64_t number) {
    const rlt_configuration *c = &tuner->configurations.items[tuner->trials[number].configuration];
    if (c->dropped || c->count >= tuner->config.seeds) {
        return c->count;
    }
    if (c->count < start_of(tuner)) { /* the first one has completed, its stopper had no say */
        return start_of(tuner);
    }
    return rlt_race_judge(tuner, number) ? c->count + 1 : c->count;
}

void rlt_replicate_ended(rlt_tuner *tuner, int64_t number, const double *constraints) {
    const int64_t index = tuner->trials[number].configuration;
    tuner->configurations.race.number = -1;
    note(tuner, number, constraints);
    const rlt_configuration *c = &tuner->configurations.items[index];
    if (c->ended < c->target || c->ended < c->count) {
        return;
    }
    int64_t target = next_target(tuner, number);
    if (target > c->target) {
        want(tuner, index, target);
        return;
    }
    drop(tuner, index);
    close_configuration(tuner, index);
}

/* ---- the best ---- */

bool rlt_configuration_better(const rlt_configuration *a, const rlt_configuration *b) {
    return a->completed != b->completed ? a->completed > b->completed
           : a->measured != b->measured ? a->measured > b->measured
                                        : a->key > b->key;
}

int64_t rlt_configurations_best(const rlt_tuner *tuner) {
    const rlt_configurations *all = &tuner->configurations;
    int64_t best = all->best_whole;
    for (int64_t i = 0; all->best_whole < 0 && i < all->count; i++) {
        const rlt_configuration *c = &all->items[i];
        bool counts = !c->failed && !c->infeasible && !isnan(c->key);
        if (counts && (best < 0 || rlt_configuration_better(c, &all->items[best]))) {
            best = i;
        }
    }
    return best;
}

/* ---- for the driver ---- */

void rlt_tuner_replicate(const rlt_tuner *tuner, int64_t number, int64_t *configuration,
                         int64_t *replicate) {
    RLT_ASSERT(number >= 0 && number < tuner->count);
    *configuration = rlt_tuner_first(tuner, tuner->trials[number].configuration);
    *replicate = tuner->trials[number].replicate;
}

int64_t rlt_tuner_planned(const rlt_tuner *tuner) {
    const rlt_configurations *all = &tuner->configurations;
    int64_t later = 0, sure = is_judged(tuner) ? 1 : start_of(tuner);
    for (int64_t i = 0; i < all->wanting_count; i++) {
        later += all->items[all->wanting[i]].target - all->items[all->wanting[i]].count;
    }
    int64_t left = tuner->config.trials - rlt_tuner_configurations(tuner);
    later += left > 0 ? left * (rlt_tuner_replicates(tuner) ? sure : 1) : 0;
    return tuner->count + later;
}

bool rlt_tuner_race(const rlt_tuner *tuner, int64_t number, rlt_race *race) {
    *race = tuner->configurations.race;
    return race->number == number && number >= 0;
}
