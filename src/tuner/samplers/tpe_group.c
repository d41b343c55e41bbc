/* tuner: TPE for parameters that only some trials have: those whose space a function of the script
 * returned. As Optuna's TPESampler(group=True, multivariate=True): branches (a parameter with one
 * space) that the same trials have make a group, which is drawn together; good and bad trials are
 * those of all parameters, of them those that have the whole group. Of a branch that no finished
 * trial has nothing is known.
 * A group is found by a sum over the trials that have a branch, so it is a function of the set of
 * results. Thread: the tuner's. */
#include "tuner/samplers/tpe.h"

#include <math.h>
#include <string.h>

static rlt_tpe_branch *branch_at(rlt_tpe *at, int branch) {
    rlt_tpe_groups *groups = &at->groups;
    groups->items =
        rlt_tuner_grow(groups->items, &groups->capacity, branch + 1, sizeof(*groups->items));
    for (; groups->count <= branch; groups->count++) {
        groups->items[groups->count] = (rlt_tpe_branch){0};
    }
    return &groups->items[branch];
}

static const int32_t *taken_by(const rlt_tpe *at, int64_t number) {
    return at->history->taken + number * at->history->dimensions;
}

void rlt_tpe_groups_ended(rlt_tpe *at, int64_t number) {
    at->groups.drawn_first = -1;
    if (at->history->taken == NULL || at->history->states[number] == RLT_TRIAL_FAILED) {
        return;
    }
    for (int i = 0; i < at->space->count; i++) {
        if (taken_by(at, number)[i] >= 0) {
            rlt_tpe_branch *branch = branch_at(at, taken_by(at, number)[i]);
            branch->trials++;
            branch->signature += rlt_hash64(&number, sizeof number, 0);
        }
    }
}

void rlt_tpe_groups_fini(rlt_tpe *at) {
    rlt_free(at->groups.items);
    rlt_free(at->groups.drawn);
    rlt_free(at->groups.members);
}

int rlt_tpe_group_of(rlt_tpe *at, int branch, int *members) {
    const rlt_tpe_branch mine = *branch_at(at, branch);
    bool together = at->config->tpe.group && at->config->tpe.multivariate;
    int count = 0;
    for (int i = 0; i < at->groups.count; i++) {
        const rlt_tpe_branch *other = &at->groups.items[i];
        bool same = other->trials == mine.trials && other->signature == mine.signature;
        if (i == branch || (together && same)) {
            members[count++] = i;
        }
    }
    return count;
}

/* The group's members, those with real numbers first; dims: [count] */
static int make_group(rlt_tpe *at, int branch, rlt_parzen_dim *dims) {
    int *members = at->groups.members, count = rlt_tpe_group_of(at, branch, members), real = 0;
    for (int i = 0; i < count; i++) {
        rlt_parzen_dim dim = rlt_parzen_dim_of(&at->history->branches[members[i]].space);
        int member = members[i];
        dims[i] = dim;
        if (dim.kind == RLT_PARZEN_REAL) {
            memmove(dims + real + 1, dims + real, sizeof(*dims) * (size_t)(i - real));
            memmove(members + real + 1, members + real, sizeof(int) * (size_t)(i - real));
            dims[real] = dim;
            members[real++] = member;
        }
    }
    return count;
}

/* Whether the trial has the whole group; if so, x: its point. */
static bool read_point(const rlt_tpe *at, int64_t number, const rlt_parzen_dim *dims, int count,
                       double *x) {
    const rlt_value *values = at->history->values + number * at->history->dimensions;
    for (int d = 0; d < count; d++) {
        const rlt_branch *branch = &at->history->branches[at->groups.members[d]];
        if (taken_by(at, number)[branch->param] != at->groups.members[d]) {
            return false;
        }
        x[d] = rlt_parzen_coordinate(&branch->space, &dims[d], values[branch->param]);
    }
    return true;
}

static void fill(const rlt_tpe *at, rlt_tpe_member member, const rlt_parzen_dim *dims, int count,
                 rlt_parzen *into) {
    double *x = rlt_alloc(sizeof(double) * (size_t)count);
    int64_t slot = 0, *numbers = NULL, capacity = 0;
    for (int64_t i = 0; i < at->history->count && i < at->member_capacity; i++) {
        if (at->members[i] == member && read_point(at, i, dims, count, x)) {
            numbers = rlt_tuner_grow(numbers, &capacity, slot + 1, sizeof(*numbers));
            numbers[slot] = i;
            rlt_parzen_insert(into, slot++, x);
        }
    }
    if (member == RLT_TPE_BELOW && slot > 0) {
        rlt_tpe_weigh(at, into, numbers, slot);
    }
    rlt_free(numbers);
    rlt_free(x);
}

/* Draws candidates, of which the best goes to groups.drawn [count]. */
static void draw(rlt_tpe *at, int64_t index, const rlt_parzen_dim *dims, int count) {
    const rlt_tune_fields *config = at->config;
    rlt_parzen_options options = {config->tpe.prior_weight, config->tpe.consider_magic_clip,
                                  config->tpe.consider_endpoints, false, 1};
    rlt_parzen good, bad;
    rlt_parzen_init(&bad, dims, count, options);
    options.flat = at->history->objectives > 1;
    options.narrow = rlt_tpe_narrow(at);
    rlt_parzen_init(&good, dims, count, options);
    fill(at, RLT_TPE_BELOW, dims, count, &good);
    fill(at, RLT_TPE_ABOVE, dims, count, &bad);
    rlt_rng rng = rlt_rng_make((uint64_t)config->seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    rng.index = ((uint64_t)at->groups.members[0] + 1) << 40; /* apart from other groups' draws */
    double *x = rlt_alloc(sizeof(double) * (size_t)(count * at->lanes));
    rlt_parzen_sample(&good, &rng, 0, count, x, at->lanes);
    rlt_parzen_log_pdf(&good, 0, count, x, at->lanes, at->log_good);
    rlt_parzen_log_pdf(&bad, 0, count, x, at->lanes, at->log_bad);
    int best = rlt_tpe_best_lane(at);
    for (int d = 0; d < count; d++) {
        at->groups.drawn[d] = x[d * at->lanes + best];
    }
    rlt_free(x);
    rlt_parzen_fini(&good);
    rlt_parzen_fini(&bad);
}

bool rlt_tpe_branch_value(void *state, int64_t index, int branch, rlt_value *value) {
    rlt_tpe *at = state;
    if (at->rank_count < at->config->tpe.n_startup_trials || branch_at(at, branch)->trials == 0) {
        return false;
    }
    rlt_tpe_groups *groups = &at->groups;
    size_t room = (size_t)groups->count;
    rlt_free(groups->members);
    groups->members = rlt_alloc(sizeof(int) * room);
    rlt_parzen_dim *dims = rlt_alloc(sizeof(*dims) * room);
    int count = make_group(at, branch, dims);
    if (groups->drawn_first != groups->members[0] || groups->drawn_index != index) {
        rlt_free(groups->drawn);
        groups->drawn = rlt_alloc(sizeof(double) * (size_t)count);
        draw(at, index, dims, count);
        groups->drawn_first = groups->members[0];
        groups->drawn_index = index;
    }
    for (int d = 0; d < count; d++) {
        if (groups->members[d] == branch) {
            *value =
                rlt_parzen_value(&at->history->branches[branch].space, &dims[d], groups->drawn[d]);
        }
    }
    rlt_free(dims);
    return true;
}
