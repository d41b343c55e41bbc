/* render: episodes of a trained policy, or of random actions, to look at. Thread: main only; a
 * signal handler notes the wish to stop. */
#include "cli/frames.h"
#include "cli/model.h"
#include "envs/envs.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

const rlt_cli_option rlt_cli_render_options[] = {
    {"--out", "FILE", "write FILE.gif (an animation) or FILE.png (a picture) instead of playing"},
    {"--episodes", "N", "episodes one after the other (default 1)"},
    {"--seed", "N", "of the environments (default 1)"},
    {"--steps", "N", "cut each episode after N steps"},
    {"--fps", "N", "steps a second (default: those of the real thing)"},
    {"--width", "PIXELS", "of a frame of the file (default: what suits the environment)"},
    {"--frames", "N",
     "PNG: this many moments, equally spaced, in one picture (default 1: the end)"},
    {"--random", NULL, "random actions: MODEL is the name of an environment"},
    RLT_CLI_JSON_OPTION,
    RLT_CLI_DB_OPTION,
    {0},
};

enum { EPISODES_MAX = 1000, FRAMES_MAX = 64, WIDTH_MAX = 1024, FPS_MAX = 1000 };

typedef enum { TO_SCREEN, TO_GIF, TO_PNG } target;

typedef struct rendering {
    rlt_cli_args args;
    target target;
    const char *out;
    int64_t episodes, seed, steps, fps, width, moments;
    rlt_model model; /* {0} with random actions */
    const rlt_env_def *def;
    const rlt_env_renderer *renderer;
    rlt_episode *recorded; /* [episodes] */
} rendering;

static volatile sig_atomic_t stop_request;

static void on_signal(int number) {
    stop_request = number;
}

static rlt_status read_target(rendering *r, rlt_err *err) {
    r->out = rlt_cli_value(&r->args, "--out");
    if (r->out == NULL) {
        return RLT_OK;
    }
    const char *dot = strrchr(r->out, '.');
    bool gif = dot != NULL && strcasecmp(dot, ".gif") == 0;
    bool png = dot != NULL && strcasecmp(dot, ".png") == 0;
    if (!gif && !png) {
        return rlt_fail(err, RLT_EINVAL,
                        "rltune render: --out is '%.200s'; allowed: a file name that ends in .gif "
                        "(animation) or .png (picture)",
                        r->out);
    }
    r->target = gif ? TO_GIF : TO_PNG;
    return RLT_OK;
}

static rlt_status read_options(rendering *r, rlt_err *err) {
    r->episodes = r->seed = r->moments = 1;
    const struct {
        const char *name;
        int64_t low, high, *value;
    } options[] = {
        {"--episodes", 1, EPISODES_MAX, &r->episodes}, {"--seed", 0, INT64_MAX, &r->seed},
        {"--steps", 1, INT32_MAX, &r->steps},          {"--fps", 1, FPS_MAX, &r->fps},
        {"--width", 16, WIDTH_MAX, &r->width},         {"--frames", 1, FRAMES_MAX, &r->moments},
    };
    for (size_t i = 0; i < RLT_COUNT(options); i++) {
        RLT_TRY(rlt_cli_option_integer(&r->args, options[i].name, options[i].low, options[i].high,
                                       options[i].value, err));
    }
    return read_target(r, err);
}

static rlt_status open_subject(rendering *r, rlt_err *err) {
    if (rlt_cli_flag(&r->args, "--random")) {
        RLT_TRY(rlt_env_find(rlt_envs, r->args.words[0], &r->def, err));
    } else {
        RLT_TRY(rlt_model_open(r->args.words[0], &r->args, &r->model, err));
        r->def = r->model.env.def;
    }
    RLT_TRY(rlt_env_renderer_of(r->def, &r->renderer, err));
    r->fps = r->fps > 0 ? r->fps : r->renderer->fps;
    r->width = r->width > 0 ? r->width : r->renderer->width;
    return RLT_OK;
}

static rlt_status record(rendering *r, rlt_err *err) {
    bool random = rlt_cli_flag(&r->args, "--random");
    r->recorded = rlt_alloc(sizeof(*r->recorded) * (size_t)r->episodes);
    for (int64_t i = 0; i < r->episodes; i++) {
        RLT_TRY(rlt_episode_record(random ? NULL : &r->model.config, r->def,
                                   random ? NULL : &r->model.weights, (uint64_t)r->seed,
                                   (uint32_t)i, r->steps, &r->recorded[i], err));
    }
    return RLT_OK;
}

static void print_file_json(const rendering *r, int64_t frames) {
    json_t *returns = json_array();
    for (int64_t i = 0; i < r->episodes; i++) {
        json_array_append_new(returns, json_real(r->recorded[i].total));
    }
    json_t *json = json_pack("{s:s, s:s*, s:I, s:o}", "env", r->def->name, "file", r->out, "frames",
                             (json_int_t)frames, "returns", returns);
    json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(json);
}

static rlt_status show(const rendering *r, rlt_err *err) {
    rlt_frames frames = {
        .renderer = r->renderer,
        .episodes = r->recorded,
        .episode_count = (int)r->episodes,
        .fps = (int)r->fps,
        .width = (int)r->width,
        .moments = (int)r->moments,
    };
    rlt_screen screen = rlt_screen_of_stdout();
    int64_t count = 0;
    if (r->target != TO_SCREEN) {
        RLT_TRY(r->target == TO_GIF ? rlt_frames_gif(&frames, r->out, &count, err)
                                    : rlt_frames_png(&frames, r->out, &count, err));
    }
    if (rlt_cli_flag(&r->args, "--json")) {
        print_file_json(r, count);
    } else if (r->target != TO_SCREEN) {
        printf("%s: %lld frame%s of %s\n", r->out, (long long)count, count == 1 ? "" : "s",
               r->def->name);
    } else if (rlt_screen_can_move()) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        rlt_frames_play(&frames, &screen, &stop_request);
    } else {
        rlt_frames_print_end(&frames, &screen);
    }
    return stop_request == 0 ? RLT_OK : rlt_fail(err, RLT_EINTERRUPTED, "interrupted");
}

rlt_status rlt_cli_render(int argc, char **argv, rlt_err *err) {
    rendering r = {0};
    RLT_TRY(rlt_cli_parse("render", 1, 1, argc, argv, &r.args, err));
    rlt_status status = read_options(&r, err);
    if (status == RLT_OK) {
        status = open_subject(&r, err);
    }
    if (status == RLT_OK) {
        status = record(&r, err);
    }
    if (status == RLT_OK) {
        status = show(&r, err);
    }
    for (int64_t i = 0; r.recorded != NULL && i < r.episodes; i++) {
        rlt_episode_fini(&r.recorded[i]);
    }
    rlt_free(r.recorded);
    rlt_model_close(&r.model);
    return status;
}
