/* cli, reporting: what the commands that read the database share: finding an experiment, its trials
 * in memory, ranks, curves, aligned tables, what the terminal can show.
 * Thread: main only. Owner: who opened a report closes it. */
#ifndef RLT_CLI_REPORT_H
#define RLT_CLI_REPORT_H
#include "analysis/analysis.h"
#include "cli/cli.h"
#include "config/config.h"
#include "exchange/exchange.h"
#include "store/store.h"

#include <jansson.h>
#include <stdio.h>

#define RLT_REPORT_METRIC_OPTION                                                                   \
    { "--metric", "NAME", "the metric to draw (default: the one that is tuned)" }

typedef struct rlt_report_objective {
    char metric[RLT_NAME_MAX];
    bool maximise;
} rlt_report_objective;

/* A trial, but for its texts (rlt_report_texts): there may be 100,000 of them. */
typedef struct rlt_report_trial {
    int64_t id, number, seed, attempt, configuration, replicate, steps;
    double value, best, wall_s;
    const char *role, *state; /* static */
} rlt_report_trial;

/* A configuration with several seeds (tune.seeds): its replicates are search trials. */
typedef struct rlt_seed_group {
    int64_t configuration;                  /* number of its first trial */
    int first;                              /* that trial's index */
    int count, completed, failed, measured; /* measured: ended with a value, none failed */
    double *values;                         /* [measured] in the order of replicates */
    double value;                           /* what they amount to by tune.aggregate; NAN: none */
    double violation;                       /* the largest */
    int64_t steps;                          /* of all together */
    double wall_s;
    const char *state; /* running as long as one of them has not ended */
} rlt_seed_group;

typedef struct rlt_report {
    rlt_cli_args args;
    bool json;
    const char *path; /* of the database */
    rlt_store *store;
    rlt_experiment_row experiment;
    bool alive;               /* its driver runs now */
    rlt_report_trial *trials; /* search before final, in the order of number */
    int trial_count, trial_room;
    int *order; /* the search trials' indices, best first; failed and unmeasured ones last. With
                 * several seeds the first trial of every configuration */
    int search_count, order_count;
    int *ranks; /* [trial_count] 1 + the number of better ones, or of the fronts before its own; 0:
                 * no score. Of a replicate: its configuration's */
    int64_t seeds; /* of tune.seeds */
    const char *aggregate;
    rlt_seed_group *replicates; /* [replicates_count] in the order of number; NULL: one seed each */
    int replicates_count;
    int *replicates_of;       /* [trial_count] -1: a final */
    double *replicate_values; /* what theirs point into */
    rlt_report_objective objectives[RLT_OBJECTIVES_MAX];
    char constraints[RLT_CONSTRAINTS_MAX][RLT_NAME_MAX];
    int objective_count, constraint_count;
    double *values; /* [trial_count, objectives, then constraints]; NAN: none. NULL: one objective
                     * and no constraint */
    int last_found;
} rlt_report;

const char *rlt_report_db(const rlt_cli_args *args);
/* Parses the command line (one word: the experiment's ID, its name, or "last"), opens the database
 * for reading and loads experiment and trials. */
rlt_status rlt_report_open(rlt_report *report, const char *command, int argc, char **argv,
                           rlt_err *err);
/* The experiment that a word names: an ID, a name, or "last". RLT_ENOTFOUND gives the nearest. */
rlt_status rlt_report_find(rlt_store *store, const rlt_cli_args *args, const char *word,
                           int64_t *id, rlt_err *err);
/* The same for a store that is open (borrowed: take it out before close) and an ID. */
rlt_status rlt_report_load(rlt_report *report, rlt_store *store, int64_t id, rlt_err *err);
/* Reason, parameters in force and configuration with these, from the database; release by fini. */
rlt_status rlt_report_texts(const rlt_report *report, const rlt_report_trial *trial,
                            rlt_trial_texts *texts, rlt_err *err);
/* The parameters in force alone; a new reference. */
rlt_status rlt_report_params(const rlt_report *report, const rlt_report_trial *trial,
                             json_t **params, rlt_err *err);
/* {name: true} of every parameter that a trial has or had, by name. */
rlt_status rlt_report_param_names(const rlt_report *report, json_t **names, rlt_err *err);
void rlt_report_close(rlt_report *report); /* safe on {0} and after a failed open */

void rlt_report_rank_all(rlt_report *report); /* fills order and ranks; part of open */
bool rlt_report_has_score(const rlt_report_trial *trial);
/* replicates.c: fills replicates, order and ranks where there are several seeds, and says so. */
bool rlt_report_rank_replicates(rlt_report *report);
void rlt_report_close_replicates(rlt_report *report);
/* The configuration of a search trial; NULL: one seed each. */
const rlt_seed_group *rlt_report_replicates(const rlt_report *report,
                                            const rlt_report_trial *trial);
/* The interquartile mean with its bootstrap interval. */
rlt_estimate rlt_report_interval(const rlt_seed_group *replicates);
/* "iqm of 5 seeds, 95 % interval 0.1 to 0.3" */
void rlt_report_replicates_text(const rlt_report *report, const rlt_seed_group *r, rlt_buf *text);
rlt_status rlt_report_replicates_json(const rlt_report *report, const rlt_seed_group *replicates,
                                      json_t **object, rlt_err *err); /* a new reference */
/* How likely a run of the best configuration is better than one of the second best; false: there
 * are no two with a result. */
bool rlt_report_improvement(const rlt_report *report, const rlt_seed_group *pair[2],
                            rlt_estimate *probability);
