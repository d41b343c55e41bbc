/* learner: the process of one trial. It trains, reports rows of metrics, asks at milestones whether
 * to go on, writes checkpoints, and leaves when the driver has acknowledged its last word.
 * Thread: main. Owner: nothing outlives run. */
#include "learner/due.h"
#include "learner/team.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TASK_TIMEOUT_MS = 30000,
    ACK_TIMEOUT_MS = 120000, /* a driver that commits to a slow disk */
    SEND_TIMEOUT_MS = 30000,
    LAST_WORDS_MS = 2000,
    REPORTS_PER_RUN = 50
};
static const double heartbeat_s = 1.0;
static const uint64_t eval_seed_offset = 0x5eed;

typedef struct learner_process {
    const rlt_learner_args *args;
    rlt_channel *channel;
    rlt_msg_writer writer;
    uint64_t seq;
    /* the task */
    char *config_json, *script;
    char *space;           /* of networks whose shared weights are trained; "": none */
    uint64_t only_measure; /* its policy, with the parent's weights */
    char script_name[256], folder[512], stem[128], metric[RLT_NAME_MAX];
    char checkpoint[600], sha256[RLT_SHA256_HEX];
    char inherit[600], inherit_sha256[RLT_SHA256_HEX]; /* of the trial's parent; "": none */
    char weights[600], weights_sha256[RLT_SHA256_HEX]; /* of another trial; "": none */
    uint64_t save_first; /* a checkpoint before each question at a milestone */
    rlt_due due;
    rlt_run_config config;
    rlt_env_source env;
    rlt_peers *peers; /* NULL: alone */
    rlt_learning learning;
    /* progress */
    rlt_train_stats stats;
    int64_t next_report, next_eval, next_checkpoint, saved_steps;
    char saved_path[700]; /* the newest checkpoint; "": none */
    double started, last_said, report_clock;
    int64_t report_steps;
    rlt_train_figures figures; /* of the newest report; NAN: there was none since */
    rlt_evaluation eval;
    int64_t eval_steps; /* at which `eval` was measured; -1: never */
    bool loading;       /* its checkpoint */
    bool stop;          /* asked by the driver */
    bool ended, paused; /* told to by a decision */
    const char *reason;
} learner_process;

/* ---- talking to the driver ---- */

static void begin(learner_process *p, rlt_msg_type type) {
    rlt_msg_begin(&p->writer, type, p->args->epoch, p->seq++);
}

static rlt_status say(learner_process *p, rlt_err *err) {
    RLT_TRY(rlt_msg_end(&p->writer, err));
    p->last_said = rlt_clock_s();
    return rlt_channel_send(p->channel, NULL, &p->writer, NULL, 0, SEND_TIMEOUT_MS, err);
}

static rlt_status hear(learner_process *p, rlt_packet *packet, int timeout_ms, rlt_err *err) {
    rlt_status status;
    do {
        status = rlt_channel_recv(p->channel, packet, timeout_ms, err);
    } while (status == RLT_EINTERRUPTED);
    RLT_TRY(status);
    if (packet->msg->epoch != p->args->epoch) {
        return rlt_fail(err, RLT_ESTALE, "a message for attempt %llu came to attempt %llu",
                        (unsigned long long)packet->msg->epoch, (unsigned long long)p->args->epoch);
    }
    p->stop |= packet->msg->type == RLT_MSG_STOP;
    return RLT_OK;
}

/* Waits for a message of that type; a STOP on the way is remembered. */
static rlt_status await(learner_process *p, rlt_msg_type type, rlt_packet *packet, int timeout_ms,
                        rlt_err *err) {
    double deadline = rlt_clock_s() + timeout_ms * 1e-3;
    for (;;) {
        int left = (int)((deadline - rlt_clock_s()) * 1e3);
        rlt_status status = hear(p, packet, left > 0 ? left : 0, err);
        if (status == RLT_ETIMEOUT) {
            return rlt_fail(err, RLT_ETIMEOUT, "the driver did not send %s within %d s",
                            rlt_msg_type_name(type), timeout_ms / 1000);
        }
        RLT_TRY(status);
        if (packet->msg->type == type) {
            return RLT_OK;
        }
    }
}

/* STOP requests without waiting, and a sign of life when nothing else was said. */
static rlt_status idle(void *user, rlt_err *err) {
    learner_process *p = user;
    rlt_packet packet;
    rlt_status status = hear(p, &packet, 0, err);
    if (status != RLT_OK && status != RLT_ETIMEOUT) {
        return status;
    }
    if (rlt_clock_s() - p->last_said < heartbeat_s) {
        return RLT_OK;
    }
    begin(p, RLT_MSG_HEARTBEAT);
    rlt_msg_put_i64(&p->writer, "step", p->stats.steps);
    return say(p, err);
}

