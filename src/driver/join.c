/* driver: a second process that runs trials of an experiment which another one drives (`rltune
 * join`): it asks for trials, starts their processes, passes on what programs and functions report,
 * and tells how all of them end; rows, decisions and checkpoints are the owner's. A trial whose
 * process is lost with this one is started again by the owner, which sees the connection end.
 * Thread: one. Owner: the caller. */
#include "driver/join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO_S = 60, POLL_MS = 100 };
static const double beat_every_s = 1;

void rlt_join_say(const rlt_joiner *j, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (j->o->event != NULL) {
        j->o->event(j->o->user, text);
    }
}

/* ---- the loop ---- */

/* The first request ends them as the driver's own would be, a second one at once. */
static rlt_status check_stop(rlt_joiner *j, rlt_err *err) {
    int stop = j->o->stop != NULL ? (int)*j->o->stop : 0, before = j->stop_seen;
    j->stop_seen = stop;
    if (stop == 0 || stop == before) {
        return RLT_OK;
    }
    if (before == 0) {
        rlt_join_say(j, "stopping: %d running trial%s given back", j->count,
                     j->count == 1 ? " is" : "s are");
        const rlt_asked asked = {.kind = RLT_ASKED_BEAT};
        json_t *request = json_pack("{s:s, s:o}", "op", "give_back", "trials", rlt_join_names(j));
        RLT_TRY(rlt_join_send(j, asked, request, err));
    }
    for (int i = 0; i < j->count; i++) {
        if (stop > 1) {
            rlt_join_kill(j, &j->trials[i]);
        } else {
            rlt_join_stop(j, &j->trials[i]);
        }
    }
    return RLT_OK;
}

static rlt_status ask(rlt_joiner *j, rlt_err *err) {
    const rlt_asked asked = {.kind = RLT_ASKED_TRIAL};
    int most = j->parallel - j->count;
    most = most < j->appetite ? most : j->appetite;
    for (int i = 0; i < most; i++) {
        RLT_TRY(rlt_join_send(
            j, asked, json_pack("{s:s, s:b, s:s}", "op", "ask", "join", 1, "client", j->who), err));
    }
    return RLT_OK;
}

static rlt_status beat(rlt_joiner *j, rlt_err *err) {
    const rlt_asked asked = {.kind = RLT_ASKED_BEAT};
    j->next_beat = rlt_clock_s() + beat_every_s;
    return rlt_join_send(
        j, asked,
        json_pack("{s:s, s:o, s:s}", "op", "beat", "trials", rlt_join_names(j), "client", j->who),
        err);
}

static rlt_status run(rlt_joiner *j, rlt_err *err) {
    while (j->count > 0 || (!j->finished && j->stop_seen == 0)) {
        RLT_TRY(rlt_join_pump(j, POLL_MS, err));
        RLT_TRY(check_stop(j, err));
        double now = rlt_clock_s();
        if (!j->finished && j->stop_seen == 0 && now >= j->next_ask) {
            RLT_TRY(ask(j, err));
        }
        if (now >= j->next_beat) {
            RLT_TRY(beat(j, err));
        }
        RLT_TRY(rlt_join_settle(j, err));
    }
    return RLT_OK;
}

/* ---- begin and end ---- */

static rlt_status greet(rlt_joiner *j, rlt_err *err) {
    json_t *request = json_pack("{s:s, s:b}", "op", "hello", "join", 1);
    rlt_status status = rlt_study_call(j->client, request, HELLO_S, &j->hello, err);
    json_decref(request);
    RLT_TRY(status);
    const char *kind = json_string_value(json_object_get(j->hello, "kind"));
    const char *theirs = json_string_value(json_object_get(j->hello, "rltune"));
    const char *ours = j->o->version != NULL ? j->o->version : "";
    if (kind != NULL && strcmp(kind, "external") == 0) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "the trials of experiment %lld are run by its clients (objective = "
                        "{ \"external\" }), such as rltune.load_study in Python",
                        (long long)j->experiment);
    }
    if (kind == NULL || theirs == NULL || strcmp(theirs, ours) != 0) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "experiment %lld is driven by rltune %s, and this is %s: who joins must "
                        "be the same",
                        (long long)j->experiment, theirs != NULL ? theirs : "of an older version",
                        ours);
    }
    return RLT_OK;
}

