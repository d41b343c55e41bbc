/* tuner: populations: see population.h. At a milestone the live trials with a result are ranked by
 * their newest one; of n the worst q = ceil(n * quantile_fraction), at most n / 2, are the lower
 * quantile, the best q the upper one. A trial of the lower one goes on with the weights of a random
 * one of the upper. Asynchronous: the trial that reports is compared at once. Synchronous: trials
 * wait until all live ones are there. A result that is not a number counts as the worst.
 * Thread: the tuner's. */
#include "tuner/stoppers/population.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_RANK, NUMBER_EXPECTED, NUMBER_SOURCE, NUMBER_SOURCE_VALUE };

double rlt_population_draw(const rlt_population *at, int64_t number, int64_t index,
                           const char *what) {
    char name[RLT_NAME_MAX + 64];
    snprintf(name, sizeof name, "population %lld %s", (long long)index, what);
    return rlt_tuner_draw((uint64_t)at->config->seed, number, name);
}

void rlt_population_note(json_t *changes, const char *path, const json_t *from, const json_t *to,
                         const char *by) {
    json_object_set_new(changes, path,
                        json_pack("{s:O?, s:O?, s:s}", "from", from, "to", to, "by", by));
}

void rlt_population_fini(void *state) {
    rlt_population *at = state;
    for (int64_t i = 0; i < at->count; i++) {
        rlt_pop_member *m = &at->members[i];
        json_decref(m->initial);
        json_decref(m->params);
        for (int64_t c = 0; c < m->copied_count; c++) {
            json_decref(m->copied[c].params);
            json_decref(m->copied[c].changes);
        }
        rlt_free(m->copied);
    }
    rlt_free(at->members);
    rlt_free(at->order);
    rlt_free(at->mutable);
    for (int i = 0; at->into != NULL && i < at->space->count; i++) {
        rlt_param_fini(&at->into[i]);
    }
    rlt_free(at->into);
    *at = (rlt_population){0};
}

int64_t rlt_population_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    return rlt_milestones_index(&((const rlt_population *)state)->milestones, step);
}

int64_t rlt_population_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    return rlt_milestones_step(&((const rlt_population *)state)->milestones, index);
}

void rlt_population_started(void *state, int64_t number, const json_t *params) {
    rlt_population *at = state;
    RLT_ASSERT(number == at->count);
    at->members = rlt_tuner_grow(at->members, &at->capacity, number + 1, sizeof(rlt_pop_member));
    at->order = rlt_tuner_grow(at->order, &at->order_capacity, number + 1, sizeof(int64_t));
    at->members[at->count++] =
        (rlt_pop_member){.initial = json_deep_copy(params), .key = NAN, .index = -1};
    at->members[number].params = json_incref(at->members[number].initial);
    at->expected = at->count > at->expected ? at->count : at->expected;
}

/* ---- what was decided ---- */

static rlt_copied *find_copied(const rlt_pop_member *m, int64_t index) {
    for (int64_t i = m->copied_count - 1; i >= 0; i--) {
        if (m->copied[i].index == index) {
            return &m->copied[i];
        }
    }
    return NULL;
}

static void update_params(rlt_pop_member *m) {
    json_decref(m->params);
    m->params =
        json_incref(m->copied_count > 0 ? m->copied[m->copied_count - 1].params : m->initial);
}

static void remove_copied(rlt_pop_member *m, int64_t index) {
    rlt_copied *copied = find_copied(m, index);
    if (copied != NULL) {
        json_decref(copied->params);
        json_decref(copied->changes);
        int64_t after = m->copied + m->copied_count - copied - 1;
        memmove(copied, copied + 1, sizeof(rlt_copied) * (size_t)after);
        m->copied_count--;
    }
    update_params(m);
}

/* Takes ownership of params and changes. */
static void set_copied(rlt_pop_member *m, const rlt_copied *made) {
    remove_copied(m, made->index);
    m->copied =
        rlt_tuner_grow(m->copied, &m->copied_capacity, m->copied_count + 1, sizeof(rlt_copied));
    int64_t place = m->copied_count++;
    for (; place > 0 && m->copied[place - 1].index > made->index; place--) {
        m->copied[place] = m->copied[place - 1];
    }
    m->copied[place] = *made;
    update_params(m);
}