/* ---- the task ---- */

static rlt_status read_task(learner_process *p, const rlt_msg *msg, rlt_err *err) {
    RLT_TRY(rlt_due_read_task(&p->due, msg, err));
    RLT_TRY(rlt_msg_copy_str(msg, "config", &p->config_json, err));
    RLT_TRY(rlt_msg_copy_str(msg, "script", &p->script, err));
    RLT_TRY(rlt_msg_copy_str(msg, "space", &p->space, err));
    RLT_TRY(rlt_msg_get_u64(msg, "only_measure", &p->only_measure, err));
    const struct {
        const char *key;
        char *text;
        size_t size;
    } texts[] = {
        {"script_name", p->script_name, sizeof(p->script_name)},
        {"folder", p->folder, sizeof(p->folder)},
        {"stem", p->stem, sizeof(p->stem)},
        {"metric", p->metric, sizeof(p->metric)},
        {"checkpoint", p->checkpoint, sizeof(p->checkpoint)},
        {"sha256", p->sha256, sizeof(p->sha256)},
        {"inherit", p->inherit, sizeof(p->inherit)},
        {"inherit_sha256", p->inherit_sha256, sizeof(p->inherit_sha256)},
        {"weights", p->weights, sizeof(p->weights)},
        {"weights_sha256", p->weights_sha256, sizeof(p->weights_sha256)},
    };
    for (size_t i = 0; i < RLT_COUNT(texts); i++) {
        RLT_TRY(rlt_msg_get_str(msg, texts[i].key, texts[i].text, texts[i].size, err));
    }
    RLT_TRY(rlt_msg_get_u64(msg, "save_first", &p->save_first, err));
    RLT_TRY(rlt_run_config_parse(p->config_json, &p->config, err));
    return rlt_env_source_open(&p->config, p->script, p->script_name, p->args->envs, &p->env, err);
}

static rlt_status join(learner_process *p, rlt_err *err) {
    rlt_keys keys;
    RLT_TRY(rlt_keys_from_env(&keys, err));
    rlt_channel_options options = {
        .endpoint = p->args->endpoint, .name = p->args->name, .keys = &keys};
    rlt_status status = rlt_channel_connect(&p->channel, &options, err);
    rlt_keys_wipe(&keys);
    RLT_TRY(status);
    begin(p, RLT_MSG_HELLO);
    RLT_TRY(say(p, err));
    rlt_packet packet;
    RLT_TRY(await(p, RLT_MSG_TASK, &packet, TASK_TIMEOUT_MS, err));
    return read_task(p, packet.msg, err);
}

static int64_t after(int64_t steps, int64_t every) {
    return every > 0 ? (steps / every + 1) * every : INT64_MAX;
}

static int64_t report_every(const rlt_run_config *config) {
    int64_t every =
        config->report_every > 0 ? config->report_every : config->stop.steps / REPORTS_PER_RUN;
    return every > 0 ? every : 1;
}

static rlt_train_origin origin_of(const learner_process *p) {
    return (rlt_train_origin){p->checkpoint, p->sha256, p->weights, p->weights_sha256};
}

/* Its own checkpoint, or before there is one its parent's weights. */
static rlt_status load(learner_process *p, rlt_err *err) {
    rlt_trainer *trainer = p->learning.trainer;
    p->loading = true;
    if (p->checkpoint[0] != '\0') {
        const rlt_train_origin origin = origin_of(p);
        RLT_TRY(rlt_train_load(trainer, p->learning.source, &origin, err));
    } else if (p->inherit[0] != '\0') {
        size_t copied;
        RLT_TRY(rlt_train_inherit(trainer, p->inherit, p->inherit_sha256, &copied, err));
    }
    p->loading = false;
    return p->only_measure == 0 || p->inherit[0] != '\0'
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTFOUND, "the shared weights to measure with are gone");
}

static bool is_supernet(const learner_process *p) {
    return p->space[0] != '\0';
}

