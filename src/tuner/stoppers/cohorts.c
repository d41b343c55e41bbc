/* tuner: cohorts of trials that wait for each other at rungs; see cohorts.h.
 * A rung is ruled on when every member is there or will never come (it failed, was stopped, or had
 * no result: as if it were the worst). Of `places` at a rung max(1, floor(places / reduction)) are
 * there at the next one, however many have failed; a member that ended by itself takes part with
 * its final value. Equal values: the lower number goes on. What is ruled is a function of the set
 * of results and ends.
 * Thread: the tuner's. */
#include "tuner/stoppers/cohorts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void rlt_cohorts_fini(void *state) {
    rlt_cohorts *at = state;
    for (int64_t i = 0; i < at->count; i++) {
        rlt_free(at->cohorts[i].members);
    }
    rlt_free(at->cohorts);
    at->cohorts = NULL;
    at->count = 0;
}

/* The bracket of a trial, and the number of the first trial of its cohort. */
static int place_of(const rlt_cohorts *at, int64_t number, int64_t *first) {
    int64_t within = number % at->band;
    *first = number - within;
    int b = 0;
    while (within >= at->bracket[b].size) {
        within -= at->bracket[b].size;
        *first += at->bracket[b].size;
        b++;
    }
    return b;
}

int rlt_cohorts_bracket(const void *state, int64_t number) {
    const rlt_cohorts *at = state;
    int64_t first;
    return place_of(at, number, &first);
}

static const rlt_bracket *bracket_of(const rlt_cohorts *at, int64_t number) {
    return &at->bracket[rlt_cohorts_bracket(at, number)];
}

int64_t rlt_cohorts_index(const void *state, int64_t number, int64_t step) {
    const rlt_cohorts *at = state;
    const rlt_bracket *bracket = bracket_of(at, number);
    int64_t reached = 0;
    while (reached < bracket->rungs && bracket->steps[reached] <= step) {
        reached++;
    }
    return reached - 1;
}

int64_t rlt_cohorts_step(const void *state, int64_t number, int64_t index) {
    const rlt_cohorts *at = state;
    const rlt_bracket *bracket = bracket_of(at, number);
    return index < bracket->rungs ? bracket->steps[index] : INT64_MAX;
}

static rlt_cohort *cohort_of(rlt_cohorts *at, int64_t number) {
    int64_t first;
    int b = place_of(at, number, &first);
    int64_t id = number / at->band * at->brackets + b;
    at->cohorts = rlt_tuner_grow(at->cohorts, &at->capacity, id + 1, sizeof(rlt_cohort));
    at->count = id + 1 > at->count ? id + 1 : at->count;
    rlt_cohort *cohort = &at->cohorts[id];
    if (cohort->places == 0) {
        int64_t size = at->bracket[b].size;
        bool cut = at->trials > 0 && at->trials - first < size;
        cohort->places = cohort->expected = cut ? at->trials - first : size;
    }
    return cohort;
}

/* ---- ruling ---- */

static int by_rank(const void *a, const void *b) {
    const rlt_member *x = a, *y = b;
    if (x->key != y->key) {
        return x->key > y->key ? -1 : 1;
    }
    return (x->number > y->number) - (x->number < y->number);
}

typedef struct rung_rule {
    int64_t kept, compared;
    double cutoff;
} rung_rule;

static void fill_numbers(double numbers[RLT_DECISION_NUMBERS], const rung_rule *rule) {
    numbers[0] = (double)rule->kept;
    numbers[1] = NAN;
}

/* To the trial that is being judged at once, to others by the queue. */
static void tell(rlt_cohorts *at, const rlt_member *member, rlt_action action,
                 const rung_rule *rule, int64_t judged, rlt_verdict *verdict) {
    if (member->number == judged) {
        verdict->action = (uint8_t)action;
        verdict->threshold = rule->cutoff;
        verdict->compared = (int32_t)rule->compared;
        fill_numbers(verdict->numbers, rule);
        return;
    }
    rlt_ruling ruling = {.number = member->number,
                         .index = member->index,
                         .threshold = rule->cutoff,
                         .compared = (int32_t)rule->compared,
                         .action = (uint8_t)action};
    fill_numbers(ruling.numbers, rule);
    rlt_rulings_add(at->rulings, &ruling);
}

/* Rules on the cohort's rung. Those that go on and have been beyond the next rung already are at
 * that one too: a step of theirs was longer than the distance of the rungs. */
static void rule_rung(rlt_cohorts *at, rlt_cohort *cohort, int64_t judged, rlt_verdict *verdict) {
    if (cohort->count > 0) {
        qsort(cohort->members, (size_t)cohort->count, sizeof(rlt_member), by_rank);
    }
    int64_t places = cohort->places / at->reduction > 1 ? cohort->places / at->reduction : 1;
    rung_rule rule = {.kept = places < cohort->count ? places : cohort->count,
                      .compared = cohort->count};
    rule.cutoff = rule.kept > 0 ? cohort->members[rule.kept - 1].key : NAN;
    int64_t there = 0;
    for (int64_t i = 0; i < cohort->count; i++) {
        rlt_member member = cohort->members[i];
        if (i < rule.kept && (member.ended || member.index > cohort->rung)) {
            cohort->members[there++] = member;
        } else if (!member.ended) {
            tell(at, &member, i < rule.kept ? RLT_ACTION_CONTINUE : RLT_ACTION_STOP, &rule, judged,
                 verdict);
        }
    }
    cohort->cutoffs[cohort->rung++] = rule.cutoff;
    cohort->places = places;
    cohort->expected = rule.kept;
    cohort->gone = 0;
    cohort->count = there;
}

