/* compare: is one experiment or trial better than another, and how sure is that? What is compared
 * are replicates: the winner's final runs, the trials of a search, trials of one configuration with
 * several seeds; where there is only one run of each, its evaluation episodes. Thread: main only.
 */
#include "cli/samples.h"

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

typedef enum { OF_FINALS, OF_BEST, OF_SEARCH, OF_SEEDS, OF_EPISODES } replicates;
static const char *const replicate_names[] = {"final", "best", "search", "seeds", "episodes"};
static const char *const replicate_texts[] = {
    "the winner trained again: one value a final run, each with its own seed",
    "the best configuration of each: one value a replicate, each with its own seed",
    "the search: one value a completed trial, each with its own parameters",
    "trials with the same parameters: one value a trial, each with its own seed",
    "one training run each: its evaluation episodes",
};

typedef struct side {
    rlt_report report;
    const char *word;           /* as given */
    const rlt_trial_row *trial; /* NULL: the experiment */
    char label[160];
    double *values;
    int count;
    rlt_moments moments; /* of the values, or of the episodes */
    rlt_estimate iqm;
} side;

typedef struct comparison {
    rlt_cli_args args;
    rlt_store *store;
    side sides[2];
    replicates of;
    char metric[RLT_NAME_MAX];
    bool maximise;
    rlt_estimate improvement;
    rlt_rank_test ranks;
    rlt_welch welch;
} comparison;

/* ---- what was named ---- */

/* "3", "name", "last", and with ":7" one of its trials. */
static rlt_status load_side(comparison *c, side *s, rlt_err *err) {
    char word[RLT_NAME_MAX + 32];
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
        RLT_TRY(rlt_report_trial(&s->report, "search", number, &s->trial, err));
        snprintf(s->label, sizeof s->label, "%s (trial %" PRId64 " of experiment %" PRId64 ")",
                 s->report.experiment.name, number, id);
    } else {
        snprintf(s->label, sizeof s->label, "%s (experiment %" PRId64 ")",
                 s->report.experiment.name, id);
    }
    return RLT_OK;
}

