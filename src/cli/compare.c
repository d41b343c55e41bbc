/* compare: is one experiment or trial better than another, and how sure is that? What is compared
 * are replicates: the winner's final runs, the trials of a search, trials of one configuration with
 * several seeds; where there is only one run of each, its evaluation episodes. Thread: main only.
 */
#include "cli/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const rlt_cli_option rlt_cli_compare_options[] = {
    {"--what", "final|best|search",
     "final runs, replicates of the best configuration, or all completed trials (default: the "
     "first of these that both have)"},
    {"--metric", "NAME", "compare the newest points of this metric (default: the tuned one)"},
    {"--mode", "max|min", "which is better (default: as the experiment has it)"},
    {"--seed", "N", "of the bootstrap (default: 0)"},
    RLT_CLI_DB_OPTION,
    RLT_CLI_JSON_OPTION,
    {0}};

static const double CONFIDENCE = 0.95;

/* ---- what was named ---- */

/* "3", "name", "last", and with ":7" one of its trials. */
static rlt_status load_side(rlt_comparison *c, rlt_side *s, rlt_err *err) {
    char word[RLT_NAME_MAX + 32], label[sizeof s->label];
    int64_t id = 0, number = 0;
    snprintf(word, sizeof word, "%s", s->word);
    char *colon = strrchr(word, ':');
    bool has_trial =
        colon != NULL && colon[1] != 0 && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    if (has_trial) {
        *colon = 0;
    }
    s->report.args = c->args;
    s->report.path = rlt_report_db(&c->args);
    RLT_TRY(rlt_report_find(c->store, &c->args, word, &id, err));
    RLT_TRY(rlt_report_load(&s->report, c->store, id, err));
    if (has_trial) {
        RLT_TRY(rlt_cli_integer(&c->args, "TRIAL", colon + 1, 0, INT64_MAX, &number, err));
        RLT_TRY(rlt_report_find_trial(&s->report, "search", number, &s->trial, err));
        snprintf(label, sizeof label, "%s (trial %" PRId64 " of experiment %" PRId64 ")",
                 s->report.experiment.name, number, id);
    } else {
        snprintf(label, sizeof label, "%s (experiment %" PRId64 ")", s->report.experiment.name, id);
    }
    memcpy(s->label, label, sizeof label);
    return RLT_OK;
}

static rlt_status choose_metric(rlt_comparison *c, rlt_err *err) {
    static const char *const modes[] = {"max", "min", NULL};
    const rlt_experiment_row *a = &c->sides[0].report.experiment,
                             *b = &c->sides[1].report.experiment;
    const char *given = rlt_cli_value(&c->args, "--metric");
    int mode = a->maximise ? 0 : 1;
    RLT_TRY(rlt_cli_option_choice(&c->args, "--mode", modes, &mode, err));
    c->maximise = mode == 0;
    snprintf(c->metric, sizeof c->metric, "%s", given != NULL ? given : a->metric);
    if (given == NULL && strcmp(a->metric, b->metric) != 0) {
        return rlt_fail(err, RLT_EINVAL,
                        "%s is tuned for '%.64s' and %s for '%.64s'; say what to compare: --metric "
                        "NAME",
                        c->sides[0].word, a->metric, c->sides[1].word, b->metric);
    }
    if (rlt_cli_value(&c->args, "--mode") == NULL && a->maximise != b->maximise) {
        return rlt_fail(err, RLT_EINVAL,
                        "%s is tuned for the %s of '%.64s' and %s for the %s; say which is better: "
                        "--mode max or min",
                        c->sides[0].word, a->maximise ? "largest" : "smallest", c->metric,
                        c->sides[1].word, b->maximise ? "largest" : "smallest");
    }
    return RLT_OK;
}

/* ---- replicates ---- */

static rlt_status has_same_params(const rlt_report *report, const rlt_report_trial *a,
                                  const rlt_report_trial *b, bool *same, rlt_err *err) {
    json_t *mine = NULL, *its = NULL;
    *same = a->configuration >= 0 && a->configuration == b->configuration;
    if (*same) {
        return RLT_OK;
    }
    rlt_status status = rlt_report_params(report, a, &mine, err);
    if (status == RLT_OK) {
        status = rlt_report_params(report, b, &its, err);
    }
    *same = status == RLT_OK && json_equal(mine, its);
    json_decref(mine);
    json_decref(its);
    return status;
}

/* of the configuration of `like`, NULL: of any */
static rlt_status is_replicate(const rlt_report *report, const rlt_report_trial *trial, bool final,
                               const rlt_report_trial *like, bool *is, rlt_err *err) {
    *is = strcmp(trial->state, "completed") == 0 && (strcmp(trial->role, "final") == 0) == final;
    return *is && like != NULL ? has_same_params(report, like, trial, is, err) : RLT_OK;
}