/* front.c: several objectives, constraints. */
rlt_status rlt_report_load_objectives(rlt_report *report, rlt_err *err); /* part of open */
const double *rlt_report_values_of(const rlt_report *report, const rlt_report_trial *trial);
/* The sum of constraints above 0; 0: feasible. */
double rlt_report_violation(const rlt_report *report, const rlt_report_trial *trial);
void rlt_report_fronts(const rlt_report *report, int *fronts); /* [trial_count] from 1; 0: none */
int rlt_report_front_size(const rlt_report *report);           /* 0 with one objective */
/* Of the Pareto front above the worst values of feasible trials, which go to reference[objectives];
 * NAN: there is no front. */
double rlt_report_hypervolume(const rlt_report *report, double *reference);
/* volumes[trial_count]: of the trials up to each, above that reference. Two objectives or more. */
void rlt_report_volumes(const rlt_report *report, const double *reference, double *volumes);
/* Ended with all values, and feasible; with several objectives or constraints. */
bool rlt_report_may_be_on_front(const rlt_report *report, const rlt_report_trial *trial);
void rlt_report_add_values(const rlt_report *report, const rlt_report_trial *trial, json_t *object);
json_t *rlt_report_metrics_json(const rlt_report *report); /* names, modes, constraints */
json_t *rlt_report_front_json(const rlt_report *report);
void rlt_report_front_text(const rlt_report *report, rlt_buf *text);
int rlt_report_rank(const rlt_report *report, const rlt_report_trial *trial);
const rlt_report_trial *rlt_report_best(const rlt_report *report); /* or NULL */
rlt_status rlt_report_find_trial(const rlt_report *report, const char *role, int64_t number,
                                 const rlt_report_trial **trial, rlt_err *err);
/* A retraining of the newest winner: a search that grows may have had others before. */
bool rlt_report_is_final(const rlt_report *report, const rlt_report_trial *trial);
/* Mean and sample standard deviation of these that have a score; returns how many. */
int rlt_report_finals(const rlt_report *report, double *mean, double *deviation);
/* A new reference; with_config: and the configuration. */
rlt_status rlt_report_trial_json(const rlt_report *report, const rlt_report_trial *trial,
                                 bool with_config, json_t **object, rlt_err *err);
const char *rlt_report_state(const char *state, bool alive); /* "interrupted" without its driver */
/* "16: 9 completed, 7 stopped": counts has one number per state, in this order. */
extern const char *const rlt_report_states[7]; /* NULL at the end */
void rlt_report_counts(const int64_t counts[6], rlt_buf *text);

/* Text of values; "-" for none. Borrow `text`. */
const char *rlt_report_value(double value, char text[32]);
const char *rlt_report_duration(double seconds, char text[32]);
const char *rlt_report_time(int64_t wall_ms, char text[32]);   /* local time */
void rlt_report_json_text(const json_t *value, rlt_buf *text); /* a parameter's value, short */
json_t *rlt_report_real(double value);                         /* null unless finite */
json_t *rlt_report_parse(const char *json);                    /* null if it is no JSON */
rlt_status rlt_report_print_json(json_t *value, rlt_err *err); /* takes the reference */

/* What an import or export left out, on standard error; nothing if there is nothing. */
void rlt_cli_put_notes(rlt_notes *notes, const char *file, const char *title);

/* Columns first, then cell by cell; printed with aligned columns, control characters replaced. Of
 * many rows, most are in a temporary file. */
enum { RLT_TABLE_COLUMNS_MAX = 64 };
typedef struct rlt_table {
    rlt_buf names, cells; /* 0-terminated strings; cells: those that are not in the file */
    FILE *spilled;        /* NULL: not needed */
    bool in_memory;       /* all further ones: the file can't be had, or is full */
    int columns, count, spilled_count; /* counts of cells: names, and those of rows */
    int widths[RLT_TABLE_COLUMNS_MAX]; /* of the widest cell of each column, below its name */
    bool right[RLT_TABLE_COLUMNS_MAX];
} rlt_table;
void rlt_table_column(rlt_table *table, const char *name, bool right);
void rlt_table_cell(rlt_table *table, const char *text);
void rlt_table_integer(rlt_table *table, int64_t value);
void rlt_table_print(rlt_table *table, FILE *out); /* and releases it */
void rlt_table_fini(rlt_table *table);             /* of one that is not printed; safe on {0} */

typedef struct rlt_screen {
    int columns, rows;
    bool unicode, colour;
} rlt_screen;
/* Of standard output. Not a terminal, or TERM=dumb: 80 columns of plain ASCII. NO_COLOR is obeyed
 * (no-color.org). */
rlt_screen rlt_screen_of_stdout(void);
bool rlt_screen_can_move(void); /* standard output is a terminal with a cursor to move */

typedef struct rlt_curve {
    rlt_buf x, y; /* doubles */
    size_t count;
    const rlt_report_trial *trial;
    char label[64];
    bool highlight;
} rlt_curve;
rlt_status rlt_curve_load(rlt_store *store, const rlt_report_trial *trial, const char *metric,
                          rlt_curve *curve, rlt_err *err);
json_t *rlt_curve_json(const rlt_curve *curve); /* [[step, value], ...] */
void rlt_curve_fini(rlt_curve *curve);
/* The goal that the experiment's configuration sets for this metric, or NAN. */
double rlt_curve_goal(const rlt_report *report, const char *metric);
/* svg: NULL: as terminal text for `screen`. */
typedef struct rlt_curve_style {
    const rlt_screen *screen;
    int svg_width, svg_height;
} rlt_curve_style;
void rlt_curves_draw(const rlt_report *report, const rlt_curve *curves, size_t count,
                     const char *title, const char *metric, const rlt_curve_style *style,
                     rlt_buf *out);
/* RLT_ENOTFOUND that lists the metrics there are, with the nearest to `metric`. */
rlt_status rlt_curve_fail_empty(const rlt_report *report, const char *metric, rlt_err *err);
#endif
