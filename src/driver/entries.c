/* driver: what is kept of trials in memory: an entry while a trial is open and for some time after,
 * for who watches; of older ones sums. Why: a search of a million trials has a dozen open ones, and
 * everything that has to be remembered of the others is in their rows.
 * Thread: the driver's. Owner: the driver. */
#include "driver/driver_impl.h"

#include <math.h>
#include <stdlib.h>

enum { ENDED_KEPT = 256 };

rlt_driver_entry *rlt_driver_add(rlt_driver *d) {
    if (d->count == d->capacity) {
        size_t capacity = 2 * d->capacity + 64;
        d->trials = realloc(d->trials, sizeof(*d->trials) * capacity);
        d->views = realloc(d->views, sizeof(*d->views) * capacity);
        RLT_ASSERT(d->trials != NULL && d->views != NULL);
        d->capacity = capacity;
    }
    rlt_driver_entry *t = &d->trials[d->count++];
    *t = (rlt_driver_entry){.job = {.pidfd = -1}, .last = NAN, .best = NAN};
    rlt_driver_measures_init(d, t);
    return t;
}

/* Retrainings come after all search trials. */
static int64_t key_of(bool final, int64_t number) {
    return number + (final ? INT64_C(1) << 62 : 0);
}

int64_t rlt_driver_key(const rlt_driver_entry *t) {
    return key_of(t->final, t->number);
}

rlt_driver_entry *rlt_driver_of_key(const rlt_driver *d, int64_t key) {
    size_t low = 0, high = d->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rlt_driver_key(&d->trials[middle]) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < d->count && rlt_driver_key(&d->trials[low]) == key ? &d->trials[low] : NULL;
}

rlt_driver_entry *rlt_driver_trial_of(const rlt_driver *d, int64_t number) {
    return rlt_driver_of_key(d, key_of(false, number));
}

rlt_driver_entry *rlt_driver_final_of(const rlt_driver *d, int64_t number) {
    return rlt_driver_of_key(d, key_of(true, number));
}

rlt_driver_entry *rlt_driver_place(rlt_driver *d) {
    const rlt_driver_entry last = d->trials[d->count - 1];
    size_t at = d->count - 1;
    while (at > 0 && rlt_driver_key(&d->trials[at - 1]) > rlt_driver_key(&last)) {
        d->trials[at] = d->trials[at - 1];
        at--;
    }
    d->trials[at] = last;
    d->first_open = d->first_open < at ? d->first_open : at;
    return &d->trials[at];
}

static bool is_over(const rlt_driver_entry *t) {
    return !rlt_driver_is_open(t) && !rlt_driver_has_process(t) && !t->program.runs && !t->spawn &&
           !t->sweep && t->reply == RLT_REPLY_NONE;
}

static void drop(rlt_driver *d, rlt_driver_entry *t) {
    d->dropped.count++;
    d->dropped.finals += t->final;
    d->dropped.steps += t->steps;
    d->dropped.search_steps += t->final ? 0 : t->steps;
    d->dropped.states[t->state]++;
    json_decref(t->params);
    free(t->verdict);
    free(t->measures);
}

void rlt_driver_drop_ended(rlt_driver *d) {
    size_t over = 0, kept = 0;
    /* a search space that grows needs them again, and a client may tell twice */
    if (d->count < d->drop_at || d->count < 2 * ENDED_KEPT || rlt_driver_is_external(d)) {
        return;
    }
    for (size_t i = 0; i < d->count; i++) {
        over += is_over(&d->trials[i]);
    }
    for (size_t i = 0; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        bool is_old = is_over(t) && over > ENDED_KEPT;
        if (is_old) {
            drop(d, t);
            over--;
        } else {
            d->trials[kept++] = *t;
        }
    }
    d->count = kept;
    d->first_open = 0;
    while (d->first_open < kept && is_over(&d->trials[d->first_open])) {
        d->first_open++;
    }
    d->drop_at = kept + (kept > ENDED_KEPT ? kept : ENDED_KEPT);
}

/* ---- rows ---- */

static rlt_status read_ids(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    int64_t *ids = user;
    ids[0] = strtoll(values[0], NULL, 10);
    ids[1] = strtoll(values[1], NULL, 10);
    return RLT_OK;
}

rlt_status rlt_driver_find_row(rlt_driver *d, int64_t number, int64_t *id, int64_t *configuration,
                               rlt_err *err) {
    const int64_t args[] = {d->experiment, number};
    int64_t ids[2] = {0};
    RLT_TRY(rlt_store_query(d->store,
                            "SELECT id, configuration FROM trials WHERE experiment = ?1 AND "
                            "role = 'search' AND number = ?2",
                            args, 2, read_ids, ids, err));
    *id = ids[0];
    *configuration = ids[1];
    return RLT_OK;
}

rlt_driver_entry *rlt_driver_interrupted(rlt_driver *d) {
    for (size_t i = d->first_open; d->interrupted && !d->copies && i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->interrupted && !t->final && rlt_driver_may_start(d, t)) {
            return t;
        }
    }
    d->interrupted = false;
    return NULL;
}