/* There is no socket of its driver: why? */
static rlt_status fail_unheard(const rlt_joiner *j, rlt_err *err) {
    rlt_store *store = NULL;
    rlt_experiment_row row = {0};
    rlt_err why;
    long long id = (long long)j->experiment;
    bool owned = false, tuned = true;
    rlt_status found = rlt_store_open(j->o->db_path, RLT_STORE_READ, &store, &why);
    found = found == RLT_OK ? rlt_store_experiment_get(store, j->experiment, &row, &why) : found;
    if (found == RLT_OK) {
        json_t *config = json_loads(row.config_json, 0, NULL);
        owned = rlt_store_experiment_is_owned(store, j->experiment);
        tuned = json_object_get(config, "tune") != NULL;
        json_decref(config);
    }
    rlt_experiment_row_fini(&row);
    rlt_store_close(&store);
    if (found != RLT_OK) {
        return rlt_fail(err, found, "%s", why.message);
    }
    if (!tuned) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "experiment %lld is a single run: there are no trials to be shared", id);
    }
    return owned ? rlt_fail(err, RLT_EBUSY,
                            "the driver of experiment %lld does not listen yet; try again in a "
                            "moment",
                            id)
                 : rlt_fail(err, RLT_ENOTFOUND,
                            "nobody drives experiment %lld; start it with: rltune resume %lld", id,
                            id);
}

/* The owner ends when the search does, or when it is told to: then there is nobody left to ask. */
static rlt_status is_over(const rlt_joiner *j, rlt_err *err) {
    rlt_store *store = NULL;
    rlt_experiment_row row = {0};
    rlt_err why;
    bool over = rlt_store_open(j->o->db_path, RLT_STORE_READ, &store, &why) == RLT_OK &&
                rlt_store_experiment_get(store, j->experiment, &row, &why) == RLT_OK &&
                strcmp(row.state, "running") != 0;
    rlt_experiment_row_fini(&row);
    rlt_store_close(&store);
    return over ? RLT_OK
                : rlt_fail(err, RLT_EPEER,
                           "the driver of experiment %lld has gone; what it had been told is in "
                           "the database, go on with: rltune resume %lld",
                           (long long)j->experiment, (long long)j->experiment);
}

rlt_status rlt_driver_join(const rlt_driver_options *options, int64_t experiment, int parallel,
                           int64_t *done, rlt_err *err) {
    char name[RLT_STUDY_NAME_SIZE], host[64] = "";
    rlt_joiner j = {.o = options, .experiment = experiment, .parallel = parallel, .appetite = 1};
    j.trials = rlt_alloc(sizeof(rlt_joined) * (size_t)parallel);
    gethostname(host, sizeof host - 1);
    snprintf(j.who, sizeof j.who, "%s, process %d, rltune join", host, (int)getpid());
    rlt_status status = rlt_study_name(options->db_path, experiment, name, err);
    status = status == RLT_OK ? rlt_study_connect(name, &j.client, err) : status;
    if (status == RLT_ENOTFOUND) {
        status = fail_unheard(&j, err);
    }
    status = status == RLT_OK ? greet(&j, err) : status;
    status = status == RLT_OK ? rlt_join_open(&j, err) : status;
    status = status == RLT_OK ? run(&j, err) : status;
    if (status == RLT_EPEER) {
        status = is_over(&j, err);
    }
    *done = j.done;
    rlt_join_close(&j);
    rlt_study_close(&j.client);
    rlt_free(j.trials);
    return status;
}
