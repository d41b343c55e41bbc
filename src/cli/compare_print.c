/* compare, printing: the table of both sides, the tests, a verdict in words; or JSON. Thread: main
 * only. */
#include "cli/compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const replicate_names[] = {"final", "best", "search", "seeds", "episodes"};
static const char *const replicate_texts[] = {
    "the winner trained again: one value a final run, each with its own seed",
    "the best configuration of each: one value a replicate, each with its own seed",
    "the search: one value a completed trial, each with its own parameters",
    "trials with the same parameters: one value a trial, each with its own seed",
    "one training run each: its evaluation episodes",
};

/* 2: clear, 1: perhaps, 0: no difference to see. Clear is what both the interval and the test of
 * ranks say: with few runs the bootstrap alone is too sure of itself. */
static int certainty(const rlt_comparison *c) {
    if (c->of == RLT_OF_EPISODES) {
        return c->welch.p < 0.05 ? 2 : 0;
    }
    bool apart = c->improvement.low > 0.5 || c->improvement.high < 0.5;
    return apart && c->ranks.p < 0.05 ? 2 : apart || c->ranks.p < 0.05;
}

static bool first_is_better(const rlt_comparison *c) {
    return c->of == RLT_OF_EPISODES ? (c->welch.difference > 0) == c->maximise
                                    : c->improvement.value > 0.5;
}

/* The fewest equal runs of each whose ranks can give p < 0.05. */
enum { RUNS_ENOUGH = 4 };

static bool is_same(const rlt_side *a, const rlt_side *b) {
    bool trials = a->trial != NULL && b->trial != NULL;
    return a->report.experiment.id == b->report.experiment.id &&
           (!trials || a->trial->number == b->trial->number);
}

static void print_verdict(const rlt_comparison *c) {
    const rlt_side *a = &c->sides[0], *b = &c->sides[1];
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
    if (c->of == RLT_OF_EPISODES) {
        printf("This is about these two policies; other seeds of the same parameters may come out "
               "otherwise.\n");
    } else if (c->ranks.p_least >= 0.05) {
        printf("%d and %d runs cannot give a p below %.2g, however different they are; %d of each "
               "could.\n",
               a->count, b->count, c->ranks.p_least, RUNS_ENOUGH);
    } else if (c->of == RLT_OF_BEST) {
        printf("The best configurations were chosen by these values, so expect less of both; final "
               "runs (tune.final.seeds) are fresh.\n");
    } else if (c->of == RLT_OF_SEARCH) {
        printf("Trials of a search are not drawn independently, so p is a rough guide; final runs "
               "(tune.final.seeds) compare the winners.\n");
    }
}

static void print_sides(const rlt_comparison *c) {
    rlt_table table = {0};
    static const char *const names[] = {"compared",  "n",   "mean",
                                        "deviation", "IQM", "95 % interval"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        rlt_table_column(&table, names[i], i > 0);
    }
    for (int i = 0; i < 2; i++) {
        const rlt_side *s = &c->sides[i];
        char text[200], number[32], other[32];
        snprintf(text, sizeof text, "%c  %s", 'A' + i, s->label);
        rlt_table_cell(&table, text);
        rlt_table_integer(&table, s->moments.count);
        rlt_table_cell(&table, rlt_report_value(s->moments.mean, number));
        rlt_table_cell(&table, rlt_report_value(s->moments.deviation, number));
        bool has = c->of != RLT_OF_EPISODES;
        rlt_table_cell(&table, has ? rlt_report_value(s->iqm.value, number) : "");
        snprintf(text, sizeof text, "%s to %s", rlt_report_value(s->iqm.low, number),
                 rlt_report_value(s->iqm.high, other));
        rlt_table_cell(&table, has ? text : "");
    }
    rlt_table_print(&table, stdout);
}

void rlt_comparison_print(const rlt_comparison *c) {
    const rlt_side *a = &c->sides[0], *b = &c->sides[1];
    char low[32], high[32], number[32];
    printf("%s (%s is better)\n%s\n\n", c->metric, c->maximise ? "larger" : "smaller",
           replicate_texts[c->of]);
    print_sides(c);
    rlt_comparison_print_differences(c);
    printf("\nmean of A - mean of B     %s", rlt_report_value(c->welch.difference, number));
    if (!isnan(c->welch.p)) {
        printf(", 95 %% interval %s to %s; Welch's t test: p = %.2g",
               rlt_report_value(c->welch.low, low), rlt_report_value(c->welch.high, high),
               c->welch.p);
    }
    if (c->of != RLT_OF_EPISODES) {
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

static json_t *side_json(const rlt_comparison *c, const rlt_side *s) {
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
    json_object_set_new(object, "iqm",
                        c->of == RLT_OF_EPISODES ? json_null() : estimate_json(s->iqm));
    return object;
}

rlt_status rlt_comparison_print_json(const rlt_comparison *c, rlt_err *err) {
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
    bool ranks = c->of != RLT_OF_EPISODES;
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
    json_object_set_new(object, "differences", rlt_comparison_differences(c));
    return rlt_report_print_json(object, err);
}
