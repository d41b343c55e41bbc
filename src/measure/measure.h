/* measure: how fast this machine runs the parts of rltune, each figure beside its limit: shared by
 * `rltune bench` and the programs under bench/. A limit is measured in the same run on the same
 * machine (multiply-add chains, memory and disk bandwidth, a bare pipe), or a stated target.
 * Thread: the caller's; what is measured may start threads and processes for itself. */
#ifndef RLT_MEASURE_H
#define RLT_MEASURE_H
#include "core/core.h"
#include "env/env.h"
#include "nn/nn.h"
#include "tuner/tuner.h"

typedef struct rlt_figure {
    const char *name, *unit; /* borrowed for the call */
    double value, limit;     /* in `unit` */
    const char *limit_name;
    bool less; /* less is better */
} rlt_figure;
double rlt_figure_percent(const rlt_figure *figure); /* of the limit that is reached */

typedef struct rlt_measure { /* what is measured, and where the figures go; all borrowed */
    double seconds;          /* roughly, for each figure */
    const char *binary;      /* rltune itself; NULL: /proc/self/exe */
    const char *folder;      /* for databases: on the disk that is asked about */
    const rlt_env_def *const *envs;
    void (*figure)(void *user, const rlt_figure *figure);
    void *user;
} rlt_measure;
rlt_status rlt_measure_env(const rlt_measure *m, rlt_err *err);
rlt_status rlt_measure_nn(const rlt_measure *m, rlt_err *err);
rlt_status rlt_measure_train(const rlt_measure *m, rlt_err *err);
rlt_status rlt_measure_transport(const rlt_measure *m, rlt_err *err);
rlt_status rlt_measure_tuner(const rlt_measure *m, rlt_err *err);
rlt_status rlt_measure_store(const rlt_measure *m, rlt_err *err);
rlt_status rlt_measure_startup(const rlt_measure *m, rlt_err *err);

/* ---- the parts, for the programs under bench/ ---- */

double rlt_median(double *values, int count); /* sorts them */
double
rlt_thread_seconds(void); /* processor time of this thread: a busy machine disturbs it less */

/* GFLOP/s of independent multiply-add chains in registers: float32 on all threads of the pool
 * (NULL: one; timed by its processor time), float64 on one core. */
double rlt_ceiling_f32(rlt_pool *pool);
double rlt_ceiling_f64(void);
/* GB/s of a triad over arrays of `bytes` together, and of copying blocks of `size` into several
 * places in turn; both by one core. */
double rlt_ceiling_triad(double bytes);
double rlt_ceiling_memcpy(size_t size);
/* Bytes/s of 256 MiB written in sequence with one flush; seconds of a flushed 4 KiB write. */
rlt_status rlt_ceiling_disk(const char *folder, double *bytes_s, double *flush_s, rlt_err *err);

/* FLOP of one training step: 2 M forward in the rollout, (6 M - 2 m1) an epoch; M are the
 * multiply-adds of both nets, m1 those of their first layers. */
double rlt_flop_per_step(const rlt_policy_spec *spec, bool rollout, int epochs);
/* FLOP of one step of an environment, counted by hand; 0: no arithmetic to speak of. */
double rlt_env_flop(const rlt_env_def *def);
double rlt_env_resident_bytes(const rlt_env_def *def); /* what one environment occupies */
double rlt_env_moved_bytes(const rlt_env_def *def);    /* what one step reads and writes */
/* Steps/s of `count` environments on one core: random actions drawn within the timing, auto-reset,
 * observations written. RLT_EINVAL where there is no such form here. */
rlt_status rlt_env_rate(const rlt_env_def *def, rlt_env_form form, int count, double seconds,
                        double *rate, rlt_err *err);
rlt_status rlt_env_best_form(const rlt_env_def *def, rlt_env_form *form, rlt_err *err);

/* A tuner over four mixed parameters with ASHA (grace 100, reduction 3). */
rlt_status rlt_bench_tuner(int sampler, rlt_tuner **tuner, rlt_err *err);
/* Seconds of six decisions for each of `trials` trials: all are judged at every rung, rung by rung.
 * That is the worst case, as none leaves and each rung fills up. Only reports are timed. */
enum { RLT_BENCH_RUNGS = 6 };
rlt_status rlt_decision_seconds(int trials, uint64_t seed, double *seconds, rlt_err *err);

/* The seconds since the spawn of `rltune run` at which its processes logged each phase for the
 * first time ("driver.ready", ..., "rollout.first_step"). */
enum { RLT_PHASES_MAX = 16 };
typedef struct rlt_phase {
    char name[48];
    double seconds;
} rlt_phase;
rlt_status rlt_startup_phases(const char *binary, const char *folder, int workers,
                              rlt_phase phases[RLT_PHASES_MAX], int *count, rlt_err *err);
/* Seconds from the spawn of argv[0] to its end, output to /dev/null. */
rlt_status rlt_startup_program(char *const argv[], double *seconds, rlt_err *err);
#endif
