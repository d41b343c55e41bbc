/* tuner: one-shot search (single path one-shot with uniform sampling, Guo et al. 2020,
 * arXiv:1904.00420; weights shared as in ENAS, Pham et al. 2018). The first trial trains a
 * supernet: weights that all networks of the space share. The next ones are networks measured with
 * these weights, without training: all networks if they are few enough, else different random ones.
 * The last `retrain` ones are the best of them, trained alone. Why trials for all three: rows,
 * resume, leaderboards and `best` are those of any search. What is asked depends on which trials
 * there are and how they ended, in the order of numbers; a point that somebody gave is a trial like
 * any other, and trained alone. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NETWORKS_MAX = 4096 }; /* that the supernet's shapes are made for */

typedef struct oneshot_state {
    const rlt_search_space *space;
    const rlt_tune_fields *config;
    const rlt_history *history;
    int64_t networks;
    uint8_t *stages; /* [known] of the trials started: 1 + rlt_stage; 0: not of this sampler */
    int64_t known, capacity;
    int64_t supernet;      /* place, -1: none yet */
    int64_t shared, alone; /* trials started */
    rlt_stage next;        /* of what was asked for last */
    rlt_value *values;     /* [space.count] scratch */
} oneshot_state;

static int64_t count_networks(const rlt_search_space *space) {
    int64_t count = 1;
    for (int i = 0; i < space->count && count <= NETWORKS_MAX; i++) {
        int64_t values = rlt_param_count(&space->params[i]);
        count = values > NETWORKS_MAX ? NETWORKS_MAX + 1 : count * values;
    }
    return count;
}

static rlt_status check_space(const rlt_search_space *space, rlt_err *err) {
    for (int i = 0; i < space->count; i++) {
        const rlt_param *param = &space->params[i];
        bool model = strncmp(param->path, "model", 5) == 0 &&
                     (param->path[5] == '.' || param->path[5] == '[' || param->path[5] == 0);
        if (!model || param->kind == RLT_DIST_FUNCTION || rlt_param_count(param) == 0) {
            return rlt_fail(err, RLT_ECONFIG,
                            "%s: oneshot searches the model alone, by choices and whole numbers%s",
                            param->path,
                            param->kind == RLT_DIST_FUNCTION
                                ? ", not by functions; { \"skip\" } is a layer that is not there"
                            : model ? ""
                                    : "; give this field one value");
        }
    }
    int64_t networks = count_networks(space);
    if (networks < 2 || networks > NETWORKS_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler: oneshot shares weights between 2 to %d networks; this space "
                        "has %s",
                        NETWORKS_MAX, networks < 2 ? "one" : "more");
    }
    return RLT_OK;
}

static rlt_status oneshot_check(const rlt_search_space *space, const rlt_tune_fields *config,
                                rlt_err *err) {
    RLT_TRY(check_space(space, err));
    if (config->sampler != RLT_SAMPLER_ONESHOT) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "tune.sampler.base: oneshot cannot be wrapped; give model's fields that are "
            "fixed one value");
    }
    if (config->stopper != RLT_STOPPER_NONE || config->seeds > 1) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.%s: does not go with oneshot, whose trials are of different kinds",
                        config->seeds > 1 ? "seeds" : "stopper");
    }
    return config->trials >= 2 + config->oneshot.retrain
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.trials: %" PRId64 " are too few for oneshot: one trains the "
                          "supernet, retrain = %" PRId64 " train networks alone, and the others "
                          "measure networks",
                          config->trials, config->oneshot.retrain);
}

static void oneshot_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                         const rlt_history *history) {
    oneshot_state *at = state;
    *at = (oneshot_state){.space = space, .config = config, .history = history, .supernet = -1};
    at->networks = count_networks(space);
    at->values = rlt_alloc(sizeof(rlt_value) * (size_t)space->count);
}

static void oneshot_fini(void *state) {
    oneshot_state *at = state;
    rlt_free(at->stages);
    rlt_free(at->values);
}

/* Network 0 .. networks - 1, the last path fastest. */
static void network(const oneshot_state *at, int64_t index, rlt_value *values) {
    for (int i = at->space->count - 1; i >= 0; i--) {
        int64_t count = rlt_param_count(&at->space->params[i]);
        values[i] = rlt_param_nth(&at->space->params[i], index % count);
        index /= count;
    }
}

/* How many networks are measured: those that there are, as far as trials allow. */
static int64_t measured(const oneshot_state *at) {
    int64_t room = at->config->trials - 1 - at->config->oneshot.retrain;
    return room < at->networks ? room : at->networks;
}

static bool is_stage(const oneshot_state *at, int64_t place, rlt_stage stage) {
    return place < at->known && at->stages[place] == 1 + (int)stage;
}

