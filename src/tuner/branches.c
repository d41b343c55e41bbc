/* tuner: spaces that functions of the script return: which there have been, and which one a trial's
 * value is of. Why functions are called again for a trial that comes back from rows: rows keep
 * values only, and a function of the sandbox gives the same for the same values.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

enum { BRANCHES_MAX = 1000 }; /* a function may return another space every time */

static bool same_choices(const rlt_param *a, const rlt_param *b) {
    return a->choices == b->choices || json_equal(a->choices, b->choices);
}

static bool same_space(const rlt_param *a, const rlt_param *b) {
    return a->kind == b->kind && a->low == b->low && a->high == b->high && a->step == b->step &&
           a->mean == b->mean && a->std == b->std && a->integer == b->integer && same_choices(a, b);
}

int rlt_history_branch(const rlt_history *history, int param, const rlt_param *space) {
    for (int i = 0; i < history->branch_count; i++) {
        if (history->branches[i].param == param && same_space(&history->branches[i].space, space)) {
            return i;
        }
    }
    return -1;
}

static int add_branch(rlt_history *history, int param, const rlt_param *space) {
    int found = rlt_history_branch(history, param, space);
    if (found >= 0 || history->branch_count >= BRANCHES_MAX || !rlt_param_varies(space)) {
        return found;
    }
    history->branches = rlt_tuner_grow(history->branches, &history->branch_capacity,
                                       history->branch_count + 1, sizeof(rlt_branch));
    rlt_branch *made = &history->branches[history->branch_count];
    *made = (rlt_branch){param, *space};
    json_incref(made->space.choices);
    return history->branch_count++;
}

void rlt_branches_fini(rlt_history *history) {
    for (int i = 0; i < history->branch_count; i++) {
        rlt_param_fini(&history->branches[i].space);
    }
    rlt_free(history->branches);
    rlt_free(history->taken);
}

/* The branch that value i is of, or -1; *value: it there. */
static int branch_of(rlt_tuner *tuner, int i, const json_t *before, const json_t *given,
                     rlt_value *value) {
    const char *path = tuner->space.params[i].path;
    json_t *returned = NULL;
    rlt_param space = {0};
    int branch = -1;
    if (tuner->resolve(tuner->user, path, before, &returned, NULL) == RLT_OK &&
        rlt_param_is_space(returned) && rlt_param_parse(returned, path, &space, NULL) == RLT_OK &&
        space.kind != RLT_DIST_FUNCTION && rlt_value_parse(&space, given, value, NULL) == RLT_OK) {
        branch = add_branch(&tuner->history, i, &space);
    }
    rlt_param_fini(&space);
    json_decref(returned);
    return branch;
}

void rlt_tuner_note_branches(rlt_tuner *tuner, const json_t *params) {
    const rlt_search_space *space = &tuner->space;
    rlt_history *history = &tuner->history;
    if (history->taken == NULL) {
        return;
    }
    const int64_t place = history->count - 1;
    json_t *before = json_object();
    for (int i = 0; i < space->count; i++) {
        const char *path = space->params[i].path;
        if (space->params[i].kind != RLT_DIST_FUNCTION) {
            json_object_set(before, path, json_object_get(params, path));
        }
    }
    for (int i = 0; i < space->count; i++) {
        json_t *given = json_object_get(params, space->params[i].path);
        if (space->params[i].kind != RLT_DIST_FUNCTION || given == NULL) {
            continue;
        }
        rlt_value value = {.number = NAN, .choice = -1};
        int branch = branch_of(tuner, i, before, given, &value);
        history->taken[place * history->dimensions + i] = branch;
        if (branch >= 0) {
            history->values[place * history->dimensions + i] = value;
        }
        json_object_set(before, space->params[i].path, given);
    }
    json_decref(before);
}
