/* exchange: a study as an experiment's table, as a script would give it.
 * Why a program that does not exist: a study says what was searched, not what was run. Its name
 * tells whoever resumes the experiment; a script with another one goes on from it.
 * Thread: any. Owner: the caller. */
#include "exchange/exchange_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *argv_of(const optuna_study *study) {
    json_t *argv = json_pack("[s]", "program-of-the-study");
    for (int i = 0; i < study->param_count; i++) {
        const char *name = rlt_config_param_name(study->params[i].path);
        json_array_append_new(argv, json_sprintf("--%s={%s}", name, name));
    }
    return argv;
}

static json_t *params_of(const optuna_study *study) {
    json_t *params = json_object();
    for (int i = 0; i < study->param_count; i++) {
        json_object_set_new(params, rlt_config_param_name(study->params[i].path),
                            optuna_dist_space(&study->params[i].dist));
    }
    return params;
}

static void put_objectives(const optuna_study *study, json_t *tune) {
    json_t *names = json_array(), *directions = json_array(), *constraints = json_array();
    for (int i = 0; i < study->objective_count; i++) {
        json_array_append_new(names, json_string(study->objectives[i]));
        json_array_append_new(directions, json_string(study->maximise[i] ? "max" : "min"));
    }
    for (int i = 0; i < study->constraint_count; i++) {
        json_array_append_new(constraints, json_string(study->constraints[i]));
    }
    if (study->objective_count == 1) {
        json_object_set(tune, "metric", json_array_get(names, 0));
        json_object_set(tune, "mode", json_array_get(directions, 0));
    } else {
        json_object_set(tune, "metrics", names);
        json_object_set(tune, "directions", directions);
    }
    if (study->constraint_count > 0) {
        json_object_set(tune, "constraints", constraints);
    }
    json_decref(names);
    json_decref(directions);
    json_decref(constraints);
}

/* An experiment's name: 1 to 127 bytes; cut at a character. */
static json_t *name_of(const char *study) {
    size_t size = strlen(study);
    if (size >= RLT_NAME_MAX) {
        for (size = RLT_NAME_MAX - 1; ((unsigned char)study[size] & 0xc0) == 0x80;) {
            size--;
        }
    }
    return size > 0 ? json_stringn(study, size) : json_string("study");
}

json_t *optuna_study_config(optuna_study *study) {
    json_t *tune = json_object();
    put_objectives(study, tune);
    json_object_set_new(tune, "trials", json_integer(study->trials > 0 ? study->trials : 1));
    json_object_set_new(tune, "sampler", json_string(study->param_count > 0 ? "tpe" : "random"));
    if (json_array_size(study->points) > 0) {
        json_object_set(tune, "points", study->points);
    }
    json_t *config =
        json_pack("{s:o, s:{s:s, s:o}, s:o}", "name", name_of(study->name), "objective", "name",
                  "command", "argv", argv_of(study), "params", params_of(study));
    if (study->steps_max > 0 && study->objective_count == 1) {
        json_object_set_new(config, "stop", json_pack("{s:I}", "steps", study->steps_max));
    }
    json_object_set_new(config, "tune", tune);
    return config;
}
