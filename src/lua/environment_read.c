/* lua: the description of a custom environment: names, spaces, sizes.
 * Thread: any. Owner: the spec owns the bounds and counts of its spaces. */
#include "lua/script_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const keys[] = {
    "name",  "observation_space", "action_space", "max_episode_steps", "action_mask",
    "reset", "state_size",        "step",         "reward_threshold"};

static rlt_status check_keys(const json_t *table, rlt_err *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value) {
        bool known = false;
        for (size_t i = 0; i < RLT_COUNT(keys); i++) {
            known |= strcmp(keys[i], key) == 0;
        }
        if (!known) {
            const char *nearest = rlt_str_nearest(key, keys, RLT_COUNT(keys));
            return rlt_fail(err, RLT_ECONFIG,
                            "env.%.60s: unknown key%s%s%s; an environment has name, "
                            "observation_space, action_space, state_size, reset, step, "
                            "action_mask, max_episode_steps, reward_threshold",
                            key, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                            nearest ? "'?)" : "");
        }
    }
    return RLT_OK;
}

/* bounds[size], infinite where JSON has null. */
static rlt_status read_bounds(const char *path, const json_t *list, int size, float open,
                              float **bounds, rlt_err *err) {
    *bounds = rlt_alloc(sizeof(float) * (size_t)size);
    for (int i = 0; i < size; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        if (!json_is_number(item) && !json_is_null(item)) {
            return rlt_fail(err, RLT_ECONFIG, "%s: bound %d is not a number", path, i + 1);
        }
        (*bounds)[i] = json_is_null(item) ? open : (float)json_number_value(item);
    }
    return RLT_OK;
}

static rlt_status read_box(const char *path, const json_t *table, rlt_space *space, rlt_err *err) {
    const json_t *low = json_object_get(table, "low"), *high = json_object_get(table, "high");
    size_t size = json_array_size(low);
    if (size < 1 || size > RLT_ENVIRONMENT_SPACE_MAX || json_array_size(high) != size) {
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: low and high must be lists of the same length, from 1 to %d", path,
                        RLT_ENVIRONMENT_SPACE_MAX);
    }
    float *lows = NULL, *highs = NULL;
    rlt_status status = read_bounds(path, low, (int)size, -INFINITY, &lows, err);
    if (status == RLT_OK) {
        status = read_bounds(path, high, (int)size, INFINITY, &highs, err);
    }
    *space = (rlt_space){.kind = RLT_SPACE_BOX, .size = (int)size, .low = lows, .high = highs};
    for (size_t i = 0; i < size && status == RLT_OK; i++) {
        if (!(lows[i] <= highs[i])) {
            status = rlt_fail(err, RLT_ECONFIG, "%s: low[%zu] is more than high[%zu]", path, i + 1,
                              i + 1);
        }
    }
    return status;
}

static rlt_status read_multi_discrete(const char *path, const json_t *table, rlt_space *space,
                                      rlt_err *err) {
    const json_t *list = json_object_get(table, "counts");
    size_t size = json_array_size(list);
    json_int_t values = 0;
    bool valid = size >= 1 && size <= RLT_SPACE_COMPONENTS_MAX;
    for (size_t c = 0; valid && c < size; c++) {
        json_int_t count = json_integer_value(json_array_get(list, c));
        valid = count >= 1 && count <= RLT_ENVIRONMENT_SPACE_MAX;
        values += count;
    }
    if (!valid || values > RLT_ENVIRONMENT_SPACE_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: a multi_discrete space has 1 to %d counts, each from 1, together at "
                        "most %d",
                        path, RLT_SPACE_COMPONENTS_MAX, RLT_ENVIRONMENT_SPACE_MAX);
    }
    int *counts = rlt_alloc(sizeof(int) * size);
    for (size_t c = 0; c < size; c++) {
        counts[c] = (int)json_integer_value(json_array_get(list, c));
    }
    *space = (rlt_space){.kind = RLT_SPACE_MULTI_DISCRETE, .size = (int)size, .counts = counts};
    return RLT_OK;
}

static rlt_status read_space(const char *name, const json_t *table, rlt_space *space,
                             rlt_err *err) {
    char path[64];
    snprintf(path, sizeof path, "env.%s", name);
    const json_t *given = json_object_get(table, name);
    const char *kind = json_string_value(json_object_get(given, "kind"));
    if (kind != NULL && strcmp(kind, "box") == 0) {
        return read_box(path, given, space, err);
    }
    if (kind != NULL && strcmp(kind, "multi_discrete") == 0) {
        return read_multi_discrete(path, given, space, err);
    }
    json_int_t n = json_integer_value(json_object_get(given, "n"));
    if (kind != NULL && strcmp(kind, "discrete") == 0 && n >= 1 && n <= RLT_ENVIRONMENT_SPACE_MAX) {
        *space = (rlt_space){.kind = RLT_SPACE_DISCRETE, .size = (int)n};
        return RLT_OK;
    }
    return rlt_fail(err, RLT_ECONFIG,
                    "%s: space.box(low, high), space.discrete(n) or space.multi_discrete{n, ...} "
                    "is needed",
                    path);
}

