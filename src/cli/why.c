/* show --trial N --why: what was decided about a trial, a sentence each, with the numbers that led
 * to it. Works with databases of every version. Thread: main only. */
#include "cli/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char decisions_sql[] =
    "SELECT step, decider, action, reason, numbers_json, wall_ms, NULL FROM decisions"
    " WHERE trial = ?1 ORDER BY step, wall_ms, action <> 'pause'";
/* Of a configuration that is tried with several seeds: what races decided, after which trial. */
static const char races_sql[] =
    "SELECT d.step, d.decider, d.action, d.reason, d.numbers_json, d.wall_ms, r.number"
    " FROM trials t JOIN trials r ON r.experiment = t.experiment AND r.role = t.role"
    " AND r.configuration = t.configuration AND r.id <> t.id JOIN decisions d ON d.trial = r.id"
    " WHERE t.id = ?1 AND t.role = 'search' AND d.decider = 'race' ORDER BY d.id";

typedef struct decisions {
    json_t *list; /* NULL: printed */
    int count;
} decisions;

/* "stop" at the head of a sentence. */
static const char *verb_of(const char *action) {
    static const char *const verbs[][2] = {{"stop", "stopped"},
                                           {"continue", "went on"},
                                           {"pause", "paused"},
                                           {"exploit", "copied another"},
                                           {"change", "changed parameters"},
                                           {"extend", "raced"},
                                           {"drop", "raced"}};
    for (size_t i = 0; i < RLT_COUNT(verbs); i++) {
        if (strcmp(verbs[i][0], action) == 0) {
            return verbs[i][1];
        }
    }
    return action;
}

/* 1234567 as "1,234,567". */
static const char *grouped(const char *digits, char text[32]) {
    size_t length = strlen(digits), at = 0;
    for (size_t i = 0; i < length && at < 30; i++) {
        text[at++] = digits[i];
        if (i + 1 < length && (length - i - 1) % 3 == 0 && at < 30) {
            text[at++] = ',';
        }
    }
    text[at] = 0;
    return text;
}

static rlt_status visit(void *user, int columns, const char *const *names, const char *const *v,
                        rlt_err *err) {
    (void)columns, (void)names, (void)err;
    decisions *all = user;
    all->count++;
    if (all->list != NULL) {
        json_t *decision =
            json_pack("{s:I, s:s, s:s, s:s, s:o, s:I}", "step", (json_int_t)strtoll(v[0], NULL, 10),
                      "decider", v[1], "action", v[2], "reason", v[3], "numbers",
                      rlt_report_parse(v[4]), "wall_ms", (json_int_t)strtoll(v[5], NULL, 10));
        if (v[6] != NULL) {
            json_object_set_new(decision, "trial", json_integer(strtoll(v[6], NULL, 10)));
        }
        json_array_append_new(all->list, decision);
        return RLT_OK;
    }
    char text[32], when[48] = "";
    rlt_buf reason = {0};
    rlt_buf_text(&reason, v[3], 400, RLT_TEXT_UTF8);
    json_t *numbers = rlt_report_parse(v[4]);
    const json_t *seconds = json_object_get(numbers, "time_total_s");
    if (json_is_number(seconds)) { /* what its stopper counts */
        snprintf(when, sizeof when, "%.6g s, ", json_number_value(seconds));
    }
    json_decref(numbers);
    printf("  %s at %s%s steps%s%s: %s (%s)\n", verb_of(v[2]), when, grouped(v[0], text),
           v[6] != NULL ? " of trial " : "", v[6] != NULL ? v[6] : "",
           reason.data != NULL ? reason.data : "", v[1]);
    rlt_buf_fini(&reason);
    return RLT_OK;
}

static const char *name_of(const rlt_report_trial *trial) {
    return strcmp(trial->role, "final") == 0 ? "final" : "trial";
}

static rlt_status put(const rlt_report *report, const rlt_report_trial *trial, const char *why,
                      rlt_err *err) {
    decisions all = {.list = report->json ? json_array() : NULL};
    if (all.list == NULL) {
        rlt_buf reason = {0};
        rlt_buf_text(&reason, why, 400, RLT_TEXT_UTF8);
        printf("%s %" PRId64 " is %s after %" PRId64 " steps%s%s\n", name_of(trial), trial->number,
               trial->state, trial->steps, reason.size > 0 ? ": " : "",
               reason.data != NULL ? reason.data : "");
        rlt_buf_fini(&reason);
    }
    rlt_status status =
        rlt_store_query(report->store, decisions_sql, &trial->id, 1, visit, &all, err);
    if (status == RLT_OK && report->replicates != NULL) {
        status = rlt_store_query(report->store, races_sql, &trial->id, 1, visit, &all, err);
    }
    if (status != RLT_OK) {
        json_decref(all.list);
        return status;
    }
    if (all.list == NULL) {
        if (all.count == 0) {
            printf("  nothing was decided about it\n");
        }
        return RLT_OK;
    }
    json_t *object = json_pack("{s:s, s:I, s:s, s:s, s:I, s:o}", "role", trial->role, "number",
                               (json_int_t)trial->number, "state", trial->state, "reason", why,
                               "steps", (json_int_t)trial->steps, "decisions", all.list);
    return rlt_report_print_json(object, err);
}

rlt_status rlt_show_why(const rlt_report *report, const rlt_report_trial *trial, rlt_err *err) {
    rlt_trial_texts texts;
    RLT_TRY(rlt_report_texts(report, trial, &texts, err));
    rlt_status status = put(report, trial, texts.reason, err);
    rlt_trial_texts_fini(&texts);
    return status;
}
