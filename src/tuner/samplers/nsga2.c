/* tuner: NSGA-II: of the front that does not fit into the parents the least crowded ones. See
 * nsga.h. Thread: the tuner's. */
#include "tuner/pareto.h"
#include "tuner/samplers/nsga.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct crowd {
    double distance;
    const double *keys;
    int objectives;
    int64_t number;
} crowd;

/* The widest first. Ends have infinite distances: of equal ones, as in Optuna, that which is worse
 * in the last objective, in the one before it, and so on; then the newer one. */
static int least_crowded(const void *a, const void *b) {
    const crowd *x = a, *y = b;
    if (x->distance != y->distance) {
        return x->distance > y->distance ? -1 : 1;
    }
    for (int k = x->objectives - 1; k >= 0; k--) {
        if (x->keys[k] != y->keys[k]) {
            return x->keys[k] < y->keys[k] ? -1 : 1;
        }
    }
    return (x->number < y->number) - (x->number > y->number);
}

static void add_least_crowded(const rlt_nsga *at, const int64_t *front, int64_t count, int64_t size,
                              int64_t *chosen) {
    const int objectives = at->history->objectives;
    double *keys = rlt_alloc(sizeof(double) * (size_t)(count * objectives));
    double *distances = rlt_alloc(sizeof(double) * (size_t)count);
    crowd *all = rlt_alloc(sizeof *all * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        rlt_history_point(at->history, front[i], keys + i * objectives);
    }
    rlt_crowding_distances(keys, count, objectives, distances);
    for (int64_t i = 0; i < count; i++) {
        all[i] = (crowd){distances[i], keys + i * objectives, objectives, front[i]};
    }
    qsort(all, (size_t)count, sizeof *all, least_crowded);
    for (int64_t i = 0; i < size; i++) {
        chosen[i] = all[i].number;
    }
    rlt_free(keys);
    rlt_free(distances);
    rlt_free(all);
}

static void select_elite(const rlt_nsga *at, const int64_t *pool, int64_t count, int64_t size,
                         int64_t generation, int64_t *chosen) {
    (void)generation;
    double *keys = rlt_alloc(sizeof(double) * (size_t)(count * at->history->objectives));
    int64_t *ranks = rlt_alloc(sizeof(int64_t) * (size_t)count);
    int64_t *front = rlt_alloc(sizeof(int64_t) * (size_t)count), taken = 0;
    rlt_nsga_rank(at, pool, count, keys, ranks);
    for (int64_t rank = 0; taken < size; rank++) {
        int64_t members = 0;
        for (int64_t i = 0; i < count; i++) {
            if (ranks[i] == rank) {
                front[members++] = pool[i];
            }
        }
        int64_t room = size - taken < members ? size - taken : members;
        if (room < members) {
            add_least_crowded(at, front, members, room, chosen + taken);
        } else {
            memcpy(chosen + taken, front, sizeof(int64_t) * (size_t)members);
        }
        taken += room;
    }
    rlt_free(keys);
    rlt_free(ranks);
    rlt_free(front);
}

static void nsga2_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    rlt_nsga_init(state, space, config, history, select_elite);
}

const rlt_sampler_def rlt_sampler_nsga2 = {
    .check = rlt_nsga_check,
    .abilities = RLT_SAMPLER_SEVERAL | RLT_SAMPLER_LIMITS,
    .state_size = sizeof(rlt_nsga),
    .init = nsga2_init,
    .fini = rlt_nsga_fini,
    .ask = rlt_nsga_ask,
    .ended = rlt_nsga_ended,
};