void rlt_population_exploit(const void *state, int64_t number, int64_t index,
                            rlt_exploit *exploit) {
    const rlt_population *at = state;
    const rlt_copied *copied = find_copied(&at->members[number], index);
    RLT_ASSERT(copied != NULL);
    *exploit = (rlt_exploit){copied->source, copied->params, copied->changes};
}

void rlt_population_restore(void *state, int64_t number, int64_t index, rlt_action action,
                            int64_t source, const json_t *params) {
    rlt_population *at = state;
    rlt_pop_member *m = &at->members[number];
    const rlt_copied *same = find_copied(m, index);
    json_t *changes = same != NULL ? json_incref(same->changes) : NULL;
    m->waits = index == m->index ? action == RLT_ACTION_PAUSE : m->waits;
    remove_copied(m, index);
    if (action == RLT_ACTION_EXPLOIT) {
        set_copied(m, &(rlt_copied){index, source, json_deep_copy(params), json_incref(changes)});
    }
    json_decref(changes);
    if (at->rebase != NULL && index == m->index) {
        at->rebase(at, number, action == RLT_ACTION_EXPLOIT ? source : number);
    }
}

/* ---- comparing ---- */

static bool is_compared(const rlt_pop_member *m) {
    return !m->ended && !isnan(m->key);
}

/* Fills at->order with those that are compared, the worst first, equal ones by number. */
static int64_t rank_all(rlt_population *at) {
    int64_t count = 0;
    for (int64_t i = 0; i < at->count; i++) {
        if (!is_compared(&at->members[i])) {
            continue;
        }
        int64_t place = count++;
        while (place > 0 && at->members[at->order[place - 1]].key > at->members[i].key) {
            at->order[place] = at->order[place - 1];
            place--;
        }
        at->order[place] = i;
    }
    return count;
}

static int64_t quantile_of(const rlt_population *at, int64_t count) {
    if (count <= 1) {
        return 0;
    }
    int64_t size = (int64_t)ceil((double)count * at->config->pbt.quantile_fraction);
    return size > count / 2 ? count / 2 : size;
}

static void decide(rlt_population *at, int64_t place, int64_t count, rlt_ruling *ruling) {
    int64_t number = at->order[place], size = quantile_of(at, count);
    const rlt_pop_member *m = &at->members[number];
    *ruling = (rlt_ruling){.number = number,
                           .index = m->index,
                           .threshold = size > 0 ? at->members[at->order[size - 1]].key : NAN,
                           .numbers = {(double)(count - place), NAN, NAN, NAN},
                           .compared = (int32_t)count,
                           .action = RLT_ACTION_CONTINUE};
    if (place >= size) {
        return;
    }
    double draw = rlt_population_draw(at, number, m->index, "source");
    int64_t source = at->order[count - size + (int64_t)(draw * (double)size)];
    if (isinf(at->members[source].key)) {
        return; /* nobody has a number */
    }
    json_t *params = NULL, *changes = NULL;
    at->explore(at, number, m->index, source, &params, &changes);
    set_copied(&at->members[number], &(rlt_copied){m->index, source, params, changes});
    if (at->rebase != NULL) {
        at->rebase(at, number, source);
    }
    bool maximise = at->config->maximise;
    ruling->numbers[NUMBER_SOURCE] = (double)source;
    ruling->numbers[NUMBER_SOURCE_VALUE] =
        maximise ? at->members[source].key : -at->members[source].key;
    ruling->action = RLT_ACTION_EXPLOIT;
}

static void fill_verdict(rlt_verdict *verdict, const rlt_ruling *ruling) {
    verdict->action = ruling->action;
    verdict->threshold = ruling->threshold;
    verdict->compared = ruling->compared;
    memcpy(verdict->numbers, ruling->numbers, sizeof verdict->numbers);
}

static int64_t count_waiting(const rlt_population *at, int64_t *live) {
    int64_t waiting = 0;
    *live = at->expected;
    for (int64_t i = 0; i < at->count; i++) {
        waiting += at->members[i].waits;
        *live -= at->members[i].ended;
    }
    return waiting;
}