/* shape = { height, width, channels } of the observation, whose product is its size. */
static rlt_status read_image(const json_t *table, rlt_environment_spec *spec, rlt_err *err) {
    const json_t *shape = json_object_get(json_object_get(table, "observation_space"), "shape");
    if (shape == NULL) {
        return RLT_OK;
    }
    int64_t product = json_array_size(shape) == 3;
    for (size_t i = 0; i < 3 && product > 0; i++) {
        int64_t side = json_integer_value(json_array_get(shape, i));
        bool fits = side >= 1 && side <= RLT_ENVIRONMENT_SPACE_MAX;
        product = fits ? product * side : 0;
        spec->image[i] = fits ? (int)side : 0;
    }
    if (product == spec->observation_space.size) {
        return RLT_OK;
    }
    return rlt_fail(err, RLT_ECONFIG,
                    "env.observation_space: shape must be { height, width, channels } with a "
                    "product of %d, the number of values",
                    spec->observation_space.size);
}

static rlt_status read_int(const json_t *table, const char *name, int64_t initial, int64_t max,
                           int64_t *out, rlt_err *err) {
    const json_t *value = json_object_get(table, name);
    double x = value != NULL ? json_number_value(value) : (double)initial;
    if ((value != NULL && !json_is_number(value)) || !(x >= 0 && x <= (double)max) ||
        x != floor(x)) {
        return rlt_fail(err, RLT_ECONFIG, "env.%s: an integer from 0 to %lld is needed", name,
                        (long long)max);
    }
    *out = (int64_t)x;
    return RLT_OK;
}

static rlt_status read_functions(const json_t *table, rlt_environment_spec *spec, rlt_err *err) {
    static const char *const names[] = {"reset", "step", "action_mask"};
    spec->masked = json_object_get(table, "action_mask") != NULL;
    for (size_t i = 0; i < (spec->masked ? 3 : 2); i++) {
        if (json_object_get(json_object_get(table, names[i]), "$function") == NULL) {
            return rlt_fail(err, RLT_ECONFIG, "env.%s: a function is needed", names[i]);
        }
    }
    return RLT_OK;
}

static rlt_status read_all(const json_t *table, rlt_environment_spec *spec, rlt_err *err) {
    RLT_TRY(check_keys(table, err));
    const char *name = json_string_value(json_object_get(table, "name"));
    if (name == NULL || *name == 0 || strlen(name) >= sizeof spec->name) {
        return rlt_fail(err, RLT_ECONFIG, "env.name: a name of 1 to %d bytes is needed",
                        RLT_NAME_MAX - 1);
    }
    snprintf(spec->name, sizeof spec->name, "%s", name);
    RLT_TRY(read_functions(table, spec, err));
    RLT_TRY(read_space("observation_space", table, &spec->observation_space, err));
    RLT_TRY(read_image(table, spec, err));
    RLT_TRY(read_space("action_space", table, &spec->action_space, err));
    if (spec->masked && spec->action_space.kind == RLT_SPACE_BOX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "env.action_mask: a box has no values to forbid; allowed: with a discrete "
                        "or multi_discrete action_space");
    }
    RLT_TRY(read_int(table, "max_episode_steps", 1000, INT32_MAX, &spec->max_episode_steps, err));
    RLT_TRY(read_int(table, "state_size", 0, RLT_ENVIRONMENT_STATE_MAX, &spec->state_size, err));
    const json_t *threshold = json_object_get(table, "reward_threshold");
    spec->reward_threshold = json_is_number(threshold) ? json_number_value(threshold) : NAN;
    return RLT_OK;
}

rlt_status rlt_environment_read(const json_t *table, rlt_environment_spec *spec, rlt_err *err) {
    *spec = (rlt_environment_spec){0};
    rlt_status status = read_all(table, spec, err);
    if (status != RLT_OK) {
        rlt_environment_spec_fini(spec);
    }
    return status;
}

void rlt_environment_spec_fini(rlt_environment_spec *spec) {
    rlt_free((void *)spec->observation_space.low);
    rlt_free((void *)spec->observation_space.high);
    rlt_free((void *)spec->action_space.low);
    rlt_free((void *)spec->action_space.high);
    rlt_free((void *)spec->observation_space.counts);
    rlt_free((void *)spec->action_space.counts);
    *spec = (rlt_environment_spec){0};
}
