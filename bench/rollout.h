/* A small in-process PPO run for benchmarks: environments in a fixed number of shards that the
 * pool's threads step, then the update. Thread: the caller's plus the pool's. */
#ifndef RLT_BENCH_ROLLOUT_H
#define RLT_BENCH_ROLLOUT_H
#include "algos/ppo/ppo.h"
#include "env/env.h"

typedef struct bench_config {
    const rlt_env_def *def;
    int envs, horizon, minibatch, epochs;
    rlt_pool *pool;
    double (*clock)(void); /* seconds */
} bench_config;

typedef struct bench_run bench_run;
rlt_status bench_run_create(const bench_config *config, bench_run **run, rlt_err *err);
void bench_run_destroy(bench_run **run);
/* One rollout and one update; the seconds of each. */
rlt_status bench_run_iterate(bench_run *run, double seconds[2], rlt_err *err);
const rlt_policy_spec *bench_run_spec(const bench_run *run);
/* The mean return of the episodes that ended in the last iteration in which any did. */
double bench_run_return(const bench_run *run);
#endif
