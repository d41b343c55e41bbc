/* envs, algos, samplers, stoppers: what a configuration can name. Thread: main only. */
#include "algos/algos.h"
#include "cli/report.h"
#include "envs/envs.h"
#include "tuner/tuner.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

/* image: height, width, channels, or {0}. */
static void space_text(const rlt_space *space, const int image[3], char *text, size_t size) {
    if (image[0] > 0) {
        snprintf(text, size, "Box(%d x %d x %d)", image[0], image[1], image[2]);
        return;
    }
    if (space->kind != RLT_SPACE_MULTI_DISCRETE) {
        const char *kind = space->kind == RLT_SPACE_DISCRETE ? "Discrete" : "Box";
        snprintf(text, size, "%s(%d)", kind, space->size);
        return;
    }
    size_t at = (size_t)snprintf(text, size, "MultiDiscrete(");
    for (int c = 0; c < space->size && at < size; c++) {
        const char *end = c + 1 < space->size ? "," : ")";
        at += (size_t)snprintf(text + at, size - at, "%d%s", space->counts[c], end);
    }
}

static json_t *env_json(const rlt_env_def *def, const char *observation, const char *action) {
    json_t *threshold =
        isnan(def->reward_threshold) ? json_null() : json_real((double)def->reward_threshold);
    json_t *limit = def->max_episode_steps > 0 ? json_integer(def->max_episode_steps) : json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "name", def->name, "observation_space",
                     observation, "action_space", action, "max_episode_steps", limit,
                     "reward_threshold", threshold, "help", def->help);
}

rlt_status rlt_cli_envs(int argc, char **argv, rlt_err *err) {
    bool json = false;
    RLT_TRY(rlt_cli_only_json("envs", argc, argv, &json, err));
    json_t *list = json_array();
    if (!json) {
        printf("%-26s %-23s %-11s %6s %10s  %s\n", "name", "observation", "action", "limit",
               "threshold", "");
    }
    for (size_t i = 0; rlt_envs[i] != NULL; i++) {
        const rlt_env_def *def = rlt_envs[i];
        char observation[64], action[64];
        space_text(&def->observation_space, def->image, observation, sizeof(observation));
        space_text(&def->action_space, (const int[3]){0}, action, sizeof(action));
        if (json) {
            json_array_append_new(list, env_json(def, observation, action));
        } else {
            char threshold[32] = "-", limit[16] = "-";
            if (def->max_episode_steps > 0) {
                snprintf(limit, sizeof(limit), "%d", def->max_episode_steps);
            }
            if (!isnan(def->reward_threshold)) {
                snprintf(threshold, sizeof(threshold), "%g", (double)def->reward_threshold);
            }
            printf("%-26s %-23s %-11s %6s %10s  %s\n", def->name, observation, action, limit,
                   threshold, def->help);
        }
    }
    int failed = json ? json_dumpf(list, stdout, JSON_INDENT(2)) : 0;
    json_decref(list);
    if (json) {
        putchar('\n');
    }
    return failed ? rlt_fail(err, RLT_EIO, "cannot write to standard output") : RLT_OK;
}

/* Prints one entry, or appends it to `list`. */
static void put_entry(json_t *list, const char *name, const char *help) {
    if (list != NULL) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "help", help));
    } else {
        printf("%-14s %s\n", name, help);
    }
}

static rlt_status end_list(json_t *list, rlt_err *err) {
    return list != NULL ? rlt_report_print_json(list, err) : RLT_OK;
}

static rlt_status put_listing(const char *command, const rlt_listing *listing, int argc,
                              char **argv, rlt_err *err) {
    bool json = false;
    RLT_TRY(rlt_cli_only_json(command, argc, argv, &json, err));
    json_t *list = json ? json_array() : NULL;
    for (; listing->name != NULL; listing++) {
        put_entry(list, listing->name, listing->help);
    }
    return end_list(list, err);
}

rlt_status rlt_cli_samplers(int argc, char **argv, rlt_err *err) {
    return put_listing("samplers", rlt_samplers, argc, argv, err);
}

rlt_status rlt_cli_stoppers(int argc, char **argv, rlt_err *err) {
    return put_listing("stoppers", rlt_stoppers, argc, argv, err);
}

rlt_status rlt_cli_algos(int argc, char **argv, rlt_err *err) {
    bool json = false;
    RLT_TRY(rlt_cli_only_json("algos", argc, argv, &json, err));
    json_t *list = json ? json_array() : NULL;
    for (size_t i = 0; rlt_algos[i] != NULL; i++) {
        put_entry(list, rlt_algos[i]->name, rlt_algos[i]->help);
    }
    return end_list(list, err);
}