static rlt_status set_up(learner_process *p, rlt_err *err) {
    const rlt_run_config *c = &p->config;
    if (c->learners > 1) {
        rlt_peers_task task = {.config = c,
                               .config_json = p->config_json,
                               .script = p->script,
                               .script_name = p->script_name,
                               .origin = origin_of(p),
                               .inherit = p->inherit,
                               .inherit_sha256 = p->inherit_sha256,
                               .idle = idle,
                               .idle_user = p};
        RLT_TRY(rlt_peers_start(&task, &p->peers, err));
    }
    rlt_learning_options options = {.config = c,
                                    .def = p->env.def,
                                    .config_json = p->config_json,
                                    .script = p->script,
                                    .script_name = p->script_name,
                                    .idle = idle,
                                    .idle_user = p,
                                    .group = p->peers != NULL ? rlt_peers_group(p->peers) : NULL,
                                    .space = is_supernet(p) ? p->space : NULL};
    RLT_TRY(rlt_learning_open(&options, &p->learning, err));
    RLT_TRY(load(p, err));
    p->stats = *rlt_trainer_stats(p->learning.trainer);
    p->saved_steps = p->checkpoint[0] != '\0' ? p->stats.steps : -1;
    snprintf(p->saved_path, sizeof(p->saved_path), "%s", p->checkpoint);
    p->eval_steps = -1;
    p->figures = (rlt_train_figures){NAN, NAN, false};
    p->next_report = after(p->stats.steps, report_every(c));
    p->next_eval = after(p->stats.steps, c->eval.every);
    p->next_checkpoint = after(p->stats.steps, c->checkpoint.every);
    p->started = p->report_clock = rlt_clock_s();
    p->report_steps = p->stats.steps;
    return RLT_OK;
}

/* ---- measuring and reporting ---- */

static rlt_status evaluate(learner_process *p, rlt_err *err) {
    if (p->eval_steps == p->stats.steps || is_supernet(p)) {
        return RLT_OK;
    }
    uint64_t version;
    rlt_weights_view weights = rlt_trainer_weights(p->learning.trainer, &version);
    RLT_TRY(rlt_evaluate(&p->config, p->env.def, &weights, (int)p->config.eval.episodes,
                         (uint64_t)p->config.seed + eval_seed_offset, &p->eval, NULL, err));
    p->eval_steps = p->stats.steps;
    return RLT_OK;
}

/* All series of this moment; returns their number. */
static int metrics_now(const learner_process *p, rlt_series out[RLT_SERIES_MAX]) {
    const rlt_train_stats *s = &p->stats;
    double seconds = rlt_clock_s() - p->report_clock;
    bool moved = s->steps > p->report_steps && seconds > 0;
    return rlt_series_now(s, &p->figures, p->eval_steps == s->steps ? &p->eval : NULL,
                          moved ? (double)(s->steps - p->report_steps) / seconds : NAN, out);
}

static bool needs_evaluation(const learner_process *p) {
    return strncmp(p->metric, "eval_", 5) == 0;
}

/* Whether there is a value of the tuned metric at this moment, be it not a number. */
static bool is_measured(const learner_process *p, double value) {
    if (needs_evaluation(p)) {
        return p->eval_steps == p->stats.steps;
    }
    return strncmp(p->metric, "mean_", 5) == 0 ? p->stats.episodes > 0 : !isnan(value);
}

/* One row of series; milestone > 0: a decision is asked for. */
static rlt_status report(learner_process *p, int64_t milestone, rlt_err *err) {
    rlt_series metrics[RLT_SERIES_MAX];
    double values[RLT_SERIES_MAX];
    char names[RLT_SERIES_MAX * 24] = "";
    RLT_TRY(rlt_trainer_measure(p->learning.trainer, &p->figures, err));
    int count = metrics_now(p, metrics);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        values[i] = metrics[i].value;
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i > 0 ? "," : "",
                               metrics[i].name);
    }
    begin(p, RLT_MSG_METRICS);
    rlt_msg_put_i64(&p->writer, "step", p->stats.steps);
    rlt_msg_put_str(&p->writer, "names", names);
    rlt_msg_put_f64s(&p->writer, "values", values, (size_t)count);
    double value = rlt_series_find(metrics, count, p->metric);
    rlt_msg_put_f64(&p->writer, "value", value);
    rlt_msg_put_u64(&p->writer, "missing", !is_measured(p, value));
    rlt_msg_put_i64(&p->writer, "milestone", milestone);
    rlt_msg_put_f64(&p->writer, "ran_s", rlt_due_ran_s(&p->due));
    p->report_clock = rlt_clock_s();
    p->report_steps = p->stats.steps;
    return say(p, err);
}

