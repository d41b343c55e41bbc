/* tuner: the population of trials: asks the sampler, lets the stopper judge, keeps the books.
 * Why it holds so little: parameters live in the store; here a trial is one fixed record, and what
 * was decided for it only until it ends, so that memory stays flat.
 * Thread: one. Owner: the caller. */
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>

#define X(id, name, help) extern const rlt_sampler_def rlt_sampler_##name;
#include "tuner/samplers/samplers.def"
#undef X
#define X(id, name, help) extern const rlt_stopper_def rlt_stopper_##name;
#include "tuner/stoppers/stoppers.def"
#undef X

const rlt_sampler_def *const rlt_sampler_defs[] = {
#define X(id, name, help) [RLT_SAMPLER_##id] = &rlt_sampler_##name,
#include "tuner/samplers/samplers.def"
#undef X
};
const rlt_stopper_def *const rlt_stopper_defs[] = {
#define X(id, name, help) [RLT_STOPPER_##id] = &rlt_stopper_##name,
#include "tuner/stoppers/stoppers.def"
#undef X
};
#define X(id, name, help) {#name, help},
const rlt_listing rlt_samplers[] = {
#include "tuner/samplers/samplers.def"
    {NULL, NULL}};
const rlt_listing rlt_stoppers[] = {
#include "tuner/stoppers/stoppers.def"
    {NULL, NULL}};
#undef X

static rlt_status check_config(const rlt_tuner *tuner, rlt_err *err) {
    const rlt_tune_fields *config = &tuner->config;
    if ((unsigned)config->sampler >= RLT_COUNT(rlt_sampler_defs) ||
        (unsigned)config->stopper >= RLT_COUNT(rlt_stopper_defs)) {
        return rlt_fail(err, RLT_ECONFIG, "tune: unknown sampler %d or stopper %d", config->sampler,
                        config->stopper);
    }
    for (int i = 0; i < tuner->space.count; i++) {
        if (tuner->space.params[i].kind == RLT_DIST_FUNCTION && tuner->resolve == NULL) {
            return rlt_fail(
                err, RLT_ECONFIG,
                "%s: is a function of the other parameters, but nothing can call it here",
                tuner->space.params[i].path);
        }
    }
    return RLT_OK;
}

rlt_status rlt_sampler_check(int kind, const rlt_search_space *space, const rlt_tune_fields *config,
                             rlt_err *err) {
    const rlt_sampler_def *sampler = rlt_sampler_defs[kind];
    const char *name = rlt_samplers[kind].name;
    unsigned knows = rlt_sampler_learns(sampler) ? sampler->abilities : ~0U;
    if (sampler->check != NULL) {
        RLT_TRY(sampler->check(space, config, err));
    }
    if (config->objectives.count > 1 && (knows & RLT_SAMPLER_SEVERAL) == 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler: %s searches for the best of one metric, but tune.metrics "
                        "names %d; gp, nsga2, nsga3, tpe or random search for several",
                        name, config->objectives.count);
    }
    if (config->constraints.count > 0 && (knows & RLT_SAMPLER_LIMITS) == 0) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "tune.sampler: %s knows nothing of constraints; tpe, gp, de, nsga2, nsga3 or "
            "random go with tune.constraints",
            name);
    }
    return RLT_OK;
}

/* Where trials end by themselves, in steps or in ms. */
static int64_t whole_of(const json_t *experiment, bool timed) {
    const json_t *stop = json_object_get(experiment, "stop");
    double seconds = json_number_value(json_object_get(stop, "wall_s"));
    int64_t whole =
        timed ? llround(1e3 * seconds) : json_integer_value(json_object_get(stop, "steps"));
    return whole > 0 ? whole : INT64_MAX;
}

static rlt_status start_stopper(rlt_tuner *tuner, const json_t *experiment, rlt_err *err) {
    const char *name = json_string_value(json_object_get(experiment, "name"));
    if (tuner->config.objectives.count > 1 && tuner->config.stopper != RLT_STOPPER_NONE) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s compares trials by one metric, but there are %d",
                        rlt_stoppers[tuner->config.stopper].name, tuner->config.objectives.count);
    }
    const rlt_stopper_setup setup = {
        .config = &tuner->config,
        .max_steps = whole_of(experiment, tuner->config.timed),
        .name = name != NULL ? name : "",
        .rulings = &tuner->rulings,
        .space = &tuner->space,
        .options = json_object_get(json_object_get(experiment, "tune"), "stopper")};
    tuner->stopper = rlt_stopper_defs[tuner->config.stopper];
    tuner->stopper_state = rlt_alloc(tuner->stopper->state_size);
    return tuner->stopper->init == NULL ? RLT_OK
                                        : tuner->stopper->init(tuner->stopper_state, &setup, err);
}

