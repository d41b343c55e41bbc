/* config: replicates of a configuration (tune.seeds) and their race (tune.race): what they rule
 * out, and what the stopper wilcoxon means with them. Thread: any. Owner: everything made goes into
 * the experiment's JSON. */
#include "config/config_impl.h"

#include <math.h>

/* true and {} mean the defaults; false and null none. */
static rlt_status read_race(rlt_config_loading *loading, const json_t *raw, json_t *out,
                            rlt_tune_fields *tune, rlt_err *err) {
    const json_t *given = json_object_get(raw, "race");
    tune->race.start = 0;
    if (given == NULL || json_is_null(given) || json_is_false(given)) {
        return RLT_OK;
    }
    const rlt_config_section *section = rlt_config_section_find("tune.race");
    json_t *race = json_object();
    json_object_set_new(out, "race", race);
    RLT_TRY(rlt_config_read_section(loading, section, "tune.race", NULL,
                                    json_is_true(given) ? NULL : given, race, err));
    rlt_schema_store(section->fields, race, tune);
    return RLT_OK;
}

/* Optuna's WilcoxonPruner compares results by instance; here the instances are seeds. */
static rlt_status take_wilcoxon(rlt_config_loading *loading, rlt_tune_fields *tune, rlt_err *err) {
    if (tune->race.start > 0) {
        return rlt_config_fail(
            loading, "tune.stopper", err,
            "with seeds, wilcoxon is a race by that test; leave it out, and give "
            "race = { test = \"wilcoxon\" }");
    }
    tune->stopper = RLT_STOPPER_NONE;
    tune->race.start = tune->wilcoxon.n_startup_steps > 2 ? tune->wilcoxon.n_startup_steps : 2;
    tune->race.alpha = tune->wilcoxon.p_threshold;
    tune->race.test = RLT_RACE_WILCOXON;
    return RLT_OK;
}

static rlt_status check_race(rlt_config_loading *loading, const rlt_tune_fields *tune,
                             rlt_err *err) {
    if (tune->seeds < 2) {
        return rlt_config_fail(
            loading, "tune.race", err,
            "is between configurations with several seeds; give seeds = 5 or so");
    }
    if (tune->race.start >= tune->seeds) {
        return rlt_config_fail(
            loading, "tune.race", err,
            "every configuration has start = %lld seeds of %lld, so that nothing "
            "is left to save; give more seeds",
            (long long)tune->race.start, (long long)tune->seeds);
    }
    double least = ldexp(1, -(int)(tune->seeds - 1)); /* all of the differences to one side */
    if (tune->race.test == RLT_RACE_WILCOXON && !(least < tune->race.alpha)) {
        return rlt_config_fail(loading, "tune.race", err,
                               "on %lld seeds wilcoxon's p-value is never less than %g, so that no "
                               "configuration would ever be worse at %g; give %d seeds or more, or "
                               "test = \"t\"",
                               (long long)tune->seeds - 1, least, tune->race.alpha,
                               (int)floor(-log2(tune->race.alpha)) + 2);
    }
    return RLT_OK;
}

rlt_status rlt_config_read_seeds(rlt_config_loading *loading, const json_t *raw, json_t *out,
                                 rlt_tune_fields *tune, rlt_err *err) {
    RLT_TRY(read_race(loading, raw, out, tune, err));
    if (tune->seeds > 1 && tune->objectives.count > 1) {
        return rlt_config_fail(loading, "tune.seeds", err,
                               "seeds of a configuration are compared by one metric, but there are "
                               "%d; tune one of them with limits for the others as constraints, or "
                               "leave seeds out",
                               tune->objectives.count);
    }
    if (tune->seeds > 1 && tune->stopper == RLT_STOPPER_WILCOXON) {
        RLT_TRY(take_wilcoxon(loading, tune, err));
    }
    return tune->race.start > 0 ? check_race(loading, tune, err) : RLT_OK;
}
