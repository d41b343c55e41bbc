/* tuner: the race between configurations (tune.race): after each of its replicates, from `start`
 * on, a configuration is compared with the best one on the seeds that both have, and gets a further
 * seed unless it is significantly worse.
 * After F-Race and irace (Birattari et al. 2002; Lopez-Ibanez et al. 2016), in the form that
 * sequential searches have: a newcomer against the incumbent (Hutter et al. 2011, SMAC, whose
 * challengers are dropped without a test). Seeds are common to all, so that tests are paired.
 * Thread: the tuner's. */
#include "analysis/analysis.h"
#include "tuner/stoppers/signed_rank.h"
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* The best of the others that have all their first `seeds` replicates completed; -1: none. */
static int64_t find_rival(const rlt_tuner *tuner, int64_t index, int seeds) {
    const rlt_configurations *all = &tuner->configurations;
    int64_t best = all->best_whole;
    for (int64_t i = 0; all->best_whole < 0 && i < all->count; i++) {
        const rlt_configuration *c = &all->items[i];
        bool counts = i != index && c->completed >= seeds && !c->failed && !c->infeasible;
        const double *keys = rlt_configuration_keys(tuner, i);
        for (int k = 0; counts && k < seeds; k++) {
            counts = !isnan(keys[k]);
        }
        if (counts && (best < 0 || rlt_configuration_better(c, &all->items[best]))) {
            best = i;
        }
    }
    return best;
}

/* Whether it was never dropped, and has all its first `seeds` replicates with a result. */
static bool is_in(const rlt_tuner *tuner, int64_t index, int seeds) {
    const rlt_configuration *c = &tuner->configurations.items[index];
    bool whole = c->completed == tuner->config.seeds;
    bool counts = c->completed >= seeds && !c->failed && !c->infeasible && (whole || !c->dropped);
    const double *keys = rlt_configuration_keys(tuner, index);
    for (int k = 0; counts && k < seeds; k++) {
        counts = isfinite(keys[k]);
    }
    return counts;
}

/* As irace's F-test: ranks of all that are still in, on every seed; then Conover's comparison with
 * the rival. The larger p of the two decides. */
static double friedman(const rlt_tuner *tuner, int64_t index, int64_t rival, int seeds,
                       int *compared) {
    const rlt_configurations *all = &tuner->configurations;
    int64_t *in = rlt_alloc(sizeof *in * (size_t)all->count);
    int count = 0, own = 0, its = 0;
    for (int64_t i = 0; i < all->count; i++) {
        if (i == index || i == rival || is_in(tuner, i, seeds)) {
            own = i == index ? count : own;
            its = i == rival ? count : its;
            in[count++] = i;
        }
    }
    double *values = rlt_alloc(sizeof *values * (size_t)count * (size_t)(seeds + 1));
    double *sums = values + (size_t)count * (size_t)seeds;
    for (int k = 0; k < seeds; k++) {
        for (int i = 0; i < count; i++) {
            values[k * count + i] = rlt_configuration_keys(tuner, in[i])[k];
        }
    }
    rlt_friedman test = rlt_friedman_test(values, seeds, count, sums);
    double behind = sums[its] - sums[own];
    double p = isnan(test.p) || !(behind > 0) ? 1 : fmax(test.p, rlt_conover(&test, behind));
    *compared = count;
    rlt_free(values);
    rlt_free(in);
    return p;
}

/* The p-value of "no worse"; NAN: nothing can be said. differences: own less the rival's. */
static double test_pair(const rlt_tuner *tuner, double *differences, int seeds) {
    double sum = 0;
    for (int i = 0; i < seeds; i++) {
        sum += differences[i];
    }
    if (!isfinite(sum)) {
        return NAN;
    }
    return tuner->config.race.test != RLT_RACE_T
               ? rlt_signed_rank_less(differences, seeds, differences + seeds)
               : rlt_paired_less(differences, seeds);
}

static void explain(const rlt_tuner *tuner, rlt_race *race) {
    static const char *const tests[] = {
        [RLT_RACE_T] = "paired t-test",
        [RLT_RACE_WILCOXON] = "signed-rank test",
        [RLT_RACE_FRIEDMAN] = "Friedman test",
    };
    const char *metric = tuner->config.metric[0] != 0 ? tuner->config.metric : "the result";
    const char *next = race->extend ? "it gets another seed" : "it gets no further seed";
    if (race->best < 0) {
        snprintf(race->reason, sizeof race->reason,
                 "%s: there is no other configuration with %d seeds yet", next, race->seeds);
    } else if (isnan(race->p)) {
        snprintf(race->reason, sizeof race->reason,
                 "%s: its results and those of trial %" PRId64 " on %d seeds cannot be compared",
                 next, race->best, race->seeds);
    } else {
        snprintf(race->reason, sizeof race->reason,
                 "%s: on %d seeds its %.40s is %.6g, that of the best (trial %" PRId64
                 ") %.6g: %s by a %s, p = %.3g with alpha = %g",
                 next, race->seeds, metric, race->value, race->best, race->threshold,
                 race->extend ? "not significantly worse" : "significantly worse",
                 tests[tuner->config.race.test], race->p, race->alpha);
    }
}

static double amount(const rlt_tuner *tuner, int64_t index, int seeds) {
    return rlt_tuner_oriented(
        tuner,
        rlt_aggregate(tuner->config.aggregate, rlt_configuration_keys(tuner, index), seeds, true));
}

/* With two, Friedman's is the sign test: the signed ranks say more, as irace has it. */
static void judge_by_ranks(const rlt_tuner *tuner, int64_t index, int64_t rival, rlt_race *race) {
    int compared;
    double p = friedman(tuner, index, rival, race->seeds, &compared);
    if (compared > 2) {
        race->p = p;
        race->compared = compared;
    }
}

bool rlt_race_judge(rlt_tuner *tuner, int64_t number) {
    rlt_configurations *all = &tuner->configurations;
    const int64_t index = tuner->trials[number].configuration;
    const rlt_configuration *c = &all->items[index];
    const int seeds = c->count;
    int64_t rival = find_rival(tuner, index, seeds);
    rlt_race *race = &all->race;
    *race = (rlt_race){.number = number,
                       .configuration = c->first,
                       .best = -1,
                       .seeds = seeds,
                       .extend = true,
                       .value = amount(tuner, index, seeds),
                       .threshold = NAN,
                       .p = NAN,
                       .alpha = tuner->config.race.alpha};
    if (rival >= 0) {
        const double *own = rlt_configuration_keys(tuner, index);
        const double *its = rlt_configuration_keys(tuner, rival);
        for (int i = 0; i < seeds; i++) {
            all->scratch[i] = own[i] - its[i];
        }
        race->best = all->items[rival].first;
        race->threshold = amount(tuner, rival, seeds);
        race->p = test_pair(tuner, all->scratch, seeds);
        race->compared = 2;
        if (tuner->config.race.test == RLT_RACE_FRIEDMAN && !isnan(race->p)) {
            judge_by_ranks(tuner, index, rival, race);
        }
        race->extend = !(race->p < race->alpha);
    }
    explain(tuner, race);
    return race->extend;
}
