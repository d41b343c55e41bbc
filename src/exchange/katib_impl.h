/* exchange: a Katib Experiment on its way to a script. Private to src/exchange. */
#ifndef RLT_EXCHANGE_KATIB_IMPL_H
#define RLT_EXCHANGE_KATIB_IMPL_H
#include "exchange/exchange.h"
#include "exchange/yaml.h"

typedef struct rlt_katib {
    rlt_yaml yaml;
    const char *file;
    rlt_notes *notes;
    json_t *config, *tune, *objective, *params; /* parts of config */
    json_t *names;                              /* {name in the file: name here}; owned */
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

rlt_status rlt_katib_parameters(rlt_katib *k, rlt_err *err); /* katib_space.c */
rlt_status rlt_katib_search(rlt_katib *k, rlt_err *err);     /* katib_search.c */
rlt_status rlt_katib_trial(rlt_katib *k, rlt_err *err);      /* katib_trial.c */
#endif