static rlt_status start(rlt_tuner *tuner, const json_t *experiment, rlt_err *err) {
    RLT_TRY(rlt_search_space_collect(experiment, &tuner->space, err));
    RLT_TRY(check_config(tuner, err));
    RLT_TRY(rlt_configurations_init(tuner, err));
    RLT_TRY(rlt_points_read(experiment, &tuner->space, &tuner->points, err));
    tuner->values = rlt_alloc(sizeof(rlt_value) * (size_t)tuner->space.count);
    RLT_TRY(rlt_sampler_check(tuner->config.sampler, &tuner->space, &tuner->config, err));
    const rlt_sampler_def *sampler = rlt_sampler_defs[tuner->config.sampler];
    const json_t *options = json_object_get(json_object_get(experiment, "tune"), "sampler");
    tuner->sampler = sampler;
    tuner->sampler_state = rlt_alloc(sampler->state_size);
    tuner->history.dimensions = tuner->space.count;
    tuner->history.objectives = tuner->config.objectives.count;
    tuner->history.constraints = tuner->config.constraints.count;
    for (int i = 0; i < tuner->space.count; i++) {
        tuner->history.branching |=
            sampler->branch != NULL && tuner->space.params[i].kind == RLT_DIST_FUNCTION;
    }
    sampler->init(tuner->sampler_state, &tuner->space, &tuner->config, &tuner->history);
    if (sampler->prepare != NULL) {
        RLT_TRY(sampler->prepare(tuner->sampler_state, options, err));
    }
    return start_stopper(tuner, experiment, err);
}

rlt_status rlt_tuner_create(const rlt_tune_fields *config, const json_t *experiment,
                            rlt_resolve resolve, void *user, rlt_tuner **tuner, rlt_err *err) {
    rlt_tuner *made = rlt_alloc(sizeof(*made));
    made->config = *config;
    if (made->config.objectives.count == 0) { /* metric and maximise say it all */
        made->config.objectives.count = 1;
        made->config.objectives.maximise[0] = config->maximise;
    }
    made->resolve = resolve;
    made->user = user;
    rlt_status status = start(made, experiment, err);
    if (status != RLT_OK) {
        rlt_tuner_destroy(&made);
    }
    *tuner = made;
    return status;
}

void rlt_tuner_destroy(rlt_tuner **tuner) {
    rlt_tuner *old = *tuner;
    if (old == NULL) {
        return;
    }
    if (old->sampler_state != NULL && old->sampler->fini != NULL) {
        old->sampler->fini(old->sampler_state);
    }
    if (old->stopper_state != NULL && old->stopper->fini != NULL) {
        old->stopper->fini(old->stopper_state);
    }
    for (int64_t i = 0; i < old->count; i++) {
        rlt_free(old->trials[i].verdicts);
    }
    rlt_history_fini(&old->history);
    rlt_free(old->sampler_state);
    rlt_free(old->stopper_state);
    rlt_free(old->rulings.items);
    rlt_free(old->front);
    rlt_configurations_fini(&old->configurations);
    rlt_free(old->trials);
    rlt_free(old->values);
    json_decref(old->points);
    rlt_search_space_fini(&old->space);
    rlt_free(old);
    *tuner = NULL;
}

const rlt_search_space *rlt_tuner_space(const rlt_tuner *tuner) {
    return &tuner->space;
}

static int64_t point_count(const rlt_tuner *tuner) {
    return (int64_t)json_array_size(tuner->points);
}

/* The point that somebody wants tried as this trial, or NULL: the sampler's. */
static const json_t *point_of(const rlt_tuner *tuner, int64_t number) {
    return tuner->given != NULL ? tuner->given
                                : json_array_get(tuner->points, (size_t)number); /* NULL beyond */
}

/* Which of the sampler's suggestions it is. */
static int64_t sampler_index(const rlt_tuner *tuner, int64_t number) {
    return number - point_count(tuner) - tuner->given_count;
}

