/* worker: how the learners of one trial share its workers and environments. Thread: any. */
#include "worker/worker.h"

#include <string.h>

enum { LOCAL_PARTS_MAX = 8, LOCAL_ENVS_MIN = 32 };

int rlt_local_parts(int envs) {
    int parts = 1;
    while (parts < LOCAL_PARTS_MAX && envs % (2 * parts) == 0 &&
           envs / (2 * parts) >= LOCAL_ENVS_MIN) {
        parts *= 2;
    }
    return parts;
}

rlt_status rlt_share_make(const rlt_run_config *config, rlt_share *share, rlt_err *err) {
    int learners = (int)config->learners, workers = (int)config->workers;
    int envs = (int)config->envs_per_worker;
    if (learners == 3) {
        return rlt_fail(err, RLT_ECONFIG, "learners: 3; allowed: 1, 2 or 4");
    }
    if (learners > 1 && strncmp(config->device, "cuda:", 5) == 0) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "learners: %d with device = \"%s\"; each takes a GPU of its own with device "
            "= \"cuda\"",
            learners, config->device);
    }
    if (config->inference == RLT_INFERENCE_LEARNER &&
        (workers == 0 || config->transport != RLT_TRANSPORT_SHM)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "inference: \"learner\" with %s; it is for workers > 0 and transport = "
                        "\"shm\"",
                        workers == 0 ? "workers = 0, where the learner acts anyway"
                                     : "transport = \"tcp\"");
    }
    int shared = workers > 0 ? workers : envs;
    if (shared % learners != 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "learners: %d cannot share %s = %d evenly; allowed: a multiple of %d",
                        learners, workers > 0 ? "workers" : "envs_per_worker", shared, learners);
    }
    if (workers / learners > RLT_WORKERS_MAX) {
        return rlt_fail(err, RLT_ECONFIG, "workers: %d for %d learners; allowed: at most %d each",
                        workers, learners, RLT_WORKERS_MAX);
    }
    int parts = workers > 0 ? workers / learners : rlt_local_parts(envs / learners);
    *share = (rlt_share){
        .learners = learners, .parts = parts, .envs = workers > 0 ? envs : envs / learners / parts};
    return RLT_OK;
}
