/* driver: points that somebody wants tried (`rltune enqueue`, a client), and finished trials of
 * another experiment that the sampler learns from (tune.warm_start). Both are rows of this
 * experiment, so that resuming needs nothing else.
 * Thread: the driver's. Owner: the driver. */
#include "driver/clients.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the queue ---- */

typedef struct queue_row {
    int64_t id;
    json_t *params; /* owned */
} queue_row;

static rlt_status take_count(void *user, int columns, const char *const *names,
                             const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    *(int64_t *)user = strtoll(values[0], NULL, 10);
    return RLT_OK;
}

rlt_status rlt_driver_count_queue(rlt_driver *d, rlt_err *err) {
    const int64_t args[] = {d->experiment};
    return rlt_store_query(d->store,
                           "SELECT count(*) FROM queue WHERE experiment = ?1 AND trial IS NULL",
                           args, 1, take_count, &d->queued, err);
}

static rlt_status take_row(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns, (void)names;
    queue_row *row = user;
    row->id = strtoll(values[0], NULL, 10);
    row->params = json_loads(values[1], 0, NULL);
    return row->params != NULL
               ? RLT_OK
               : rlt_fail(err, RLT_ECORRUPT, "queue row %lld holds no point", (long long)row->id);
}

static bool takes(const rlt_driver *d, const char *path, const json_t *value) {
    json_t *one = json_object();
    json_object_set(one, path, (json_t *)value);
    bool fits = rlt_tuner_check_point(d->tuner, one, NULL) == RLT_OK;
    json_decref(one);
    return fits;
}

/* What the space has of a point. One that grows may learn of the rest later, and of a parameter's
 * range after the point was given: a value outside of it is drawn. */
static json_t *known_part(const rlt_driver *d, const json_t *point) {
    json_t *known = json_object(), *value;
    const char *path;
    const rlt_search_space *space = rlt_tuner_space(d->tuner);
    json_object_foreach((json_t *)point, path, value) {
        bool found = !d->config.run.objective.grows;
        for (int i = 0; i < space->count && !found; i++) {
            found = strcmp(space->params[i].path, path) == 0 && takes(d, path, value);
        }
        if (found) {
            json_object_set(known, path, value);
        }
    }
    return known;
}

rlt_status rlt_driver_ask_queued(rlt_driver *d, int64_t *queued, int64_t *number, json_t **params,
                                 rlt_err *err) {
    const int64_t args[] = {d->experiment};
    queue_row row = {0};
    const char *sql =
        d->newest_first ? "SELECT max(id), params_json FROM queue WHERE experiment = ?1 AND trial "
                          "IS NULL"
                        : "SELECT min(id), params_json FROM queue WHERE experiment = ?1 AND trial "
                          "IS NULL";
    RLT_TRY(rlt_store_query(d->store, sql, args, 1, take_row, &row, err));
    RLT_ASSERT(row.params != NULL); /* d->queued > 0 */
    json_t *point = known_part(d, row.params);
    rlt_status status = rlt_tuner_ask_point(d->tuner, point, number, params, err);
    *queued = row.id;
    json_decref(point);
    json_decref(row.params);
    return status;
}

rlt_status rlt_driver_queued_value(rlt_driver *d, const rlt_driver_entry *t, const char *path,
                                   json_t **value, rlt_err *err) {
    const int64_t args[] = {t->id};
    queue_row row = {0};
    *value = NULL;
    RLT_TRY(rlt_store_query(d->store, "SELECT id, params_json FROM queue WHERE trial = ?1", args, 1,
                            take_row, &row, err));
    json_t *given = json_object_get(row.params, path), *point = json_object();
    json_object_set(point, path, given);
    if (given != NULL && rlt_tuner_check_point(d->tuner, point, NULL) == RLT_OK) {
        *value = json_incref(given);
    }
    json_decref(point);
    json_decref(row.params);
    return RLT_OK;
}

/* ---- trials of an earlier experiment ---- */

typedef struct copying {
    rlt_driver *d;
    int64_t source;
    int64_t count;
    const char *file;
} copying;

static rlt_status copy_row(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns, (void)names;
    copying *c = user;
    char origin[200];
    snprintf(origin, sizeof origin, "%.120s, experiment %lld, trial %s", c->file,
             (long long)c->source, values[0]);
    const rlt_earlier_row row = {.experiment = c->d->experiment,
                                 .position = c->count++,
                                 .origin = origin,
                                 .state = values[1],
                                 .steps = strtoll(values[2], NULL, 10),
                                 .params_json = values[3],
                                 .values_json = values[4],
                                 .constraints_json = values[5]};
    return rlt_store_earlier_add(c->d->store, &row, err);
}

static const char ended_trials[] = "SELECT t.number, t.state, t.steps, " RLT_TOLD_PARAMS(
    "f.params") ", "
                "CASE WHEN EXISTS (SELECT 1 FROM trial_values v WHERE v.trial = t.id) THEN "
                "(SELECT json_group_array(value) FROM (SELECT v.value FROM trial_values v WHERE "
                "v.trial = t.id "
                "ORDER BY v.position)) ELSE json_array(t.value) END, "
                "(SELECT json_group_array(value) FROM (SELECT c.value FROM trial_constraints c "
                "WHERE c.trial = "
                "t.id ORDER BY c.position)) "
                "FROM trials t JOIN parameters_in_force f ON f.trial = t.id "
                "WHERE t.experiment = ?1 AND t.role = 'search' AND t.state IN ('completed', "
                "'stopped') AND t.value IS NOT NULL ORDER BY t.number";