static void set_config(rlt_side *s, const char *json) {
    size_t size = strlen(json) + 1;
    rlt_free(s->config);
    s->config = memcpy(rlt_alloc(size), json, size);
}

static rlt_status take_config(rlt_side *s, const rlt_report_trial *trial, rlt_err *err) {
    rlt_trial_texts texts;
    RLT_TRY(rlt_report_texts(&s->report, trial, &texts, err));
    set_config(s, texts.config_json);
    rlt_trial_texts_fini(&texts);
    return RLT_OK;
}

/* The trial of the best configuration; NULL: there is none. */
static rlt_status find_best(const rlt_comparison *c, const rlt_side *s,
                            const rlt_report_trial **best, rlt_err *err) {
    rlt_samples samples;
    rlt_err ignored;
    *best = NULL;
    rlt_status status = rlt_samples_load(&s->report, c->metric, false, &samples, &ignored);
    if (status == RLT_ENOTFOUND) {
        return RLT_OK;
    }
    if (status != RLT_OK) {
        *err = ignored;
        return status;
    }
    int row = rlt_samples_best(&samples);
    *best = row >= 0 ? samples.trials[row] : NULL;
    rlt_samples_close(&samples);
    return RLT_OK;
}

static rlt_status collect(rlt_comparison *c, rlt_side *s, rlt_replicates of, rlt_err *err) {
    const rlt_report_trial *like = s->trial;
    rlt_free(s->values);
    s->values = rlt_alloc(sizeof(double) * (size_t)(s->report.trial_count + 1));
    s->count = 0;
    set_config(s, s->report.experiment.config_json);
    if (of == RLT_OF_BEST) {
        RLT_TRY(find_best(c, s, &like, err));
        if (like == NULL) {
            return RLT_OK;
        }
    }
    double *all = rlt_alloc(sizeof(double) * (size_t)(s->report.trial_count + 1));
    rlt_status status = rlt_samples_values(&s->report, c->metric, all, err);
    for (int i = 0; i < s->report.trial_count && status == RLT_OK; i++) {
        const rlt_report_trial *trial = &s->report.trials[i];
        bool taken = false;
        bool earlier = of == RLT_OF_FINALS && !rlt_report_is_final(&s->report, trial);
        if (isfinite(all[i]) && !earlier) {
            status = is_replicate(&s->report, trial, of == RLT_OF_FINALS, like, &taken, err);
        }
        if (taken && of != RLT_OF_SEARCH && s->count == 0) {
            status = take_config(s, trial, err);
        }
        if (taken) {
            s->values[s->count++] = all[i];
        }
    }
    rlt_free(all);
    return status;
}

static rlt_status collect_both(rlt_comparison *c, rlt_replicates of, rlt_err *err) {
    c->of = c->sides[0].trial != NULL ? RLT_OF_SEEDS : of;
    for (int i = 0; i < 2; i++) {
        RLT_TRY(collect(c, &c->sides[i], c->of, err));
    }
    return RLT_OK;
}

/* The evaluation of the newest checkpoint of one run: mean and deviation over its episodes. */
static rlt_status load_episodes(rlt_comparison *c, rlt_side *s, rlt_err *err) {
    const rlt_report_trial *trial = s->trial != NULL ? s->trial : rlt_report_best(&s->report);
    if (trial == NULL) {
        return RLT_OK;
    }
    static const char *const names[] = {"eval_return", "eval_std"};
    double found[2] = {NAN, NAN};
    for (int i = 0; i < 2; i++) {
        rlt_curve curve;
        RLT_TRY(rlt_curve_load(c->store, trial, names[i], &curve, err));
        const double *y = (const double *)(const void *)curve.y.data;
        found[i] = curve.count > 0 ? y[curve.count - 1] : NAN;
        rlt_curve_fini(&curve);
    }
    rlt_trial_texts texts;
    RLT_TRY(rlt_report_texts(&s->report, trial, &texts, err));
    json_t *config = rlt_report_parse(texts.config_json);
    rlt_trial_texts_fini(&texts);
    json_t *episodes = json_object_get(json_object_get(config, "eval"), "episodes");
    if (isfinite(found[0]) && isfinite(found[1]) && json_is_integer(episodes)) {
        s->moments = (rlt_moments){found[0], found[1], (int)json_integer_value(episodes)};
    }
    json_decref(config);
    return RLT_OK;
}

static rlt_status fail_few(const rlt_comparison *c, rlt_err *err) {
    const rlt_side *a = &c->sides[0], *b = &c->sides[1];
    if (a->count == 0 || b->count == 0) {
        const rlt_side *none = a->count == 0 ? a : b;
        return rlt_fail(err, RLT_ENOTFOUND, "%s has no completed %s with a value of '%.64s'",
                        none->label, c->of == RLT_OF_FINALS ? "final run" : "trial", c->metric);
    }
    return rlt_fail(err, RLT_ENOTFOUND,
                    "there is one run of %s: %d and %d values of '%.64s' say nothing about chance; "
                    "%s",
                    a->count == 1 ? a->word : b->word, a->count, b->count, c->metric,
                    a->trial != NULL ? "train more seeds of these parameters (tune.seeds)"
                                     : "train more seeds (tune.seeds, tune.final.seeds) or compare "
                                       "whole searches (--what search)");
}