/* The place of the measured network with that rank, counted from 0; -1: there is none. */
static int64_t ranked(const oneshot_state *at, int64_t rank) {
    for (int64_t i = 0; i < at->known; i++) {
        int64_t better = 0;
        if (!is_stage(at, i, RLT_STAGE_SHARED) || at->history->states[i] != RLT_TRIAL_COMPLETED) {
            continue;
        }
        for (int64_t k = 0; k < at->known; k++) {
            better += is_stage(at, k, RLT_STAGE_SHARED) &&
                      at->history->states[k] == RLT_TRIAL_COMPLETED &&
                      rlt_history_before(at->history, k, i);
        }
        if (better == rank) {
            return i;
        }
    }
    return -1;
}

static bool runs(const oneshot_state *at, rlt_stage stage) {
    for (int64_t i = 0; i < at->known; i++) {
        if (is_stage(at, i, stage) && at->history->states[i] == RLT_TRIAL_RUNNING) {
            return true;
        }
    }
    return false;
}

static rlt_status plan(const oneshot_state *at, rlt_value *values, rlt_stage *stage, rlt_err *err) {
    if (at->supernet < 0) {
        *stage = RLT_STAGE_SUPERNET;
        network(at, 0, values);
        return RLT_OK;
    }
    if (at->history->states[at->supernet] == RLT_TRIAL_RUNNING) {
        return rlt_fail(err, RLT_EBUSY, "the shared weights are being trained");
    }
    if (at->history->states[at->supernet] != RLT_TRIAL_COMPLETED) {
        return rlt_fail(err, RLT_ENOTFOUND, "there are no shared weights: their trial was %s",
                        rlt_trial_state_name((rlt_trial_state)at->history->states[at->supernet]));
    }
    if (at->shared < measured(at)) {
        *stage = RLT_STAGE_SHARED;
        network(at, rlt_shuffle(at->networks, at->shared, (uint64_t)at->config->seed), values);
        return RLT_OK;
    }
    if (at->alone < at->config->oneshot.retrain && runs(at, RLT_STAGE_SHARED)) {
        return rlt_fail(err, RLT_EBUSY, "networks are being measured");
    }
    int64_t best = at->alone < at->config->oneshot.retrain ? ranked(at, at->alone) : -1;
    if (best < 0) {
        return rlt_fail(err, RLT_ENOTFOUND, "all networks to be trained alone have been started");
    }
    *stage = RLT_STAGE_ALONE;
    memcpy(values, at->history->values + best * at->history->dimensions,
           sizeof(rlt_value) * (size_t)at->space->count);
    return RLT_OK;
}

static rlt_status oneshot_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)index;
    oneshot_state *at = state;
    return plan(at, values, &at->next, err);
}

static bool is_planned(const oneshot_state *at, int64_t place) {
    const rlt_value *values = at->history->values + place * at->history->dimensions;
    for (int i = 0; i < at->space->count; i++) {
        if (values[i].choice != at->values[i].choice || values[i].number != at->values[i].number) {
            return false;
        }
    }
    return true;
}

static void oneshot_started(void *state, int64_t place) {
    oneshot_state *at = state;
    rlt_stage stage = RLT_STAGE_ALONE;
    bool own = place >= at->history->sources && plan(at, at->values, &stage, NULL) == RLT_OK &&
               is_planned(at, place);
    at->stages = rlt_tuner_grow(at->stages, &at->capacity, place + 1, sizeof(*at->stages));
    at->stages[place] = own ? (uint8_t)(1 + (int)stage) : 0;
    at->known = place + 1;
    if (own) {
        at->supernet = stage == RLT_STAGE_SUPERNET ? place : at->supernet;
        at->shared += stage == RLT_STAGE_SHARED;
        at->alone += stage == RLT_STAGE_ALONE;
    }
}

static rlt_stage oneshot_stage(const void *state, int64_t place) {
    const oneshot_state *at = state;
    return at->stages[place] > 0 ? (rlt_stage)(at->stages[place] - 1) : RLT_STAGE_ALONE;
}

static int64_t oneshot_parent(const void *state, int64_t place) {
    const oneshot_state *at = state;
    bool takes = is_stage(at, place, RLT_STAGE_SHARED) ||
                 (is_stage(at, place, RLT_STAGE_ALONE) && at->config->oneshot.inherit);
    return takes ? at->supernet : -1;
}

const rlt_sampler_def rlt_sampler_oneshot = {
    .check = oneshot_check,
    .state_size = sizeof(oneshot_state),
    .init = oneshot_init,
    .fini = oneshot_fini,
    .ask = oneshot_ask,
    .started = oneshot_started,
    .parent = oneshot_parent,
    .stage = oneshot_stage,
};