static rlt_status add_objective(void *user, int columns, const char *const *names,
                                const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    rlt_buf_printf(user, "%s%s", ((rlt_buf *)user)->size > 0 ? ", " : "", values[0]);
    return RLT_OK;
}

/* What is best there must be best here. */
static rlt_status check_source(rlt_driver *d, rlt_store *source, int64_t id, const char *file,
                               rlt_err *err) {
    static const char directions[] = "SELECT CASE maximise WHEN 1 THEN 'max' ELSE 'min' END FROM "
                                     "objectives WHERE experiment = ?1 ORDER BY position";
    rlt_buf theirs = {0}, ours = {0};
    rlt_status status = rlt_store_query(source, directions, &id, 1, add_objective, &theirs, err);
    if (status == RLT_OK) {
        status =
            rlt_store_query(d->store, directions, &d->experiment, 1, add_objective, &ours, err);
    }
    if (status == RLT_OK && theirs.size == 0) {
        status =
            rlt_fail(err, RLT_ENOTFOUND,
                     "tune.warm_start: there is no experiment %lld with an objective in %.200s",
                     (long long)id, file);
    } else if (status == RLT_OK && strcmp(theirs.data, ours.data) != 0) {
        status = rlt_fail(err, RLT_ECONFIG,
                          "tune.warm_start: experiment %lld of %.200s ranks by %s, this one by %s",
                          (long long)id, file, theirs.data, ours.data);
    }
    rlt_buf_fini(&theirs);
    rlt_buf_fini(&ours);
    return status;
}

rlt_status rlt_driver_copy_earlier(rlt_driver *d, rlt_err *err) {
    const char *file = d->config.tune.warm_start.db;
    const int64_t id = d->config.tune.warm_start.experiment;
    char theirs[PATH_MAX], ours[PATH_MAX];
    if (id == 0) {
        return RLT_OK;
    }
    file = file[0] != 0 ? file : d->o->db_path;
    bool same = realpath(file, theirs) != NULL && realpath(d->o->db_path, ours) != NULL &&
                strcmp(theirs, ours) == 0; /* one process opens a file once */
    rlt_store *source = d->store;
    RLT_TRY(same ? RLT_OK : rlt_store_open(file, RLT_STORE_READ, &source, err));
    copying c = {.d = d, .source = id, .file = file};
    rlt_status status = check_source(d, source, id, file, err);
    if (status == RLT_OK) {
        status = rlt_store_query(source, ended_trials, &id, 1, copy_row, &c, err);
    }
    if (!same) {
        rlt_store_close(&source);
    }
    return status;
}

/* null is no number: what a metric had none of */
static void read_numbers(const char *text, double *numbers, int count) {
    json_t *array = json_loads(text, 0, NULL);
    for (int i = 0; i < count; i++) {
        const json_t *json = json_array_get(array, (size_t)i);
        numbers[i] = json_is_number(json) ? json_number_value(json) : NAN;
    }
    json_decref(array);
}

typedef struct learning {
    rlt_driver *d;
    int64_t used, count;
} learning;

static rlt_status learn_row(void *user, int columns, const char *const *names,
                            const char *const *values, rlt_err *err) {
    (void)columns, (void)names;
    learning *l = user;
    rlt_driver *d = l->d;
    double results[RLT_OBJECTIVES_MAX], limits[RLT_CONSTRAINTS_MAX];
    rlt_trial_state state;
    bool used;
    RLT_TRY(rlt_trial_state_parse(values[0], &state, err));
    read_numbers(values[3], results, d->config.tune.objectives.count);
    read_numbers(values[4], limits, d->config.tune.constraints.count);
    json_t *params = json_loads(values[2], 0, NULL);
    rlt_status status = rlt_tuner_source(d->tuner, params, results, limits, state,
                                         strtoll(values[1], NULL, 10), &used, err);
    json_decref(params);
    l->count++;
    l->used += used;
    return status;
}

rlt_status rlt_driver_learn_earlier(rlt_driver *d, rlt_err *err) {
    const int64_t args[] = {d->experiment};
    learning l = {.d = d};
    RLT_TRY(rlt_store_query(d->store,
                            "SELECT state, steps, params_json, values_json, constraints_json FROM "
                            "earlier_trials WHERE experiment = ?1 ORDER BY position",
                            args, 1, learn_row, &l, err));
    if (l.count > 0) {
        rlt_driver_say(d, "%lld of %lld trials of the earlier experiment are of use to the sampler",
                       (long long)l.used, (long long)l.count);
    }
    return RLT_OK;
}

/* A name alone is one of the user's own parameters, as in a script's tune.points. */
static json_t *point_of(const rlt_driver *d, const json_t *given) {
    bool program = rlt_driver_has_programs(d);
    json_t *point = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)given, name, value) {
        char path[RLT_FIELD_PATH_MAX];
        rlt_config_param_path(name, path);
        json_object_set(point, program ? path : name, value);
    }
    return point;
}

rlt_status rlt_driver_add_point(rlt_driver *d, const json_t *given, rlt_err *err) {
    json_t *point = point_of(d, given);
    rlt_status status =
        d->config.run.objective.grows ? RLT_OK : rlt_tuner_check_point(d->tuner, point, err);
    if (status == RLT_OK) {
        int64_t id;
        char *text = json_dumps(point, JSON_COMPACT | JSON_SORT_KEYS);
        status = rlt_store_enqueue(d->store, d->experiment, text, "enqueue", &id, err);
        free(text);
    }
    json_decref(point);
    d->queued += status == RLT_OK;
    return status;
}