static json_t *random_value(const rlt_tuner *tuner, int64_t number, const rlt_param *param) {
    /* ~number: apart from the draws of the sampler, whose points count from 0 too */
    double draw = rlt_tuner_draw((uint64_t)tuner->config.seed, ~number, param->path);
    return rlt_value_json(param, rlt_param_at(param, draw));
}

/* What the trial's point to try first leaves open is drawn at random. */
static json_t *value_of(const rlt_tuner *tuner, int64_t number, int i) {
    const rlt_param *param = &tuner->space.params[i];
    const json_t *point = point_of(tuner, number);
    if (point == NULL) {
        return rlt_value_json(param, tuner->values[i]);
    }
    const json_t *given = json_object_get(point, param->path);
    rlt_value value;
    if (given != NULL && rlt_value_parse(param, given, &value, NULL) == RLT_OK) {
        return rlt_value_json(param, value);
    }
    return random_value(tuner, number, param);
}

void rlt_tuner_fill(const rlt_tuner *tuner, int64_t number, json_t *params) {
    for (int i = 0; i < tuner->space.count; i++) {
        const rlt_param *param = &tuner->space.params[i];
        if (param->kind != RLT_DIST_FUNCTION && json_object_get(params, param->path) == NULL) {
            json_object_set_new(params, param->path, random_value(tuner, number, param));
        }
    }
}

/* A space that a function returned is sampled at the draw of the trial, or of the one that it takes
 * after, for its path. */
static rlt_status draw_returned(const rlt_tuner *tuner, int64_t number, int i, json_t **value,
                                rlt_err *err) {
    const char *path = tuner->space.params[i].path;
    rlt_param param;
    rlt_status status = rlt_param_parse(*value, path, &param, err);
    if (status == RLT_OK && param.kind == RLT_DIST_FUNCTION) {
        status = rlt_fail(err, RLT_ESCRIPT, "%s: the function returned another function", path);
    }
    const json_t *given = json_object_get(point_of(tuner, number), path);
    rlt_value there;
    if (status == RLT_OK && given != NULL &&
        rlt_value_parse(&param, given, &there, NULL) == RLT_OK) {
        json_decref(*value);
        *value = rlt_value_json(&param, there);
    } else if (status == RLT_OK) {
        bool takes_after = tuner->sampler->origin != NULL && point_of(tuner, number) == NULL;
        int64_t sources = tuner->history.sources, of = number;
        if (takes_after) {
            of = tuner->sampler->origin(tuner->sampler_state, number + sources, i) - sources;
        }
        double draw = rlt_tuner_draw((uint64_t)tuner->config.seed, of, path);
        rlt_value drawn = rlt_param_at(&param, draw);
        int branch = rlt_history_branch(&tuner->history, i, &param);
        if (branch >= 0 && point_of(tuner, number) == NULL) {
            tuner->sampler->branch(tuner->sampler_state, sampler_index(tuner, number), branch,
                                   &drawn);
        }
        json_decref(*value);
        *value = rlt_value_json(&param, drawn);
    }
    rlt_param_fini(&param);
    return status;
}

/* What a point gives counts where the function returns a space that has it. */
static rlt_status resolve_function(const rlt_tuner *tuner, int64_t number, int i, json_t *params,
                                   rlt_err *err) {
    const char *path = tuner->space.params[i].path;
    json_t *value = NULL;
    rlt_status status = tuner->resolve(tuner->user, path, params, &value, err);
    if (status == RLT_OK && value == NULL) {
        return rlt_fail(err, RLT_ESCRIPT, "%s: the function returned nothing", path);
    }
    if (status == RLT_OK && rlt_param_is_space(value)) {
        status = draw_returned(tuner, number, i, &value, err);
    }
    if (status == RLT_OK) {
        json_object_set(params, path, value);
    }
    json_decref(value);
    return status;
}

static rlt_status fill_params(rlt_tuner *tuner, int64_t number, json_t *params, rlt_err *err) {
    const rlt_search_space *space = &tuner->space;
    if (point_of(tuner, number) == NULL) {
        RLT_TRY(tuner->sampler->ask(tuner->sampler_state, sampler_index(tuner, number),
                                    tuner->values, err));
    }
    for (int i = 0; i < space->count; i++) {
        if (space->params[i].kind != RLT_DIST_FUNCTION) {
            json_object_set_new(params, space->params[i].path, value_of(tuner, number, i));
        }
    }
    for (int i = 0; i < space->count; i++) {
        if (space->params[i].kind == RLT_DIST_FUNCTION) {
            RLT_TRY(resolve_function(tuner, number, i, params, err));
        }
    }
    return RLT_OK;
}

