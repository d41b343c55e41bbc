/* tuner: decisions: what they say, rulings on trials that wait, and both restored.
 * Why rulings are a queue: one result at a rung may decide on many trials that wait there.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const action_names[] = {[RLT_ACTION_CONTINUE] = "continue",
                                           [RLT_ACTION_STOP] = "stop",
                                           [RLT_ACTION_PAUSE] = "pause",
                                           [RLT_ACTION_EXPLOIT] = "exploit"};

const char *rlt_action_name(rlt_action action) {
    RLT_ASSERT((unsigned)action < RLT_COUNT(action_names));
    return action_names[action];
}

rlt_status rlt_action_parse(const char *name, rlt_action *action, rlt_err *err) {
    for (size_t i = 0; i < RLT_COUNT(action_names); i++) {
        if (strcmp(action_names[i], name) == 0) {
            *action = (rlt_action)i;
            return RLT_OK;
        }
    }
    return rlt_fail(err, RLT_EINVAL,
                    "unknown action '%.40s'; allowed: continue, stop, pause, exploit", name);
}

void rlt_tuner_fill_decision(const rlt_tuner *tuner, int64_t number, const rlt_verdict *verdict,
                             rlt_decision *decision) {
    decision->action = (rlt_action)verdict->action;
    decision->step = verdict->step;
    decision->at = verdict->at;
    decision->value = rlt_tuner_oriented(tuner, verdict->judged);
    decision->threshold = rlt_tuner_oriented(tuner, verdict->threshold);
    decision->compared = verdict->compared;
    memcpy(decision->names, tuner->stopper->names, sizeof decision->names);
    memcpy(decision->numbers, verdict->numbers, sizeof decision->numbers);
    if (tuner->stopper->bracket != NULL) {
        decision->bracket =
            tuner->stopper->bracket(tuner->stopper_state, tuner->trials[number].configuration);
        decision->rung = (int)verdict->index;
    }
    if (decision->action == RLT_ACTION_EXPLOIT) {
        tuner->stopper->exploit(tuner->stopper_state, number, verdict->index, &decision->exploit);
    }
    if (decision->action == RLT_ACTION_STOP) {
        rlt_decision_explain(tuner, decision);
    }
}

static void explain(const rlt_tuner *tuner, const rlt_decision *decision, char *text, size_t size) {
    const char *metric = tuner->config.metric[0] != 0 ? tuner->config.metric : "the result";
    bool waits = decision->action == RLT_ACTION_PAUSE;
    bool exploits = decision->action == RLT_ACTION_EXPLOIT; /* whatever was compared */
    if (isnan(decision->value) && decision->action == RLT_ACTION_STOP) {
        snprintf(text, size, "%.60s is not a number", metric);
    } else if (isnan(decision->value) && !exploits) {
        snprintf(text, size, "%.60s is not a number, and nothing was compared", metric);
    } else if (isnan(decision->threshold) && !waits && !exploits) {
        snprintf(text, size, "there is too little to compare %.60s %.6g with", metric,
                 decision->value);
    } else {
        tuner->stopper->explain(tuner->stopper_state, decision, metric, tuner->config.maximise,
                                text, size);
    }
}

void rlt_decision_explain(const rlt_tuner *tuner, rlt_decision *decision) {
    char when[40] = "", amount[RLT_AMOUNT_TEXT];
    if (tuner->config.timed) {
        snprintf(when, sizeof when, ", after %s", rlt_amount_text(true, decision->at, amount));
    }
    const size_t size = sizeof decision->reason - strlen(when);
    explain(tuner, decision, decision->reason, size);
    memcpy(decision->reason + strlen(decision->reason), when, strlen(when) + 1);
}

/* ---- rulings ---- */

void rlt_rulings_add(rlt_rulings *rulings, const rlt_ruling *ruling) {
    enum { FIRST_CAPACITY = 16 };
    if (rulings->next == rulings->count) {
        rulings->next = rulings->count = 0;
    }
    int64_t needed = rulings->count < FIRST_CAPACITY ? FIRST_CAPACITY : rulings->count + 1;
    rulings->items = rlt_tuner_grow(rulings->items, &rulings->capacity, needed, sizeof(rlt_ruling));
    rulings->items[rulings->count++] = *ruling;
}

static rlt_verdict *waiting_verdict(const rlt_tuner *tuner, int64_t number) {
    if (number < 0 || number >= tuner->count) {
        return NULL;
    }
    const rlt_tuner_trial *at = &tuner->trials[number];
    rlt_verdict *last = at->verdict_count > 0 ? &at->verdicts[at->verdict_count - 1] : NULL;
    bool waits =
        at->state == RLT_TRIAL_RUNNING && last != NULL && last->action == (uint8_t)RLT_ACTION_PAUSE;
    return waits ? last : NULL;
}

bool rlt_tuner_waits(const rlt_tuner *tuner, int64_t number, int64_t *step) {
    const rlt_verdict *verdict = waiting_verdict(tuner, number);
    if (verdict != NULL && step != NULL) {
        *step = verdict->step;
    }
    return verdict != NULL;
}

