/* The table of algorithms, NULL-terminated. Thread: read only. */
#ifndef RLT_ALGOS_H
#define RLT_ALGOS_H
typedef struct rlt_algo_def {
    const char *name; /* as configurations and the command line write it */
    const char *help; /* one line */
} rlt_algo_def;
extern const rlt_algo_def *const rlt_algos[];
#endif
