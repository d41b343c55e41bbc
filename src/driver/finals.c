/* driver: the winner of a search again, from scratch, with seeds that nobody has used. A search may
 * grow afterwards (resume --trials, enqueue): then another winner is trained as well, the same one
 * is not. What has been trained is seen from rows alone, and changed in one transaction, so that a
 * driver that dies anywhere here is of no matter. Thread: the driver's. Owner: the driver. */
#include "driver/driver_impl.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct trained {               /* of the newest winner that was trained again */
    int64_t configuration, runs, next; /* runs that count; the first number that is free */
} trained;

static rlt_status read_trained(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    trained *t = user;
    t->configuration = strtoll(values[0], NULL, 10);
    t->runs = strtoll(values[1], NULL, 10);
    t->next = strtoll(values[2], NULL, 10) + 1;
    return RLT_OK;
}

/* Those that were stopped, by another winner or by an end before their own, count for nothing. */
static rlt_status find_trained(rlt_driver *d, trained *t, rlt_err *err) {
    const int64_t args[] = {d->experiment};
    *t = (trained){.configuration = -1};
    return rlt_store_query(d->store,
                           "SELECT n.configuration, (SELECT count(*) FROM trials r WHERE "
                           "r.experiment = ?1 AND r.role = 'final' AND r.configuration = "
                           "n.configuration AND r.state <> 'stopped'), n.number FROM trials n "
                           "WHERE n.experiment = ?1 AND n.role = 'final' ORDER BY n.number DESC "
                           "LIMIT 1",
                           args, 1, read_trained, t, err);
}

/* The winner's parameters out of its row: ended trials keep none in memory. */
static rlt_status winner_params(rlt_driver *d, int64_t trial, json_t **params, rlt_err *err) {
    rlt_trial_row row;
    RLT_TRY(rlt_store_trial_get(d->store, trial, &row, err));
    *params = json_loads(row.params_json, 0, NULL);
    rlt_trial_row_fini(&row);
    return *params != NULL ? RLT_OK
                           : rlt_fail(err, RLT_ECORRUPT, "trial row %lld holds no parameters",
                                      (long long)trial);
}

static rlt_status add_finals(rlt_driver *d, int64_t winner, int64_t configuration,
                             const trained *before, int64_t runs, rlt_err *err) {
    for (int64_t i = 0; i < runs; i++) {
        json_t *params = json_deep_copy(rlt_driver_first_params(d));
        RLT_TRY(params != NULL ? RLT_OK : winner_params(d, winner, &params, err));
        rlt_driver_entry *t = rlt_driver_add(d);
        t->final = true;
        t->number = before->next + i;
        t->replicate = t->number;
        t->configuration = configuration;
        t->params = params;
        t->seed = d->config.run.seed + 1000003 * (t->number + 1);
        RLT_TRY(rlt_driver_create_row(d, t, err));
    }
    return RLT_OK;
}

/* Runs of an earlier winner that have not ended. */
static rlt_status stop_others(rlt_driver *d, int64_t configuration, int64_t best, rlt_err *err) {
    char reason[80];
    snprintf(reason, sizeof reason, "trial %lld is the best one now", (long long)best);
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->final && rlt_driver_is_open(t) && t->configuration != configuration) {
            RLT_TRY(rlt_driver_finish(d, t, RLT_TRIAL_STOPPED, reason, err));
        }
    }
    return RLT_OK;
}

static void say(rlt_driver *d, int64_t best, const trained *before, bool same, int64_t runs) {
    if (runs == 0) {
        rlt_driver_say(d, "search done: trial %lld is best, as before: its final runs stay",
                       (long long)best);
    } else if (before->configuration < 0 || same) {
        rlt_driver_say(d,
                       "search done: trial %lld is best; it is trained again with %lld fresh seeds",
                       (long long)best, (long long)runs);
    } else {
        rlt_driver_say(d,
                       "search done: trial %lld is best now, no longer trial %lld: it is trained "
                       "again with %lld fresh seeds",
                       (long long)best, (long long)before->configuration, (long long)runs);
    }
}

rlt_status rlt_driver_plan_finals(rlt_driver *d, rlt_err *err) {
    double value;
    int64_t best = rlt_tuner_best(d->tuner, &value), seeds = d->config.tune.final.seeds;
    int64_t winner, configuration;
    trained before;
    d->finals_planned = true;
    if (!d->config.tuned || seeds == 0 || best < 0) {
        return RLT_OK;
    }
    RLT_TRY(rlt_driver_find_row(d, best, &winner, &configuration, err));
    RLT_TRY(find_trained(d, &before, err));
    bool same = before.configuration == configuration;
    int64_t runs = !same ? seeds : before.runs < seeds ? seeds - before.runs : 0;
    say(d, best, &before, same, runs);
    RLT_TRY(rlt_driver_winner_schedule(d, winner, err));
    RLT_TRY(stop_others(d, configuration, best, err));
    return add_finals(d, winner, configuration, &before, runs, err);
}