static rlt_status choose_metric(comparison *c, rlt_err *err) {
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

static bool has_same_params(const rlt_trial_row *a, const rlt_trial_row *b) {
    if (a->configuration >= 0 && a->configuration == b->configuration) {
        return true;
    }
    json_t *mine = rlt_report_parse(a->params_json), *its = rlt_report_parse(b->params_json);
    bool same = json_equal(mine, its);
    json_decref(mine);
    json_decref(its);
    return same;
}

/* of the configuration of `like`, NULL: of any */
static bool is_replicate(const rlt_trial_row *trial, bool final, const rlt_trial_row *like) {
    return strcmp(trial->state, "completed") == 0 && (strcmp(trial->role, "final") == 0) == final &&
           (like == NULL || has_same_params(like, trial));
}

/* The trial of the best configuration; NULL: there is none. */
static rlt_status find_best(const comparison *c, const side *s, const rlt_trial_row **best,
                            rlt_err *err) {
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

static rlt_status collect(comparison *c, side *s, replicates of, rlt_err *err) {
    const rlt_trial_row *like = s->trial;
    rlt_free(s->values);
    s->values = rlt_alloc(sizeof(double) * (size_t)(s->report.trial_count + 1));
    s->count = 0;
    if (of == OF_BEST) {
        RLT_TRY(find_best(c, s, &like, err));
        if (like == NULL) {
            return RLT_OK;
        }
    }
    double *all = rlt_alloc(sizeof(double) * (size_t)(s->report.trial_count + 1));
    rlt_status status = rlt_samples_values(&s->report, c->metric, all, err);
    for (int i = 0; i < s->report.trial_count && status == RLT_OK; i++) {
        if (isfinite(all[i]) && is_replicate(&s->report.trials[i], of == OF_FINALS, like)) {
            s->values[s->count++] = all[i];
        }
    }
    rlt_free(all);
    return status;
}

static rlt_status collect_both(comparison *c, replicates of, rlt_err *err) {
    c->of = c->sides[0].trial != NULL ? OF_SEEDS : of;
    for (int i = 0; i < 2; i++) {
        RLT_TRY(collect(c, &c->sides[i], c->of, err));
    }
    return RLT_OK;
}

/* The evaluation of the newest checkpoint of one run: mean and deviation over its episodes. */
static rlt_status load_episodes(comparison *c, side *s, rlt_err *err) {
    const rlt_trial_row *trial = s->trial != NULL ? s->trial : rlt_report_best(&s->report);
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
    json_t *config = rlt_report_parse(trial->config_json);
    json_t *episodes = json_object_get(json_object_get(config, "eval"), "episodes");
    if (isfinite(found[0]) && isfinite(found[1]) && json_is_integer(episodes)) {
        s->moments = (rlt_moments){found[0], found[1], (int)json_integer_value(episodes)};
    }
    json_decref(config);
    return RLT_OK;
}

static rlt_status fail_few(const comparison *c, rlt_err *err) {
    const side *a = &c->sides[0], *b = &c->sides[1];
    if (a->count == 0 || b->count == 0) {
        const side *none = a->count == 0 ? a : b;
        return rlt_fail(err, RLT_ENOTFOUND, "%s has no completed %s with a value of '%.64s'",
                        none->label, c->of == OF_FINALS ? "final run" : "trial", c->metric);
    }
    return rlt_fail(err, RLT_ENOTFOUND,
                    "there is one run of %s: %d and %d values of '%.64s' say nothing about chance; "
                    "%s",
                    a->count == 1 ? a->word : b->word, a->count, b->count, c->metric,
                    a->trial != NULL ? "train more seeds of these parameters (tune.seeds)"
                                     : "train more seeds (tune.seeds, tune.final.seeds) or compare "
                                       "whole searches (--what search)");
}

static rlt_status choose_replicates(comparison *c, rlt_err *err) {
    static const char *const whats[] = {"final", "best", "search", NULL};
    side *a = &c->sides[0], *b = &c->sides[1];
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
    RLT_TRY(collect_both(c, what < 0 ? OF_FINALS : (replicates)what, err));
    for (int of = OF_BEST; what < 0 && a->trial == NULL && of <= OF_SEARCH; of++) {
        if (a->count < 2 || b->count < 2) {
            RLT_TRY(collect_both(c, (replicates)of, err));
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
    c->of = OF_EPISODES;
    return RLT_OK;
}

/* ---- statistics ---- */

static rlt_status compute(comparison *c, rlt_err *err) {
    int64_t seed = 0;
    RLT_TRY(rlt_cli_option_integer(&c->args, "--seed", 0, INT64_MAX, &seed, err));
    rlt_bootstrap options = {.confidence = CONFIDENCE, .seed = (uint64_t)seed};
    side *a = &c->sides[0], *b = &c->sides[1];
    c->welch = rlt_welch_test(&a->moments, &b->moments, CONFIDENCE);
    c->improvement = (rlt_estimate){NAN, NAN, NAN};
    if (c->of == OF_EPISODES) {
        return RLT_OK;
    }
    for (int i = 0; i < 2; i++) {
        side *s = &c->sides[i];
        s->iqm = rlt_iqm_estimate(&(rlt_scores){s->values, s->count, 1}, &options);
    }
    rlt_scores x = {a->values, a->count, 1}, y = {b->values, b->count, 1};
    c->ranks = rlt_mann_whitney(a->values, a->count, b->values, b->count);
    c->improvement = c->maximise ? rlt_improvement_estimate(&x, &y, &options)
                                 : rlt_improvement_estimate(&y, &x, &options);
    return RLT_OK;
}

/* 2: clear, 1: perhaps, 0: no difference to see. Clear is what both the interval and the test of
 * ranks say: with few runs the bootstrap alone is too sure of itself. */
static int certainty(const comparison *c) {
    if (c->of == OF_EPISODES) {
        return c->welch.p < 0.05 ? 2 : 0;
    }
    bool apart = c->improvement.low > 0.5 || c->improvement.high < 0.5;
    return apart && c->ranks.p < 0.05 ? 2 : apart || c->ranks.p < 0.05;
}

static bool first_is_better(const comparison *c) {
    return c->of == OF_EPISODES ? (c->welch.difference > 0) == c->maximise
                                : c->improvement.value > 0.5;
}

/* The fewest equal runs of each whose ranks can give p < 0.05. */
enum { RUNS_ENOUGH = 4 };

static bool is_same(const side *a, const side *b) {
    bool trials = a->trial != NULL && b->trial != NULL;
    return a->report.experiment.id == b->report.experiment.id &&
           (!trials || a->trial->number == b->trial->number);
}

static void print_verdict(const comparison *c) {
    const side *a = &c->sides[0], *b = &c->sides[1];
    const char *better = first_is_better(c) ? "A" : "B", *worse = first_is_better(c) ? "B" : "A";
    int sure = certainty(c);
    if (sure == 2) {
        printf("\n%s is better than %s: chance alone would rarely make such a difference.\n",
               better, worse);
    } else if (sure == 1) {
        printf("\n%s may be better than %s, but it is not certain.\n", better, worse);
    } else {
        printf("\nNo clear difference between A and B%s.\n",
               is_same(a, b) ? ": they are the same" : "");
    }
    if (c->of == OF_EPISODES) {
        printf("This is about these two policies; other seeds of the same parameters may come out "
               "otherwise.\n");
    } else if (c->ranks.p_least >= 0.05) {
        printf("%d and %d runs cannot give a p below %.2g, however different they are; %d of each "
               "could.\n",
               a->count, b->count, c->ranks.p_least, RUNS_ENOUGH);
    } else if (c->of == OF_BEST) {
        printf("The best configurations were chosen by these values, so expect less of both; final "
               "runs (tune.final.seeds) are fresh.\n");
    } else if (c->of == OF_SEARCH) {
        printf("Trials of a search are not drawn independently, so p is a rough guide; final runs "
               "(tune.final.seeds) compare the winners.\n");
    }
}

static void print_sides(const comparison *c) {
    rlt_table table = {0};
    static const char *const names[] = {"compared",  "n",   "mean",
                                        "deviation", "IQM", "95 % interval"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        rlt_table_column(&table, names[i], i > 0);
    }
    for (int i = 0; i < 2; i++) {
        const side *s = &c->sides[i];
        char text[200], number[32], other[32];
        snprintf(text, sizeof text, "%c  %s", 'A' + i, s->label);
        rlt_table_cell(&table, text);
        rlt_table_integer(&table, s->moments.count);
        rlt_table_cell(&table, rlt_report_value(s->moments.mean, number));
        rlt_table_cell(&table, rlt_report_value(s->moments.deviation, number));
        bool has = c->of != OF_EPISODES;
        rlt_table_cell(&table, has ? rlt_report_value(s->iqm.value, number) : "");
        snprintf(text, sizeof text, "%s to %s", rlt_report_value(s->iqm.low, number),
                 rlt_report_value(s->iqm.high, other));
        rlt_table_cell(&table, has ? text : "");
    }
    rlt_table_print(&table, stdout);
}

static void print_text(const comparison *c) {
    const side *a = &c->sides[0], *b = &c->sides[1];
    char low[32], high[32], number[32];
    printf("%s (%s is better)\n%s\n\n", c->metric, c->maximise ? "larger" : "smaller",
           replicate_texts[c->of]);
    print_sides(c);
    printf("\nmean of A - mean of B     %s", rlt_report_value(c->welch.difference, number));
    if (!isnan(c->welch.p)) {
        printf(", 95 %% interval %s to %s; Welch's t test: p = %.2g",
               rlt_report_value(c->welch.low, low), rlt_report_value(c->welch.high, high),
               c->welch.p);
    }
    if (c->of != OF_EPISODES) {
        printf("\na run of A beats one of B  with probability %.3g, 95 %% interval %.3g to %.3g\n"
               "Mann-Whitney              U = %g of %lld, p = %.2g (%s)",
               c->improvement.value, c->improvement.low, c->improvement.high, c->ranks.u,
               (long long)a->count * b->count, c->ranks.p,
               c->ranks.exact ? "exact" : "normal approximation");
    }
    printf("\n");
    print_verdict(c);
}

static json_t *estimate_json(rlt_estimate estimate) {
    return json_pack("{s:o, s:o, s:o}", "value", rlt_report_real(estimate.value), "low",
                     rlt_report_real(estimate.low), "high", rlt_report_real(estimate.high));
}

static json_t *side_json(const comparison *c, const side *s) {
    json_t *values = json_array();
    for (int i = 0; i < s->count; i++) {
        json_array_append_new(values, json_real(s->values[i]));
    }
    json_t *object =
        json_pack("{s:I, s:s, s:o, s:i, s:o, s:o, s:o}", "experiment",
                  (json_int_t)s->report.experiment.id, "name", s->report.experiment.name, "trial",
                  s->trial != NULL ? json_integer(s->trial->number) : json_null(), "n",
                  s->moments.count, "mean", rlt_report_real(s->moments.mean), "deviation",
                  rlt_report_real(s->moments.deviation), "values", values);
    json_object_set_new(object, "iqm", c->of == OF_EPISODES ? json_null() : estimate_json(s->iqm));
    return object;
}

static rlt_status print_json(const comparison *c, rlt_err *err) {
    static const char *const certainties[] = {"no clear difference", "perhaps", "clear"};
    json_t *object = json_pack("{s:s, s:s, s:s, s:o, s:o}", "metric", c->metric, "mode",
                               c->maximise ? "max" : "min", "compared", replicate_names[c->of], "a",
                               side_json(c, &c->sides[0]), "b", side_json(c, &c->sides[1]));
    json_object_set_new(
        object, "welch",
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "difference",
                  rlt_report_real(c->welch.difference), "low", rlt_report_real(c->welch.low),
                  "high", rlt_report_real(c->welch.high), "t", rlt_report_real(c->welch.t),
                  "freedom", rlt_report_real(c->welch.freedom), "p", rlt_report_real(c->welch.p)));
    bool ranks = c->of != OF_EPISODES;
    json_object_set_new(object, "improvement", ranks ? estimate_json(c->improvement) : json_null());
    json_object_set_new(object, "mann_whitney",
                        ranks ? json_pack("{s:o, s:o, s:b, s:o}", "u", rlt_report_real(c->ranks.u),
                                          "p", rlt_report_real(c->ranks.p), "exact", c->ranks.exact,
                                          "p_least", rlt_report_real(c->ranks.p_least))
                              : json_null());
    int sure = certainty(c);
    json_object_set_new(object, "better",
                        sure > 0 ? json_string(first_is_better(c) ? "a" : "b") : json_null());
    json_object_set_new(object, "certainty", json_string(certainties[sure]));
    return rlt_report_print_json(object, err);
}

static rlt_status compare(comparison *c, rlt_err *err) {
    for (int i = 0; i < 2; i++) {
        c->sides[i].word = c->args.words[i];
        RLT_TRY(load_side(c, &c->sides[i], err));
    }
    RLT_TRY(choose_metric(c, err));
    RLT_TRY(choose_replicates(c, err));
    RLT_TRY(compute(c, err));
    if (rlt_cli_flag(&c->args, "--json")) {
        return print_json(c, err);
    }
    print_text(c);
    return RLT_OK;
}

rlt_status rlt_cli_compare(int argc, char **argv, rlt_err *err) {
    comparison c = {0};
    RLT_TRY(rlt_cli_parse("compare", 2, 2, argc, argv, &c.args, err));
    RLT_TRY(rlt_store_open(rlt_report_db(&c.args), RLT_STORE_READ, &c.store, err));
    rlt_status status = compare(&c, err);
    for (int i = 0; i < 2; i++) {
        rlt_free(c.sides[i].values);
        c.sides[i].report.store = NULL; /* borrowed by both */
        rlt_report_close(&c.sides[i].report);
    }
    rlt_store_close(&c.store);
    return status;
}
