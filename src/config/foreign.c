/* config: options of Ray Tune's schedulers and Optuna's pruners that have no counterpart in a
 * stopper's table: what to write instead, or the one value that says what is the case anyway. The
 * others are fields with other names (stoppers.c). Thread: any, no state. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

typedef struct foreign_option {
    const char *name;
    const char *is; /* the value that is accepted, as JSON; NULL: none */
    const char *instead;
} foreign_option;
static const foreign_option options[] = {
    {"metric", NULL, "is tune.metric here, of the search as a whole"},
    {"mode", NULL, "is tune.mode here, of the search as a whole"},
    {"time_attr", "\"training_iteration\"",
     "goes with asha, sha, hyperband, hyperband_asha, median, percentile, pbt and pb2; this "
     "stopper "
     "counts steps"},
    {"stop_last_trials", NULL,
     "goes with asha, sha, hyperband and hyperband_asha; elsewhere trials end at stop.steps"},
    {"hard_stop", "true",
     "can only be true: a trial that is told to stop does not wait for better times; for trials "
     "that wait there are sha and hyperband"},
    {"min_time_slice", "0", "is of hard_stop = false, which there is not here; leave it out"},
    {"custom_explore_fn", "null",
     "is a function, which rows could not be replayed with; say what may change, and to what, in "
     "mutations and perturbation_factors"},
    {"log_config", "true",
     "can only be true: whatever is copied is a row of the table exploits, with its parameters"},
    {"require_attrs", NULL,
     "has no counterpart: a trial without the metric goes on, and one that never has it fails"},
    {"policy_file", NULL,
     "is a file of Ray Tune's; name the population here: experiment = 1, trial = 3"},
};

static const foreign_option *find(const char *name) {
    for (size_t i = 0; i < RLT_COUNT(options); i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool is_listed(const char *const *names, const char *name) {
    while (names != NULL && *names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return names != NULL && *names != NULL;
}

rlt_status rlt_config_drop_foreign(rlt_config_loading *loading, const char *path,
                                   const rlt_field *fields, const char *const *other_keys,
                                   json_t *table, rlt_err *err) {
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(table, next, key, value) {
        const foreign_option *option = find(key);
        if (option == NULL || rlt_field_find(fields, key) != NULL || is_listed(other_keys, key)) {
            continue;
        }
        json_t *is = option->is != NULL ? json_loads(option->is, JSON_DECODE_ANY, NULL) : NULL;
        bool same = is != NULL && json_equal(is, value);
        json_decref(is);
        if (!same) {
            char at[RLT_FIELD_PATH_MAX];
            snprintf(at, sizeof at, "%.100s.%.40s", path, key);
            return rlt_config_fail(loading, at, err, "%s", option->instead);
        }
        json_object_del(table, key);
    }
    return RLT_OK;
}
