/* driver: what a driver and a process that has joined tell each other about programs, as JSON: how
 * one is to be started, and how it has ended. Both ends are here, so that they agree.
 * Thread: any. Owner: the caller. */
#include "driver/wire.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- a start ---- */

static json_t *texts_json(char *const *texts) {
    json_t *list = json_array();
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        json_array_append_new(list, json_string(texts[i]));
    }
    return list;
}

json_t *rlt_task_json(const rlt_command_options *o) {
    return json_pack("{s:o, s:o, s:s?, s:s?, s:I, s:b, s:b, s:b, s:s?, s:s?, s:I, s:f, s:f}",
                     "argv", texts_json(o->argv), "env", texts_json(o->environment), "folder",
                     o->folder, "log", o->log_path, "log_max", (json_int_t)o->log_max, "hold_log",
                     (int)o->hold_log, "json", (int)o->json, "socket", (int)o->socket,
                     "tensorboard", o->tensorboard, "task", o->task, "steps", (json_int_t)o->steps,
                     "grace_s", o->grace_s, "silence_s", o->silence_s);
}

static void read_texts(const json_t *list, rlt_texts *texts) {
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)list, i, text) {
        const char *value = json_string_value(text);
        rlt_texts_add(texts, strdup(value != NULL ? value : ""));
    }
}

static const char *text_of(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}

rlt_status rlt_task_read(const json_t *json, rlt_task *task, rlt_err *err) {
    *task = (rlt_task){0};
    read_texts(json_object_get(json, "argv"), &task->argv);
    read_texts(json_object_get(json, "env"), &task->environment);
    task->options = (rlt_command_options){
        .argv = task->argv.items,
        .environment = task->environment.items,
        .folder = text_of(json, "folder"),
        .log_path = text_of(json, "log"),
        .log_max = json_integer_value(json_object_get(json, "log_max")),
        .hold_log = json_is_true(json_object_get(json, "hold_log")),
        .json = json_is_true(json_object_get(json, "json")),
        .socket = json_is_true(json_object_get(json, "socket")),
        .tensorboard = text_of(json, "tensorboard"),
        .task = text_of(json, "task"),
        .steps = json_integer_value(json_object_get(json, "steps")),
        .grace_s = json_number_value(json_object_get(json, "grace_s")),
        .silence_s = json_number_value(json_object_get(json, "silence_s")),
    };
    return task->argv.count > 0
               ? RLT_OK
               : rlt_fail(err, RLT_EPROTO, "the driver's answer names no program to start");
}

void rlt_task_fini(rlt_task *task) {
    rlt_texts_fini(&task->argv);
    rlt_texts_fini(&task->environment);
}

/* ---- an end ---- */

/* Lines of it, with '?' for what is no text. */
static json_t *clean_text(const char *text) {
    rlt_buf clean = {0};
    rlt_buf_printf(&clean, "%s", "");
    while (text != NULL && *text != 0) {
        size_t size = strcspn(text, "\n");
        char *line = strndup(text, size);
        rlt_buf_text(&clean, line, INT_MAX, RLT_TEXT_UTF8);
        free(line);
        rlt_buf_append(&clean, "\n", text[size] == '\n');
        text += size + (text[size] == '\n');
    }
    json_t *json = json_string(clean.data);
    rlt_buf_fini(&clean);
    return json;
}

void rlt_end_put(json_t *request, const rlt_command_end *end) {
    json_t *more =
        json_pack("{s:s, s:i, s:i, s:b, s:b, s:b, s:o, s:o, s:o}", "how", end->how, "code",
                  end->code, "signal", end->signal, "stopped", (int)end->stopped, "silent",
                  (int)end->silent, "logged", (int)end->logged, "tail", clean_text(end->tail),
                  "names", clean_text(end->names), "trouble", clean_text(end->trouble));
    if (end->error != NULL) {
        json_object_set_new(more, "error", clean_text(end->error));
    }
    json_object_update_new(request, more);
}

static const char *text_or_none(const json_t *json, const char *name) {
    const char *text = text_of(json, name);
    return text != NULL ? text : "";
}

rlt_command_end rlt_end_read(const json_t *request) {
    return (rlt_command_end){
        .how = text_or_none(request, "how"),
        .code = (int)json_integer_value(json_object_get(request, "code")),
        .signal = (int)json_integer_value(json_object_get(request, "signal")),
        .stopped = json_is_true(json_object_get(request, "stopped")),
        .silent = json_is_true(json_object_get(request, "silent")),
        .logged = json_is_true(json_object_get(request, "logged")),
        .error = text_of(request, "error"),
        .tail = text_or_none(request, "tail"),
        .names = text_or_none(request, "names"),
        .trouble = text_or_none(request, "trouble"),
    };
}