bool rlt_tuner_ruling(rlt_tuner *tuner, int64_t *number, rlt_decision *decision) {
    rlt_rulings *rulings = &tuner->rulings;
    if (rulings->next == rulings->count && tuner->stopper->rule != NULL) {
        tuner->stopper->rule(tuner->stopper_state);
    }
    while (rulings->next < rulings->count) {
        const rlt_ruling *ruling = &rulings->items[rulings->next++];
        const int64_t judged = rlt_tuner_first(tuner, ruling->number);
        rlt_verdict *verdict = waiting_verdict(tuner, judged);
        if (verdict == NULL || verdict->index != ruling->index) {
            continue; /* it has ended, or the ruling came back from a row */
        }
        verdict->action = ruling->action;
        verdict->threshold = ruling->threshold;
        verdict->compared = ruling->compared;
        memcpy(verdict->numbers, ruling->numbers, sizeof verdict->numbers);
        *decision = (rlt_decision){.bracket = -1, .rung = -1};
        rlt_tuner_fill_decision(tuner, judged, verdict, decision);
        rlt_decision_explain(tuner, decision);
        *number = judged;
        return true;
    }
    return false;
}

static bool is_ruled(const rlt_tuner *tuner, int64_t number, int64_t index) {
    const rlt_rulings *rulings = &tuner->rulings;
    for (int64_t i = rulings->count - 1; i >= 0; i--) { /* a recent one */
        if (rulings->items[i].number == number && rulings->items[i].index == index) {
            return true;
        }
    }
    return false;
}

/* Of the report at this step, most likely the newest one; NULL: there is none. */
static rlt_verdict *verdict_of(const rlt_tuner_trial *at, int64_t step) {
    for (int64_t i = at->verdict_count - 1; i >= 0; i--) {
        if (at->verdicts[i].step == step) {
            return &at->verdicts[i];
        }
    }
    return NULL;
}

/* The same calls in the same order lead to the same rulings. One that did not come about by them
 * was made when it turned out that no more trials would come. */
static rlt_status restore_verdict(rlt_tuner *tuner, int64_t number, int64_t step, rlt_action action,
                                  rlt_verdict **restored, rlt_err *err) {
    *restored = NULL;
    if (number >= 0 && number < tuner->count && tuner->trials[number].state != RLT_TRIAL_RUNNING) {
        return RLT_OK;
    }
    rlt_tuner_trial *at = NULL;
    RLT_TRY(rlt_tuner_live(tuner, number, &at, err));
    const int64_t judged = at->configuration;
    rlt_verdict *verdict = verdict_of(at, step);
    if (verdict == NULL) {
        const int64_t index =
            tuner->config.timed ? -1 : tuner->stopper->index(tuner->stopper_state, judged, step);
        if (index >= 0 && at->verdict_count > 0 &&
            at->verdicts[at->verdict_count - 1].index >= index) {
            return RLT_OK; /* asked again by a later attempt, and answered as before */
        }
        return rlt_fail(err, RLT_ECORRUPT,
                        "trial %" PRId64 " has a decision at step %" PRId64
                        ", but no report that it could be about",
                        number, step);
    }
    bool ruled = verdict->action == (uint8_t)RLT_ACTION_PAUSE && action != RLT_ACTION_PAUSE;
    if (ruled && !is_ruled(tuner, judged, verdict->index) && tuner->stopper->closed != NULL) {
        tuner->stopper->closed(tuner->stopper_state, rlt_tuner_configurations(tuner));
    }
    verdict->action = (uint8_t)action;
    *restored = verdict;
    return RLT_OK;
}

rlt_status rlt_tuner_restore_decision(rlt_tuner *tuner, int64_t number, int64_t step,
                                      rlt_action action, rlt_err *err) {
    rlt_verdict *verdict;
    RLT_TRY(restore_verdict(tuner, number, step, action, &verdict, err));
    if (verdict != NULL && tuner->stopper->restore != NULL) {
        tuner->stopper->restore(tuner->stopper_state, number, verdict->index, action, -1, NULL);
    }
    return RLT_OK;
}

rlt_status rlt_tuner_restore_exploit(rlt_tuner *tuner, int64_t number, int64_t step, int64_t source,
                                     const json_t *params, rlt_err *err) {
    rlt_verdict *verdict;
    if (tuner->stopper->restore == NULL) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "trial %" PRId64 " has copied another, which %s never has one do", number,
                        rlt_stoppers[tuner->config.stopper].name);
    }
    RLT_TRY(restore_verdict(tuner, number, step, RLT_ACTION_EXPLOIT, &verdict, err));
    if (verdict != NULL) {
        tuner->stopper->restore(tuner->stopper_state, number, verdict->index, RLT_ACTION_EXPLOIT,
                                source, params);
    }
    return RLT_OK;
}

bool rlt_tuner_copies(const rlt_tuner *tuner) {
    return tuner->stopper->copies;
}

int64_t rlt_tuner_judged(const rlt_tuner *tuner, int64_t number) {
    RLT_ASSERT(number >= 0 && number < tuner->count);
    const rlt_tuner_trial *at = &tuner->trials[number];
    return at->verdict_count > 0 ? at->verdicts[at->verdict_count - 1].at : 0;
}

int64_t rlt_tuner_judged_step(const rlt_tuner *tuner, int64_t number) {
    RLT_ASSERT(number >= 0 && number < tuner->count);
    const rlt_tuner_trial *at = &tuner->trials[number];
    return at->verdict_count > 0 ? at->verdicts[at->verdict_count - 1].step : 0;
}
