/* tuner: which trials are good ones with several objectives, as in Optuna 5.0.0 (TPESampler), after
 * Ozaki et al., "Multiobjective tree-structured Parzen estimator", JAIR 2022: whole fronts of the
 * feasible trials as far as they fit; of the front that does not fit those whose hypervolume
 * together is large; then those that are not feasible, the least violation first.
 * Thread: the tuner's. */
#include "tuner/pareto.h"
#include "tuner/samplers/tpe.h"

#include <math.h>
#include <string.h>

typedef struct feasible {
    double *keys;             /* [count, objectives] */
    int64_t *numbers, *ranks; /* [count] */
    int64_t count;
} feasible;

/* numbers come in the order of rlt_history_before: feasible ones first. */
static feasible feasible_of(const rlt_history *history, const int64_t *numbers, int64_t count) {
    feasible some = {0};
    while (some.count < count && history->violations[numbers[some.count]] == 0) {
        some.count++;
    }
    size_t room = (size_t)some.count;
    some.keys = rlt_alloc(sizeof(double) * room * (size_t)history->objectives);
    some.numbers = rlt_alloc(sizeof(int64_t) * room);
    some.ranks = rlt_alloc(sizeof(int64_t) * room);
    memcpy(some.numbers, numbers, sizeof(int64_t) * room);
    for (int64_t i = 0; i < some.count; i++) {
        rlt_history_point(history, numbers[i], some.keys + i * history->objectives);
    }
    rlt_nondomination_ranks(some.keys, some.count, history->objectives, NULL, some.ranks);
    return some;
}

/* Of front `rank` those with the most hypervolume. */
static void add_subset(const rlt_history *history, const feasible *some, int64_t rank, int64_t size,
                       int64_t *below) {
    const int objectives = history->objectives;
    double *keys = rlt_alloc(sizeof(double) * (size_t)(some->count * objectives));
    int64_t *numbers = rlt_alloc(sizeof(int64_t) * (size_t)some->count), count = 0;
    double reference[RLT_OBJECTIVES_MAX];
    for (int64_t i = 0; i < some->count; i++) {
        if (some->ranks[i] == rank) {
            memcpy(keys + count * objectives, some->keys + i * objectives,
                   sizeof(double) * (size_t)objectives);
            numbers[count++] = some->numbers[i];
        }
    }
    rlt_reference_point(keys, count, objectives, reference);
    rlt_hypervolume_subset(keys, count, objectives, size, reference, below);
    for (int64_t i = 0; i < size; i++) {
        below[i] = numbers[below[i]];
    }
    rlt_free(keys);
    rlt_free(numbers);
}

void rlt_tpe_split(const rlt_history *history, const int64_t *numbers, int64_t count, int64_t size,
                   int64_t *below) {
    feasible some = feasible_of(history, numbers, count);
    int64_t wanted = size < some.count ? size : some.count, taken = 0;
    for (int64_t rank = 0; taken < wanted; rank++) {
        int64_t members = 0;
        for (int64_t i = 0; i < some.count; i++) {
            members += some.ranks[i] == rank;
        }
        if (taken + members > wanted) {
            add_subset(history, &some, rank, wanted - taken, below + taken);
            break;
        }
        for (int64_t i = 0; i < some.count; i++) {
            if (some.ranks[i] == rank) {
                below[taken++] = some.numbers[i];
            }
        }
    }
    for (int64_t i = wanted; i < size; i++) { /* those after the feasible ones */
        below[i] = numbers[some.count + i - wanted];
    }
    rlt_free(some.keys);
    rlt_free(some.numbers);
    rlt_free(some.ranks);
}
