/* exchange: a Katib Experiment on its way to a script. Private to src/exchange. */
#ifndef RLT_EXCHANGE_KATIB_IMPL_H
#define RLT_EXCHANGE_KATIB_IMPL_H
#include "exchange/exchange.h"
#include "exchange/yaml.h"

/* A place in the container's file system which is somewhere else here. */
typedef struct rlt_katib_place {
    char theirs[256]; /* without a slash at its end */
    const char *here;
    bool used; /* the command or its variables name it */
} rlt_katib_place;

typedef struct rlt_katib {
    rlt_yaml yaml;
    const char *file;
    rlt_notes *notes;
    json_t *config, *tune, *objective, *params; /* parts of config */
    json_t *names;        /* {name in the file: its value in argv, "{lr}"}; owned */
    const char *resource; /* of hyperband: the parameter that Katib sets itself; NULL */
    double resource_max;
    rlt_katib_place saved, written; /* checkpoints of pbt; what the metrics collector reads */
    bool ends_itself;               /* a run is one generation: not to be cut short by SIGTERM */
} rlt_katib;

/* "file:line: ..." */
rlt_status rlt_katib_fail(const rlt_katib *k, const rlt_yaml_node *node, rlt_err *err,
                          const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Notes of every entry that is not among `known` (NULL-terminated); `what`: "spec.". */
void rlt_katib_note_rest(rlt_katib *k, const rlt_yaml_node *node, const char *what,
                         const char *const *known);
/* A number as text in the file ("0.01"). False: it is none. */
bool rlt_katib_number(const rlt_yaml_node *node, double *value);
/* The same name with characters that a parameter may have. */
void rlt_katib_name(const char *name, char out[65]);

/* An entry of spec, or NULL. */
rlt_yaml_node *rlt_katib_spec(rlt_katib *k, const char *key);
rlt_katib_place rlt_katib_place_of(const char *theirs, const char *here);

/* In this order. */
rlt_status rlt_katib_algorithm(rlt_katib *k, rlt_err *err);  /* katib_algorithm.c */
rlt_status rlt_katib_parameters(rlt_katib *k, rlt_err *err); /* katib_space.c */
rlt_status rlt_katib_networks(rlt_katib *k, rlt_err *err);   /* katib_networks.c: or this */
rlt_status rlt_katib_search(rlt_katib *k, rlt_err *err);     /* katib_search.c */
void rlt_katib_metrics(rlt_katib *k);                        /* katib_metrics.c */
rlt_status rlt_katib_trial(rlt_katib *k, rlt_err *err);      /* katib_trial.c */

/* katib_filter.c: a filter of lines (a regular expression of Go, groups 1 and 2 a name and a
 * value) for one metric, as an extended regular expression. False: *why, a constant text, or NULL
 * when its first group cannot be this name. */
bool rlt_katib_filter(const char *filter, const char *metric, rlt_buf *out, const char **why);
#endif
