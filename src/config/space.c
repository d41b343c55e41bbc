/* config: search-space values: their arguments, and whether all they can become fits a field.
 * Why at load time: a bound that the tenth trial would break is refused before the first starts.
 * Thread: any. Owner: the caller owns what comes back. */
#include "config/config_impl.h"

#include <math.h>
#include <string.h>

enum { SPACE_DEPTH_MAX = 32 };

const rlt_space_kind_row rlt_space_kinds[] = {
    {"uniform", {"low", "high"}, 2, "A number from low to high."},
    {"loguniform", {"low", "high"}, 2, "A number whose logarithm is uniform; low > 0."},
    {"quniform", {"low", "high", "step"}, 3, "A number from low in steps of `step` to high."},
    {"randint", {"low", "high"}, 2, "An integer from low to high, both included."},
    {"lograndint", {"low", "high"}, 2, "An integer whose logarithm is uniform; low >= 1."},
    {"choice", {"values"}, 1, "One of a list of values."},
    {"normal", {"mean", "std", "low", "high"}, 2, "A normal number, clipped to the bounds."},
    {"grid", {"values"}, 1, "Each of a list of values in turn (sampler = \"grid\")."},
    {"fixed", {"value"}, 1, "Always this value; listed as a parameter."},
    {0}};

bool rlt_space_is(const json_t *value) {
    return json_object_get(value, "$space") != NULL || json_object_get(value, "$function") != NULL;
}

bool rlt_space_holds(const json_t *value, int depth) {
    const char *key;
    json_t *inner;
    size_t i;
    if (rlt_space_is(value) || depth > SPACE_DEPTH_MAX) {
        return true;
    }
    json_object_foreach((json_t *)value, key, inner) {
        if (rlt_space_holds(inner, depth + 1)) {
            return true;
        }
    }
    json_array_foreach(value, i, inner) {
        if (rlt_space_holds(inner, depth + 1)) {
            return true;
        }
    }
    return false;
}

static const rlt_space_kind_row *find_kind(const char *name, rlt_err *err) {
    const char *names[16];
    size_t count = 0;
    for (const rlt_space_kind_row *row = rlt_space_kinds; row->name != NULL; row++) {
        if (name != NULL && strcmp(row->name, name) == 0) {
            return row;
        }
        RLT_ASSERT(count < RLT_COUNT(names));
        names[count++] = row->name;
    }
    const char *nearest = name != NULL ? rlt_str_nearest(name, names, count) : NULL;
    rlt_fail(err, RLT_ECONFIG, "unknown search space '%.40s'%s%s%s; `rltune explain space`",
             name != NULL ? name : "", nearest ? " (did you mean '" : "", nearest ? nearest : "",
             nearest ? "'?)" : "");
    return NULL;
}

static bool takes_arg(const rlt_space_kind_row *row, const char *key) {
    for (int i = 0; row->args[i] != NULL; i++) {
        if (strcmp(row->args[i], key) == 0) {
            return true;
        }
    }
    return strcmp(key, "$space") == 0;
}

static bool is_number_arg(const char *name) {
    return strcmp(name, "value") != 0 && strcmp(name, "values") != 0;
}

static rlt_status check_present(const rlt_space_kind_row *row, const json_t *space, rlt_err *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)space, key, value) {
        if (!takes_arg(row, key)) {
            return rlt_fail(err, RLT_ECONFIG, "space.%s takes no '%.40s'", row->name, key);
        }
    }
    for (int i = 0; row->args[i] != NULL; i++) {
        const char *name = row->args[i];
        const json_t *arg = json_object_get(space, name);
        if (arg == NULL && i < row->required) {
            return rlt_fail(err, RLT_ECONFIG, "space.%s needs '%s'", row->name, name);
        }
        if (arg != NULL && is_number_arg(name) &&
            (!json_is_number(arg) || !isfinite(json_number_value(arg)))) {
            return rlt_fail(err, RLT_ECONFIG, "space.%s: %s must be a finite number", row->name,
                            name);
        }
    }
    return RLT_OK;
}

static double arg(const json_t *space, const char *name) {
    return json_number_value(json_object_get(space, name));
}

static bool whole(double x) {
    return x == floor(x) && fabs(x) <= 0x1p53;
}