static void settle(rlt_cohorts *at, rlt_cohort *cohort, int rungs, int64_t judged,
                   rlt_verdict *verdict) {
    while (cohort->rung < rungs && cohort->count + cohort->gone >= cohort->expected) {
        rule_rung(at, cohort, judged, verdict);
        if (cohort->expected == 0) {
            cohort->rung = rungs; /* nobody is left */
        }
    }
    if (cohort->rung >= rungs) {
        rlt_free(cohort->members);
        cohort->members = NULL;
        cohort->count = cohort->capacity = 0;
    }
}

static void add_member(rlt_cohort *cohort, const rlt_member *member) {
    cohort->members =
        rlt_tuner_grow(cohort->members, &cohort->capacity, cohort->count + 1, sizeof(rlt_member));
    cohort->members[cohort->count++] = *member;
}

static int64_t find_member(const rlt_cohort *cohort, int64_t number) {
    for (int64_t i = 0; i < cohort->count; i++) {
        if (cohort->members[i].number == number) {
            return i;
        }
    }
    return -1;
}

/* The rung was ruled on without it: there are more trials now than were planned then. */
static void judge_late(rlt_cohort *cohort, const rlt_stopper_report *report, rlt_verdict *verdict) {
    verdict->threshold = cohort->cutoffs[report->index];
    bool goes_on = !(report->key < verdict->threshold);
    verdict->action = goes_on ? RLT_ACTION_CONTINUE : RLT_ACTION_STOP;
    cohort->expected += goes_on && cohort->rung == report->index + 1;
}

void rlt_cohorts_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    rlt_cohorts *at = state;
    rlt_cohort *cohort = cohort_of(at, report->number);
    int rungs = bracket_of(at, report->number)->rungs;
    verdict->judged = report->key;
    verdict->action = RLT_ACTION_PAUSE;
    if (isnan(report->key)) {
        verdict->action = RLT_ACTION_STOP;
        cohort->gone += cohort->rung <= report->index;
    } else if (cohort->rung > report->index) {
        judge_late(cohort, report, verdict);
        return;
    } else if (find_member(cohort, report->number) < 0) {
        const rlt_member member = {report->number, report->index, report->key, false};
        add_member(cohort, &member);
    }
    verdict->compared = (int32_t)cohort->count;
    verdict->numbers[1] = (double)cohort->expected;
    settle(at, cohort, rungs, report->number, verdict);
}

void rlt_cohorts_ended(void *state, const rlt_stopper_end *end) {
    rlt_cohorts *at = state;
    const rlt_verdict *last = end->count > 0 ? &end->verdicts[end->count - 1] : NULL;
    int64_t rung = last != NULL ? last->index + 1 : 0;
    rlt_cohort *cohort = cohort_of(at, end->number);
    int rungs = bracket_of(at, end->number)->rungs;
    if (last != NULL && last->action == (uint8_t)RLT_ACTION_STOP) {
        return;
    }
    int64_t place = find_member(cohort, end->number);
    bool counts = end->state == RLT_TRIAL_COMPLETED && !isnan(end->key);
    if (place >= 0 && counts) { /* it was told to wait, but had no steps left */
        cohort->members[place].key = end->key;
        cohort->members[place].ended = true;
    } else if (place >= 0) {
        cohort->members[place] = cohort->members[--cohort->count];
        cohort->gone++;
    } else if (cohort->rung < rungs && cohort->rung == rung) {
        if (counts) {
            const rlt_member member = {end->number, rung, end->key, true};
            add_member(cohort, &member);
        } else {
            cohort->gone++;
        }
    }
    settle(at, cohort, rungs, -1, NULL);
}

void rlt_cohorts_closed(void *state, int64_t count) {
    rlt_cohorts *at = state;
    int64_t first;
    if (count == 0) {
        return;
    }
    int b = place_of(at, count - 1, &first);
    rlt_cohort *cohort = cohort_of(at, count - 1);
    if (cohort->rung == 0 && count - first < cohort->places) {
        cohort->places = cohort->expected = count - first;
        settle(at, cohort, at->bracket[b].rungs, -1, NULL);
    }
}

void rlt_cohorts_explain(const void *state, const rlt_decision *decision, const char *metric,
                         bool maximise, char *text, size_t size) {
    const rlt_cohorts *at = state;
    char where[48];
    if (at->brackets > 1) {
        snprintf(where, sizeof where, "rung %d of bracket %d", decision->rung, decision->bracket);
    } else {
        snprintf(where, sizeof where, "rung %d", decision->rung);
    }
    if (decision->action == RLT_ACTION_PAUSE) {
        snprintf(text, size,
                 "with %.60s %.6g it waits at %s for the others: %d of %.0f trials are there",
                 metric, decision->value, where, decision->compared, decision->numbers[1]);
        return;
    }
    bool below = decision->value<decision->threshold, above = decision->value> decision->threshold;
    bool stop = decision->action == RLT_ACTION_STOP;
    const char *relation = !below && !above ? (stop ? "only equal to" : "at")
                           : stop           ? (maximise ? "below" : "above")
                                            : (maximise ? "above" : "below");
    snprintf(text, size, "%.60s %.6g is %s %.6g, the cutoff of the best %.0f of %d trials at %s",
             metric, decision->value, relation, decision->threshold, decision->numbers[0],
             decision->compared, where);
}