rlt_status rlt_tuner_read_values(rlt_tuner *tuner, const json_t *params, rlt_err *err) {
    for (int i = 0; i < tuner->space.count; i++) {
        const rlt_param *param = &tuner->space.params[i];
        tuner->values[i] = (rlt_value){.number = NAN, .choice = -1};
        const json_t *given = json_object_get(params, param->path);
        if (param->kind == RLT_DIST_FUNCTION) {
            continue;
        }
        if (given == NULL) {
            return rlt_fail(err, RLT_ECONFIG, "%s: there is no value", param->path);
        }
        RLT_TRY(rlt_value_parse(param, given, &tuner->values[i], err));
    }
    return RLT_OK;
}

static void push_trial(rlt_tuner *tuner, int64_t configuration, int64_t replicate) {
    tuner->trials =
        rlt_tuner_grow(tuner->trials, &tuner->capacity, tuner->count + 1, sizeof(rlt_tuner_trial));
    tuner->trials[tuner->count++] = (rlt_tuner_trial){.reported = -1,
                                                      .best = NAN,
                                                      .key = NAN,
                                                      .configuration = configuration,
                                                      .replicate = (int32_t)replicate,
                                                      .state = RLT_TRIAL_RUNNING};
}

/* The first trial of a configuration. */
static rlt_status add_trial(rlt_tuner *tuner, const json_t *params, rlt_err *err) {
    if (rlt_sampler_learns(tuner->sampler) || !rlt_tuner_is_single(tuner)) {
        RLT_TRY(rlt_tuner_read_values(tuner, params, err));
        rlt_history_start(&tuner->history, tuner->values);
        rlt_tuner_note_branches(tuner, params);
    }
    push_trial(tuner, rlt_tuner_configurations(tuner), 0);
    if (rlt_tuner_replicates(tuner)) {
        rlt_configuration_add(tuner, params);
    }
    if (tuner->sampler->started != NULL) {
        tuner->sampler->started(tuner->sampler_state, rlt_tuner_place(tuner, tuner->count - 1));
    }
    if (tuner->stopper->started != NULL) {
        tuner->stopper->started(tuner->stopper_state, tuner->count - 1, params);
    }
    return RLT_OK;
}

static rlt_status check_budget(const rlt_tuner *tuner, rlt_err *err) {
    int64_t steps = tuner->config.budget.steps;
    return steps == 0 || tuner->steps < steps
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTFOUND,
                          "the budget of %" PRId64 " steps is used up: %" PRId64 " taken", steps,
                          tuner->steps);
}

bool rlt_tuner_is_full(const rlt_tuner *tuner) {
    return tuner->config.trials > 0 &&
           rlt_tuner_configurations(tuner) - tuner->given_count >= tuner->config.trials;
}

/* Of the point given, or else of the next one of the sampler. */
static rlt_status start_configuration(rlt_tuner *tuner, int64_t *number, json_t **params,
                                      rlt_err *err) {
    json_t *made = json_object();
    rlt_status status = fill_params(tuner, rlt_tuner_configurations(tuner), made, err);
    if (status == RLT_OK) {
        status = add_trial(tuner, made, err);
    }
    if (status != RLT_OK) {
        json_decref(made);
        return status;
    }
    *number = tuner->count - 1;
    *params = made;
    return RLT_OK;
}

/* A new configuration. */
static rlt_status ask(rlt_tuner *tuner, int64_t *number, json_t **params, rlt_err *err) {
    const rlt_tune_fields *config = &tuner->config;
    if (rlt_tuner_is_full(tuner)) {
        return rlt_fail(err, RLT_ENOTFOUND, "all %" PRId64 " trials have been started",
                        config->trials);
    }
    RLT_TRY(check_budget(tuner, err));
    return start_configuration(tuner, number, params, err);
}

static void ask_replicate(rlt_tuner *tuner, int64_t configuration, int64_t *number,
                          json_t **params) {
    const rlt_configuration *c = &tuner->configurations.items[configuration];
    *params = json_deep_copy(c->params);
    *number = tuner->count;
    push_trial(tuner, configuration, c->count);
    rlt_configuration_grown(tuner, configuration);
}