static rlt_status check_range(const char *kind, const json_t *space, rlt_err *err) {
    double low = arg(space, "low"), high = arg(space, "high"), step = arg(space, "step");
    bool log = strncmp(kind, "log", 3) == 0, integer = strstr(kind, "randint") != NULL;
    if (!(low < high)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "space.%s: low (%.15g) must be less than high (%.15g); for one value use "
                        "space.fixed",
                        kind, low, high);
    }
    if (integer && !(whole(low) && whole(high))) {
        return rlt_fail(err, RLT_ECONFIG,
                        "space.%s: low and high must be integers, not %.15g, %.15g", kind, low,
                        high);
    }
    if (log && !(low > 0)) {
        return rlt_fail(err, RLT_ECONFIG, "space.%s: low is %.15g; it must be more than 0", kind,
                        low);
    }
    if (!isfinite(high - low)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "space.%s: from %g to %g is wider than the largest number, 1.8e308; take "
                        "bounds nearer to each other",
                        kind, low, high);
    }
    if (strcmp(kind, "quniform") == 0 && !(step > 0 && step <= high - low)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "space.quniform: step is %.15g; it must be more than 0 and at most high - "
                        "low",
                        step);
    }
    return RLT_OK;
}

static rlt_status check_normal(const json_t *space, rlt_err *err) {
    if (!(arg(space, "std") > 0)) {
        return rlt_fail(err, RLT_ECONFIG, "space.normal: std is %.15g; it must be more than 0",
                        arg(space, "std"));
    }
    const json_t *low = json_object_get(space, "low"), *high = json_object_get(space, "high");
    if (low != NULL && high != NULL && !(json_number_value(low) < json_number_value(high))) {
        return rlt_fail(err, RLT_ECONFIG, "space.normal: low must be less than high");
    }
    return RLT_OK;
}

static rlt_status check_values(const char *kind, const json_t *values, rlt_err *err) {
    if (!json_is_array(values) || json_array_size(values) == 0) {
        return rlt_fail(err, RLT_ECONFIG, "space.%s needs a list of at least one value", kind);
    }
    for (size_t i = 0; i < json_array_size(values); i++) {
        if (rlt_space_holds(json_array_get(values, i), 0)) {
            return rlt_fail(err, RLT_ECONFIG,
                            "space.%s: value %zu is or holds a search space or a function; only "
                            "plain values, lists and tables of them are allowed",
                            kind, i + 1);
        }
    }
    return RLT_OK;
}

rlt_status rlt_space_check(const json_t *space, rlt_err *err) {
    const rlt_space_kind_row *row =
        find_kind(json_string_value(json_object_get(space, "$space")), err);
    if (row == NULL) {
        return RLT_ECONFIG;
    }
    RLT_TRY(check_present(row, space, err));
    if (strcmp(row->args[0], "low") == 0) {
        return check_range(row->name, space, err);
    }
    if (strcmp(row->args[0], "values") == 0) {
        return check_values(row->name, json_object_get(space, "values"), err);
    }
    if (strcmp(row->name, "normal") == 0) {
        return check_normal(space, err);
    }
    return rlt_space_holds(json_object_get(space, "value"), 0)
               ? rlt_fail(err, RLT_ECONFIG, "space.fixed: a plain value is needed")
               : RLT_OK;
}

/* Both ends of a range, as the field's type will see them. */
static rlt_status fit_range(const rlt_field *field, const char *path, const json_t *space,
                            rlt_err *err) {
    static const char *const ends[] = {"low", "high"};
    for (int i = 0; i < 2; i++) {
        double x = arg(space, ends[i]);
        json_t *end = json_real(field->type == RLT_FIELD_INT ? round(x) : x), *canonical = NULL;
        rlt_err inner = {0};
        rlt_status status = rlt_field_check(field, path, end, &canonical, &inner);
        json_decref(end);
        json_decref(canonical);
        if (status != RLT_OK) {
            return rlt_fail(err, status, "%s (the %s of space.%s)", inner.message, ends[i],
                            json_string_value(json_object_get(space, "$space")));
        }
    }
    return RLT_OK;
}

static rlt_status fit_values(const rlt_field *field, const char *path, const json_t *values,
                             json_t *out, rlt_err *err) {
    json_t *fitted = json_array();
    json_object_set_new(out, "values", fitted);
    for (size_t i = 0; i < json_array_size(values); i++) {
        json_t *canonical = NULL;
        RLT_TRY(rlt_field_check(field, path, json_array_get(values, i), &canonical, err));
        json_array_append_new(fitted, canonical);
    }
    return RLT_OK;
}