static rlt_status choose_replicates(rlt_comparison *c, rlt_err *err) {
    static const char *const whats[] = {"final", "best", "search", NULL};
    rlt_side *a = &c->sides[0], *b = &c->sides[1];
    int what = -1;
    if ((a->trial != NULL) != (b->trial != NULL)) {
        return rlt_fail(err, RLT_EINVAL,
                        "compare two experiments or two trials; %s is %s, %s is %s", a->word,
                        a->trial != NULL ? "a trial" : "an experiment", b->word,
                        b->trial != NULL ? "a trial" : "an experiment");
    }
    RLT_TRY(rlt_cli_option_choice(&c->args, "--what", whats, &what, err));
    if (a->trial != NULL && what >= 0) {
        return rlt_fail(err, RLT_EINVAL,
                        "--what is about experiments; trials are compared by the seeds of their "
                        "parameters");
    }
    RLT_TRY(collect_both(c, what < 0 ? RLT_OF_FINALS : (rlt_replicates)what, err));
    for (int of = RLT_OF_BEST; what < 0 && a->trial == NULL && of <= RLT_OF_SEARCH; of++) {
        if (a->count < 2 || b->count < 2) {
            RLT_TRY(collect_both(c, (rlt_replicates)of, err));
        }
    }
    if (a->count >= 2 && b->count >= 2) {
        a->moments = rlt_moments_of(a->values, a->count);
        b->moments = rlt_moments_of(b->values, b->count);
        return RLT_OK;
    }
    if (strcmp(c->metric, "eval_return") == 0 && a->count > 0 && b->count > 0) {
        RLT_TRY(load_episodes(c, a, err));
        RLT_TRY(load_episodes(c, b, err));
    }
    if (a->moments.count < 2 || b->moments.count < 2) {
        return fail_few(c, err);
    }
    a->count = b->count = 0;
    c->of = RLT_OF_EPISODES;
    return RLT_OK;
}

/* ---- statistics ---- */

static rlt_status compute(rlt_comparison *c, rlt_err *err) {
    int64_t seed = 0;
    RLT_TRY(rlt_cli_option_integer(&c->args, "--seed", 0, INT64_MAX, &seed, err));
    rlt_bootstrap options = {.confidence = CONFIDENCE, .seed = (uint64_t)seed};
    rlt_side *a = &c->sides[0], *b = &c->sides[1];
    c->welch = rlt_welch_test(&a->moments, &b->moments, CONFIDENCE);
    c->improvement = (rlt_estimate){NAN, NAN, NAN};
    if (c->of == RLT_OF_EPISODES) {
        return RLT_OK;
    }
    for (int i = 0; i < 2; i++) {
        rlt_side *s = &c->sides[i];
        s->iqm = rlt_iqm_estimate(&(rlt_scores){s->values, s->count, 1}, &options);
    }
    rlt_scores x = {a->values, a->count, 1}, y = {b->values, b->count, 1};
    c->ranks = rlt_mann_whitney(a->values, a->count, b->values, b->count);
    c->improvement = c->maximise ? rlt_improvement_estimate(&x, &y, &options)
                                 : rlt_improvement_estimate(&y, &x, &options);
    return RLT_OK;
}

static rlt_status compare(rlt_comparison *c, rlt_err *err) {
    for (int i = 0; i < 2; i++) {
        c->sides[i].word = c->args.words[i];
        RLT_TRY(load_side(c, &c->sides[i], err));
    }
    RLT_TRY(choose_metric(c, err));
    RLT_TRY(choose_replicates(c, err));
    RLT_TRY(compute(c, err));
    if (rlt_cli_flag(&c->args, "--json")) {
        return rlt_comparison_print_json(c, err);
    }
    rlt_comparison_print(c);
    return RLT_OK;
}

rlt_status rlt_cli_compare(int argc, char **argv, rlt_err *err) {
    rlt_comparison c = {0};
    RLT_TRY(rlt_cli_parse("compare", 2, 2, argc, argv, &c.args, err));
    RLT_TRY(rlt_store_open(rlt_report_db(&c.args), RLT_STORE_READ, &c.store, err));
    rlt_status status = compare(&c, err);
    for (int i = 0; i < 2; i++) {
        rlt_free(c.sides[i].values);
        rlt_free(c.sides[i].config);
        c.sides[i].report.store = NULL; /* borrowed by both */
        rlt_report_close(&c.sides[i].report);
    }
    rlt_store_close(&c.store);
    return status;
}
