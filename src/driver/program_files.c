/* driver: the files of programs: where they are, and what remains when a trial has ended: the
 * output that objective.keep_logs asks for, what the program has put into its checkpoint folder,
 * and of a failed one its parameters. Why: ten thousand short trials would leave ten thousand
 * folders. Thread: the driver's. Owner: the driver. */
#include "driver/programs.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

rlt_status rlt_driver_program_paths(const rlt_driver *d, int64_t trial, rlt_program_paths *paths,
                                    rlt_err *err) {
    int length = snprintf(paths->folder, sizeof paths->folder, "%s/e%lld-t%lld", d->programs_folder,
                          (long long)d->experiment, (long long)trial);
    if (length < 0 || (size_t)length >= sizeof paths->folder) {
        return rlt_fail(err, RLT_EINVAL, "%.100s…: the path is too long", d->programs_folder);
    }
    snprintf(paths->log, sizeof paths->log, "%s/log", paths->folder);
    snprintf(paths->params, sizeof paths->params, "%s/params.json", paths->folder);
    snprintf(paths->checkpoint, sizeof paths->checkpoint, "%s/checkpoint", paths->folder);
    return RLT_OK;
}

static void remove_log(const rlt_program_paths *paths) {
    char old[PATH_MAX + 24];
    snprintf(old, sizeof old, "%s.1", paths->log);
    unlink(paths->log);
    unlink(old);
    rmdir(paths->folder); /* where nothing else is in it */
}

/* The best one so far that has ended well; with several objectives nobody is. */
static bool is_best(const rlt_driver *d, const rlt_driver_entry *t, rlt_trial_state to) {
    bool single = d->config.tune.objectives.count == 1 && !t->final;
    return single && to == RLT_TRIAL_COMPLETED && !isnan(t->last) &&
           (isnan(d->kept_value) ||
            (d->config.tune.maximise ? t->last > d->kept_value : t->last < d->kept_value));
}

void rlt_driver_note_log(rlt_driver *d, const rlt_driver_entry *t) {
    if (is_best(d, t, t->state)) {
        d->kept_log = t->id;
        d->kept_value = t->last;
    }
}

/* Whether its output stays. The best one's takes the place of that of the best one before. */
static bool keeps_log(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to) {
    rlt_program_paths before;
    int64_t old = d->kept_log;
    if (to == RLT_TRIAL_FAILED || d->config.run.objective.keep_logs != RLT_KEEP_FAILED) {
        return true;
    }
    if (!is_best(d, t, to)) {
        return false;
    }
    d->kept_log = t->id;
    d->kept_value = t->last;
    if (old != 0 && rlt_driver_program_paths(d, old, &before, NULL) == RLT_OK) {
        remove_log(&before);
    }
    return true;
}

void rlt_driver_clean_program(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to) {
    const rlt_objective_fields *fields = &d->config.run.objective;
    rlt_program_paths paths;
    bool keeps = keeps_log(d, t, to);
    t->program.keeps_log =
        keeps && (to == RLT_TRIAL_FAILED || fields->keep_logs == RLT_KEEP_FAILED);
    if (t->program.keeps_log) {
        rlt_command_keep_log(d->host, rlt_driver_key(t));
    }
    if (!t->program.files || rlt_driver_program_paths(d, t->id, &paths, NULL) != RLT_OK) {
        return;
    }
    if (fields->params_file && to != RLT_TRIAL_FAILED) {
        unlink(paths.params);
    }
    if (d->copies) {
        rlt_driver_use_folder(&paths, 0);
    }
    if (fields->checkpoint) {
        rmdir(paths.checkpoint);
    }
    if (keeps) {
        rmdir(paths.folder);
    } else {
        remove_log(&paths);
    }
}