static rlt_status save(learner_process *p, rlt_err *err) {
    if (p->saved_steps == p->stats.steps) {
        return RLT_OK;
    }
    char path[700], sha256[RLT_SHA256_HEX];
    int64_t size = 0;
    int length = snprintf(path, sizeof(path), "%s/%s-s%lld.safetensors", p->folder, p->stem,
                          (long long)p->stats.steps);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return rlt_fail(err, RLT_EINVAL, "%s: the path is too long", p->folder);
    }
    RLT_TRY(rlt_train_save(p->learning.trainer, p->learning.source, path, p->config_json, sha256,
                           &size, err));
    p->saved_steps = p->stats.steps;
    memcpy(p->saved_path, path, sizeof(path));
    begin(p, RLT_MSG_CHECKPOINT);
    rlt_msg_put_i64(&p->writer, "step", p->stats.steps);
    rlt_msg_put_str(&p->writer, "path", path);
    rlt_msg_put_str(&p->writer, "sha256", sha256);
    rlt_msg_put_i64(&p->writer, "size", size);
    return say(p, err);
}

/* At a milestone the driver answers whether the trial goes on, and until when. */
static rlt_status ask_driver(learner_process *p, rlt_err *err) {
    if (needs_evaluation(p)) {
        RLT_TRY(evaluate(p, err));
    }
    if (p->save_first) {
        RLT_TRY(save(p, err));
    }
    RLT_TRY(report(p, rlt_due_milestone(&p->due, p->stats.steps), err));
    rlt_packet packet;
    char action[16];
    RLT_TRY(await(p, RLT_MSG_DECISION, &packet, ACK_TIMEOUT_MS, err));
    RLT_TRY(rlt_msg_get_str(packet.msg, "action", action, sizeof(action), err));
    RLT_TRY(rlt_due_read_decision(&p->due, packet.msg, err));
    p->ended = strcmp(action, "stop") == 0;
    p->paused = strcmp(action, "pause") == 0;
    if (p->ended) {
        p->reason = "stopper";
    }
    return RLT_OK;
}

/* ---- training ---- */

static bool goal_reached(learner_process *p) {
    const rlt_run_config *c = &p->config;
    if (!isnan(c->stop.mean_return) && p->stats.episodes >= 100 &&
        p->stats.mean_return >= c->stop.mean_return) {
        p->reason = "stop.mean_return reached";
        return true;
    }
    if (rlt_due_ran_s(&p->due) >= p->due.ends_at_s) {
        p->reason = p->due.ends_why;
        return true;
    }
    if (c->stop.wall_s > 0 && rlt_clock_s() - p->started >= c->stop.wall_s) {
        p->reason = "stop.wall_s passed";
        return true;
    }
    return false;
}

/* At least one iteration; none that would pass stop.steps. */
static bool steps_left(const learner_process *p) {
    return p->stats.steps == 0 ||
           p->stats.steps + rlt_trainer_rows(p->learning.trainer) <= p->config.stop.steps;
}

static rlt_status after_iteration(learner_process *p, rlt_err *err) {
    int64_t steps = p->stats.steps;
    if (steps >= p->next_eval) {
        RLT_TRY(evaluate(p, err));
        p->next_eval = after(steps, p->config.eval.every);
    }
    if (rlt_due_asks(&p->due, steps)) {
        RLT_TRY(ask_driver(p, err));
        p->next_report = after(steps, report_every(&p->config));
    } else if (steps >= p->next_report || p->eval_steps == steps) {
        RLT_TRY(report(p, 0, err));
        p->next_report = after(steps, report_every(&p->config));
    }
    if (steps >= p->next_checkpoint) {
        RLT_TRY(save(p, err));
        p->next_checkpoint = after(steps, p->config.checkpoint.every);
    }
    return idle(p, err);
}

/* What went wrong, and where to go on from. */
static rlt_status diverged(const learner_process *p, rlt_err *err) {
    rlt_err why = *err;
    if (p->saved_steps < 0) {
        return rlt_fail(err, RLT_EDIVERGED,
                        "%s; there is no checkpoint before it (checkpoint.every)", why.message);
    }
    return rlt_fail(err, RLT_EDIVERGED, "%s; the newest checkpoint is that of step %lld, %s",
                    why.message, (long long)p->saved_steps, p->saved_path);
}

static rlt_status iterate(learner_process *p, rlt_err *err) {
    rlt_status status = rlt_learning_iterate(&p->learning, &p->stats, err);
    p->figures = (rlt_train_figures){NAN, NAN, false};
    return status == RLT_EDIVERGED ? diverged(p, err) : status;
}

