/* Tests of the commands that read a database: experiments written straight into one, the real
 * binary on it. Everything asserts through cmocka. Thread: one. */
#ifndef RLT_TESTS_SEARCHES_H
#define RLT_TESTS_SEARCHES_H
#include "store/store.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CHECK(call) assert_int_equal(call, RLT_OK)

extern rlt_store *searches_store; /* open and in a group commit between begin and end */
void searches_set_up(void);       /* a folder with an empty database; RLTUNE_DB names it */
void searches_tear_down(void);
const char *searches_folder(void);
void searches_begin(void);
void searches_end(void);

/* objectives: "loss" or "a,b", metric names; config: JSON. The experiment's id. */
int64_t searches_experiment(const char *name, const char *objectives, bool maximise,
                            const char *config);
typedef struct made_trial {
    const char *role, *state; /* NULL: "search", "completed" */
    int number;
    double value; /* of the first objective, NAN: none */
    const char *params;
    int64_t configuration, replicate; /* as they are stored */
    const double *values, *constraints;
    int value_count, constraint_count;
} made_trial;
int64_t searches_trial(int64_t experiment, const made_trial *made);

/* `rltune ARGS`; out (released by the caller): stdout and stderr. */
int searches_run(const char *args, rlt_buf *out);
/* Fails unless the exit code is that and the output has all parts (NULL at the end). */
void searches_expect(const char *args, int code, const char *const *parts);
#define EXPECT(args, code, ...)                                                                    \
    searches_expect(args, code, (const char *const[]){__VA_ARGS__, NULL})
json_t *searches_json(const char *args);                        /* exit code 0; a new reference */
json_t *searches_field(const json_t *object, const char *name); /* must be there; borrowed */
double searches_number(const json_t *object, const char *name); /* null: NAN */
#endif