rlt_status rlt_tuner_ask(rlt_tuner *tuner, int64_t *number, json_t **params, rlt_err *err) {
    int64_t wanting = rlt_configuration_wanting(tuner);
    if (wanting >= 0 && check_budget(tuner, NULL) == RLT_OK) {
        ask_replicate(tuner, wanting, number, params);
        return RLT_OK;
    }
    rlt_status status = ask(tuner, number, params, err);
    if (status == RLT_ENOTFOUND && tuner->stopper->closed != NULL) {
        tuner->stopper->closed(tuner->stopper_state, rlt_tuner_configurations(tuner));
    }
    if (status == RLT_ENOTFOUND && check_budget(tuner, NULL) == RLT_OK &&
        rlt_configurations_may_grow(tuner)) {
        return rlt_fail(err, RLT_EBUSY, "further seeds depend on trials that run");
    }
    return status;
}

rlt_status rlt_tuner_ask_point(rlt_tuner *tuner, const json_t *point, int64_t *number,
                               json_t **params, rlt_err *err) {
    RLT_TRY(rlt_point_check(point, "the point", &tuner->space, err));
    tuner->given = point;
    rlt_status status = start_configuration(tuner, number, params, err);
    tuner->given = NULL;
    tuner->given_count += status == RLT_OK;
    return status;
}

rlt_status rlt_tuner_check_point(const rlt_tuner *tuner, const json_t *point, rlt_err *err) {
    return rlt_point_check(point, "the point", &tuner->space, err);
}

rlt_status rlt_tuner_restore_point(rlt_tuner *tuner, int64_t number, const json_t *params,
                                   rlt_err *err) {
    RLT_TRY(rlt_tuner_restore(tuner, number, params, err));
    tuner->given_count++;
    return RLT_OK;
}

int64_t rlt_tuner_parent(const rlt_tuner *tuner, int64_t number) {
    RLT_ASSERT(number >= 0 && number < tuner->count);
    if (tuner->sampler->parent == NULL) {
        return -1;
    }
    int64_t place = tuner->sampler->parent(tuner->sampler_state, rlt_tuner_place(tuner, number));
    int64_t configuration = place - tuner->history.sources; /* below 0: of an earlier experiment */
    return place >= 0 && configuration >= 0 ? rlt_tuner_first(tuner, configuration) : -1;
}

rlt_stage rlt_tuner_stage(const rlt_tuner *tuner, int64_t number) {
    RLT_ASSERT(number >= 0 && number < tuner->count);
    return tuner->sampler->stage != NULL
               ? tuner->sampler->stage(tuner->sampler_state, rlt_tuner_place(tuner, number))
               : RLT_STAGE_ALONE;
}

rlt_status rlt_tuner_restore(rlt_tuner *tuner, int64_t number, const json_t *params, rlt_err *err) {
    if (number != tuner->count) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "trial %" PRId64 " cannot be restored: the next one is %" PRId64, number,
                        tuner->count);
    }
    for (int i = 0; i < tuner->space.count; i++) {
        if (json_object_get(params, tuner->space.params[i].path) == NULL) {
            return rlt_fail(err, RLT_ECORRUPT,
                            "trial %" PRId64 " cannot be restored: it has no value for %s", number,
                            tuner->space.params[i].path);
        }
    }
    rlt_err why = {0};
    return add_trial(tuner, params, &why) == RLT_OK
               ? RLT_OK
               : rlt_fail(err, RLT_ECORRUPT, "trial %" PRId64 " cannot be restored: %s", number,
                          why.message);
}

rlt_status rlt_tuner_restore_replicate(rlt_tuner *tuner, int64_t number, int64_t configuration,
                                       int64_t replicate, rlt_err *err) {
    int64_t index =
        rlt_tuner_replicates(tuner) && configuration >= 0 && configuration < tuner->count
            ? tuner->trials[configuration].configuration
            : -1;
    const rlt_configuration *c = index >= 0 ? &tuner->configurations.items[index] : NULL;
    if (number != tuner->count || c == NULL || c->first != configuration || c->closed ||
        replicate != c->count || c->count >= c->target) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "trial %" PRId64 " cannot be restored: replicate %" PRId64
                        " of the configuration of trial %" PRId64 " does not come next",
                        number, replicate, configuration);
    }
    push_trial(tuner, index, replicate);
    rlt_configuration_grown(tuner, index);
    return RLT_OK;
}