/* All that wait are ruled on once every live trial does. From the best to the worst, so that nobody
 * copies parameters that have just changed. */
void rlt_population_rule(void *state) {
    rlt_population *at = state;
    int64_t live, waiting = count_waiting(at, &live);
    if (waiting == 0 || waiting < live) {
        return;
    }
    int64_t count = rank_all(at);
    for (int64_t place = count - 1; place >= 0; place--) {
        rlt_pop_member *m = &at->members[at->order[place]];
        if (m->waits) {
            rlt_ruling ruling;
            decide(at, place, count, &ruling);
            m->waits = false;
            rlt_rulings_add(at->rulings, &ruling);
        }
    }
}

void rlt_population_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    rlt_population *at = state;
    rlt_pop_member *m = &at->members[report->number];
    if (at->note != NULL) {
        at->note(at, report->number, verdict->at, report->key);
    }
    m->key = isnan(report->key) ? -INFINITY : report->key;
    m->index = report->index;
    m->step = verdict->at;
    verdict->judged = report->key;
    if (at->config->pbt.synch) {
        m->waits = true;
        verdict->action = RLT_ACTION_PAUSE;
        int64_t live;
        verdict->compared = (int32_t)count_waiting(at, &live);
        verdict->numbers[NUMBER_EXPECTED] = (double)live;
        return;
    }
    int64_t count = rank_all(at), place = 0;
    while (at->order[place] != report->number) {
        place++;
    }
    rlt_ruling ruling;
    decide(at, place, count, &ruling);
    fill_verdict(verdict, &ruling);
}

void rlt_population_ended(void *state, const rlt_stopper_end *end) {
    rlt_population *at = state;
    rlt_pop_member *m = &at->members[end->number];
    m->ended = true;
    m->waits = false;
}

void rlt_population_closed(void *state, int64_t count) {
    rlt_population *at = state;
    at->expected = count;
}

/* ---- in words ---- */

static size_t put(char *text, size_t size, size_t length, const char *more) {
    int put = snprintf(text + length, size - length, "%s", more);
    return length + (size_t)put < size ? length + (size_t)put : size - 1;
}

static void name_changes(const rlt_decision *decision, char *text, size_t size) {
    size_t length = strlen(text);
    const char *path, *lead = " and ";
    json_t *change;
    json_object_foreach((json_t *)decision->exploit.changes, path, change) {
        char *from =
            json_dumps(json_object_get(change, "from"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(4));
        char *to =
            json_dumps(json_object_get(change, "to"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(4));
        char more[128];
        snprintf(more, sizeof more, "%s%.40s %.20s, was %.20s (%.20s)", lead, path, to, from,
                 json_string_value(json_object_get(change, "by")));
        free(from);
        free(to);
        if (length + strlen(more) >= size - 5) {
            put(text, size, length, ", ...");
            return;
        }
        length = put(text, size, length, more);
        lead = ", ";
    }
}

void rlt_population_explain(const void *state, const rlt_decision *decision, const char *metric,
                            bool maximise, char *text, size_t size) {
    (void)state, (void)maximise;
    const double *numbers = decision->numbers;
    char value[80];
    snprintf(value, sizeof value, "%.40s %.6g", metric, decision->value);
    if (isnan(decision->value)) {
        snprintf(value, sizeof value, "%.40s, which is not a number,", metric);
    }
    if (decision->action == RLT_ACTION_PAUSE) {
        snprintf(text, size, "with %s it waits for the others: %d of %.0f trials are there", value,
                 decision->compared, numbers[NUMBER_EXPECTED]);
        return;
    }
    int length = snprintf(text, size, "%s is rank %.0f of %d", value, numbers[NUMBER_RANK],
                          decision->compared);
    if (decision->action == RLT_ACTION_EXPLOIT) {
        snprintf(text + length, size - (size_t)length,
                 ": it takes over trial %.0f, which has %.6g,", numbers[NUMBER_SOURCE],
                 numbers[NUMBER_SOURCE_VALUE]);
        name_changes(decision, text, size);
    } else {
        snprintf(text + length, size - (size_t)length,
                 ", above the lower quantile, whose best is "
                 "%.6g",
                 decision->threshold);
    }
}