/* The tighter of the field's bound and the script's, so that the sampler need not know fields. */
static void clip_normal(const rlt_field *field, json_t *out) {
    double low = field->flags & RLT_FIELD_OPEN_MIN ? nextafter(field->min, INFINITY) : field->min;
    double high = field->flags & RLT_FIELD_OPEN_MAX ? nextafter(field->max, -INFINITY) : field->max;
    const json_t *own_low = json_object_get(out, "low"), *own_high = json_object_get(out, "high");
    low = own_low != NULL ? fmax(low, json_number_value(own_low)) : low;
    high = own_high != NULL ? fmin(high, json_number_value(own_high)) : high;
    if (isfinite(low)) {
        json_object_set_new(out, "low", json_real(low));
    }
    if (isfinite(high)) {
        json_object_set_new(out, "high", json_real(high));
    }
}

static rlt_status fit_space(const rlt_field *field, const char *path, const json_t *space,
                            json_t *out, rlt_err *err) {
    const char *kind = json_string_value(json_object_get(space, "$space"));
    const json_t *values = json_object_get(space, "values");
    if (values != NULL) {
        return fit_values(field, path, values, out, err);
    }
    if (strcmp(kind, "fixed") == 0) {
        json_t *canonical = NULL;
        RLT_TRY(rlt_field_check(field, path, json_object_get(space, "value"), &canonical, err));
        json_object_set_new(out, "value", canonical);
        return RLT_OK;
    }
    if (field->type != RLT_FIELD_INT && field->type != RLT_FIELD_DOUBLE) {
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: space.%s gives numbers, but a %s is needed; use space.choice", path,
                        kind, rlt_field_type_name(field));
    }
    if (strcmp(kind, "normal") == 0) {
        clip_normal(field, out);
        double low = arg(out, "low"), high = arg(out, "high");
        bool both = json_object_get(out, "low") != NULL && json_object_get(out, "high") != NULL;
        return both && !(low < high)
                   ? rlt_fail(err, RLT_ECONFIG, "%s: space.normal leaves no value within bounds",
                              path)
                   : RLT_OK;
    }
    return fit_range(field, path, space, err);
}

static rlt_status fit_function(const char *path, const json_t *function, json_t **canonical,
                               rlt_err *err) {
    const char *own = json_string_value(json_object_get(function, "$function"));
    if (json_object_size(function) != 1 || own == NULL) {
        return rlt_fail(err, RLT_ECONFIG, "%s: a malformed $function", path);
    }
    *canonical = json_deep_copy(function);
    return RLT_OK;
}

rlt_status rlt_space_fit(const rlt_field *field, const char *path, const json_t *space,
                         json_t **canonical, rlt_err *err) {
    if (!(field->flags & RLT_FIELD_TUNABLE)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: cannot be searched; give it one value (`rltune explain` marks what "
                        "can be)",
                        path);
    }
    if (json_object_get(space, "$function") != NULL) {
        return fit_function(path, space, canonical, err);
    }
    rlt_err inner = {0};
    rlt_status status = rlt_space_check(space, &inner);
    if (status != RLT_OK) {
        return rlt_fail(err, status, "%s: %s", path, inner.message);
    }
    json_t *out = json_deep_copy(space);
    status = fit_space(field, path, space, out, err);
    if (status != RLT_OK) {
        json_decref(out);
        return status;
    }
    *canonical = out;
    return RLT_OK;
}

bool rlt_space_contains(const json_t *space, const json_t *value) {
    const json_t *values = json_object_get(space, "values");
    const json_t *fixed = json_object_get(space, "value");
    for (size_t i = 0; i < json_array_size(values); i++) {
        if (json_equal(json_array_get(values, i), value)) {
            return true;
        }
    }
    if (values != NULL || fixed != NULL) {
        return values == NULL && json_equal(fixed, value);
    }
    const json_t *low = json_object_get(space, "low"), *high = json_object_get(space, "high");
    double x = json_number_value(value);
    return (low == NULL || x >= json_number_value(low)) &&
           (high == NULL || x <= json_number_value(high));
}