static rlt_status train(learner_process *p, rlt_err *err) {
    if (p->only_measure != 0) {
        p->reason = "measured with shared weights";
        return RLT_OK;
    }
    p->reason = "stop.steps reached";
    if (p->stats.steps > 0 &&
        rlt_due_asks(&p->due, p->stats.steps)) { /* it was killed before it could */
        RLT_TRY(ask_driver(p, err));
    }
    while (steps_left(p) && !p->stop && !p->ended && !p->paused && !goal_reached(p)) {
        RLT_TRY(iterate(p, err));
        RLT_TRY(after_iteration(p, err));
    }
    return RLT_OK;
}

/* Stopped early by request or by the stopper, or told to pause: a checkpoint to go on from, and no
 * result that an uninterrupted run, or one that paused first, would not have. Otherwise the final
 * evaluation too. */
static rlt_status finish(learner_process *p, rlt_err *err) {
    bool trains = p->only_measure == 0;
    bool paused = (p->stop || p->paused) && !p->ended && trains && steps_left(p);
    bool whole = !paused && !p->ended;
    if (whole) {
        RLT_TRY(evaluate(p, err));
        RLT_TRY(report(p, 0, err));
    }
    if (trains) {
        RLT_TRY(save(p, err));
    }
    rlt_series metrics[RLT_SERIES_MAX];
    int count = paused ? 0 : metrics_now(p, metrics);
    begin(p, RLT_MSG_DONE);
    rlt_msg_put_str(&p->writer, "state", paused ? "paused" : p->ended ? "stopped" : "completed");
    rlt_msg_put_str(&p->writer, "reason",
                    paused ? (p->paused ? "stopper" : "stop requested") : p->reason);
    rlt_msg_put_i64(&p->writer, "step", p->stats.steps);
    rlt_msg_put_f64(&p->writer, "value", rlt_series_find(metrics, count, p->metric));
    bool evaluated = whole && p->eval_steps == p->stats.steps;
    rlt_msg_put_f64(&p->writer, "eval_mean", evaluated ? p->eval.mean : NAN);
    rlt_msg_put_f64(&p->writer, "eval_std", evaluated ? p->eval.std : NAN);
    return say(p, err);
}

static rlt_status await_leave(learner_process *p, rlt_err *err) {
    rlt_packet packet;
    return await(p, RLT_MSG_DONE, &packet, ACK_TIMEOUT_MS, err);
}

/* The cause reaches the driver's rows; infrastructure errors let it try again. */
static void say_failed(learner_process *p, const rlt_err *why) {
    rlt_err ignored;
    begin(p, RLT_MSG_FAILED);
    rlt_msg_put_u64(&p->writer, "status", why->code);
    rlt_msg_put_str(&p->writer, "message", why->message);
    rlt_msg_put_u64(&p->writer, "loading", p->loading);
    rlt_msg_put_i64(&p->writer, "step", p->stats.steps);
    if (say(p, &ignored) == RLT_OK) {
        await_leave(p, &ignored);
    }
}

rlt_status rlt_learner_run(const rlt_learner_args *args, rlt_err *err) {
    learner_process *p = rlt_alloc(sizeof(*p));
    p->args = args;
    rlt_status status;
    rlt_log(RLT_LOG_DEBUG, "learner.started", "clock %.6f", rlt_clock_s());
    RLT_TRY_GOTO(join(p, err), done);
    rlt_log(RLT_LOG_DEBUG, "learner.has_task", "clock %.6f", rlt_clock_s());
    RLT_TRY_GOTO(set_up(p, err), done);
    rlt_log(RLT_LOG_DEBUG, "learner.ready", "clock %.6f", rlt_clock_s());
    RLT_TRY_GOTO(train(p, err), done);
    RLT_TRY_GOTO(finish(p, err), done);
    if (p->peers != NULL) {
        RLT_TRY_GOTO(rlt_source_group_end(p->learning.source, err), done);
    }
    status = await_leave(p, err);
done:
    if (status != RLT_OK && p->channel != NULL) {
        say_failed(p, err);
    }
    rlt_learning_close(&p->learning);
    rlt_peers_end(&p->peers);
    rlt_env_source_close(&p->env);
    rlt_channel_close(p->channel, status == RLT_OK ? 0 : LAST_WORDS_MS);
    rlt_msg_writer_fini(&p->writer);
    rlt_free(p->config_json);
    rlt_free(p->script);
    rlt_free(p->space);
    rlt_free(p);
    return status;
}
