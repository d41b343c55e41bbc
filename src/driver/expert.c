/* driver: models that a configuration or a person names. What behaviour cloning learns from becomes
 * an absolute path before the experiment has a row, so that a resume finds the same file from
 * wherever it is typed. Thread: the caller's. Owner: the caller. */
#include "driver/driver_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- by experiment and trial ---- */

typedef struct found {
    char *path, *sha256; /* of the caller */
    int64_t rows;
} found;

static rlt_status note(void *user, int columns, const char *const *names, const char *const *values,
                       rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    found *f = user;
    if (f->rows++ == 0) {
        snprintf(f->path, 512, "%s", values[0]);
        snprintf(f->sha256, 65, "%s", values[1]);
    }
    return RLT_OK;
}

/* Runs of the newest winner that was trained again by their final evaluation first, then search
 * trials by their best value, those that may be the best one before those that failed or are not
 * feasible. */
static const char best_sql[] =
    "SELECT c.path, c.sha256 FROM checkpoints c JOIN trials t ON t.id = c.trial "
    "LEFT JOIN objectives o ON o.experiment = t.experiment AND o.position = 0 "
    "LEFT JOIN leaderboard l ON l.trial = t.id "
    "WHERE t.experiment = ?1 AND c.step = (SELECT max(step) FROM checkpoints WHERE trial = t.id) "
    "AND (t.role <> 'final' OR t.configuration = (SELECT configuration FROM trials WHERE "
    "experiment = ?1 AND role = 'final' ORDER BY number DESC LIMIT 1)) "
    "ORDER BY t.role = 'final' DESC, l.rank IS NULL, t.value IS NULL, "
    "CASE WHEN o.maximise = 0 THEN t.value ELSE -t.value END LIMIT 1";
static const char trial_sql[] =
    "SELECT c.path, c.sha256 FROM checkpoints c JOIN trials t ON t.id = c.trial "
    "WHERE t.experiment = ?1 AND t.number = ?2 AND t.role = 'search' ORDER BY c.step DESC LIMIT 1";

rlt_status rlt_driver_find_checkpoint(rlt_store *store, int64_t experiment, int64_t number,
                                      char path[512], char sha256[65], rlt_err *err) {
    const int64_t args[] = {experiment, number};
    found f = {path, sha256, 0};
    RLT_TRY(rlt_store_query(store, number >= 0 ? trial_sql : best_sql, args, number >= 0 ? 2 : 1,
                            note, &f, err));
    return f.rows > 0 ? RLT_OK
                      : rlt_fail(err, RLT_ENOTFOUND,
                                 "there is no checkpoint yet; they are written at checkpoint.every "
                                 "steps and when a trial ends");
}

/* ---- what bc learns from ---- */

/* "FILE.db:ID" or "FILE.db:ID:TRIAL"; false: it is the name of a file. */
static bool is_in_database(const char *name, char db[512], int64_t *experiment, int64_t *number) {
    const char *end = strstr(name, ".db:");
    char rest;
    long long id = 0, trial = -1;
    int read = end != NULL ? sscanf(end, ".db:%lld:%lld%c", &id, &trial, &rest) : 0;
    if (read != 1 && read != 2) {
        return false;
    }
    snprintf(db, 512, "%.*s", (int)(end - name + 3), name);
    *experiment = id;
    *number = trial;
    return true;
}

static rlt_status find_in_database(const char *name, const char *db, int64_t experiment,
                                   int64_t number, char *path, size_t size, rlt_err *err) {
    rlt_store *store = NULL;
    rlt_err why = {0};
    char row[512], sha256[65];
    rlt_status status = rlt_store_open(db, RLT_STORE_READ, &store, &why);
    if (status == RLT_OK) {
        status = rlt_driver_find_checkpoint(store, experiment, number, row, sha256, &why);
    }
    if (status == RLT_OK) {
        status = rlt_driver_checkpoint_path(db, row, path, size, &why);
    }
    rlt_store_close(&store);
    return status == RLT_OK
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG, "bc.expert: '%.200s': %.250s", name, why.message);
}

static rlt_status set_path(rlt_experiment_config *config, const char *field, const char *path,
                           char member[512], rlt_err *err) {
    char real[PATH_MAX];
    if (realpath(path, real) == NULL || strlen(real) >= 512) {
        return rlt_fail(err, RLT_ECONFIG, "%s: '%.300s' cannot be read: %s", field, path,
                        strerror(errno));
    }
    json_t *text = json_string(real);
    rlt_status status = rlt_config_set_json(config->json, field, text, err);
    json_decref(text);
    memcpy(member, real, strlen(real) + 1);
    return status;
}

/* What is compared must be something that the algorithm reports. */
static rlt_status check_metrics(const rlt_experiment_config *config, bool cloning, rlt_err *err) {
    static const char *const acting[] = {"mean_return", "mean_length",       "episodes",
                                         "value_loss",  "approx_kl",         "clip_fraction",
                                         "staleness",   "explained_variance"};
    static const char *const of_cloning[] = {"valid_loss", "valid_accuracy"};
    const char *const *foreign = cloning ? acting : of_cloning;
    size_t count = cloning ? RLT_COUNT(acting) : RLT_COUNT(of_cloning);
    for (int i = 0; config->tuned && i < config->tune.objectives.count; i++) {
        const char *name =
            i == 0 ? config->tune.metric : (const char *)config->tune.objectives.names[i];
        for (size_t k = 0; k < count; k++) {
            if (strcmp(name, foreign[k]) == 0) {
                return rlt_fail(
                    err, RLT_ECONFIG,
                    "tune.metric: algo = \"%s\" does not report %s; %s are some that it "
                    "does",
                    config->run.algo, name,
                    cloning ? "valid_loss, valid_accuracy, eval_return"
                            : "eval_return, mean_return");
            }
        }
    }
    return RLT_OK;
}

rlt_status rlt_driver_check_expert(rlt_experiment_config *config, rlt_err *err) {
    rlt_bc_fields *bc = &config->run.bc;
    char path[1024], db[512];
    int64_t experiment, number;
    bool cloning = strcmp(config->run.algo, "bc") == 0;
    RLT_TRY(check_metrics(config, cloning, err));
    if (!cloning) {
        return !config->tuned || config->tune.sampler != RLT_SAMPLER_ONESHOT
                   ? RLT_OK
                   : rlt_fail(err, RLT_ECONFIG,
                              "tune.sampler: oneshot needs algo = \"bc\": networks that share "
                              "weights cannot act for each other");
    }
    if ((bc->expert[0] != '\0') == (bc->dataset[0] != '\0')) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "bc.expert: algo = \"bc\" learns from an expert's checkpoint or from a file "
            "(bc.dataset); give one of the two");
    }
    if (config->run.learners > 1) {
        return rlt_fail(err, RLT_ECONFIG,
                        "learners: behaviour cloning is done by one learner, not by %lld",
                        (long long)config->run.learners);
    }
    if (bc->dataset[0] != '\0') {
        return set_path(config, "bc.dataset", bc->dataset, bc->dataset, err);
    }
    snprintf(path, sizeof(path), "%s", bc->expert);
    if (is_in_database(bc->expert, db, &experiment, &number)) {
        RLT_TRY(find_in_database(bc->expert, db, experiment, number, path, sizeof(path), err));
    }
    return set_path(config, "bc.expert", path, bc->expert, err);
}
