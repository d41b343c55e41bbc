/* exchange: what other tools know, in and out: an Optuna study in its SQLite file becomes an
 * experiment and back, a Katib Experiment (YAML) becomes a configuration script.
 * Why a list of notes beside every result: nothing is left out silently.
 * Everything read here is foreign: sizes, depths, types and counts are checked, never asserted.
 * Thread: any, no state. Owner: the caller. */
#ifndef RLT_EXCHANGE_H
#define RLT_EXCHANGE_H
#include "core/core.h"
#include "store/store.h"

#include <jansson.h>

/* What could not be taken over, or means something else afterwards; in the order of lines. */
enum { RLT_NOTES_MAX = 200 };
typedef struct rlt_note {
    int line; /* of the file; 0: none */
    char text[400];
} rlt_note;
typedef struct rlt_notes {
    rlt_note *items;
    int count;
    int64_t dropped; /* beyond RLT_NOTES_MAX */
} rlt_notes;
void rlt_notes_add(rlt_notes *notes, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Each as "PREFIX[FILE:LINE: ]TEXT\n". */
void rlt_notes_write(rlt_notes *notes, const char *file, const char *prefix, rlt_buf *out);
void rlt_notes_fini(rlt_notes *notes);

/* ---- Optuna ---- */

/* Reads one study of the RDB storage's SQLite file `path` (Optuna 2.4 to 5.0; never written to) and
 * writes it as a completed experiment, all or nothing. study NULL: the only one there is. Trials
 * keep their numbers and times:
 *   COMPLETE completed, PRUNED stopped, FAIL failed, RUNNING failed, WAITING stopped (its fixed
 *   values become tune.points).
 * Refused, with place and remedy: no such file or study (RLT_ENOTFOUND), no SQLite or no study in
 * it, a row of a wrong type (RLT_ECORRUPT), an older or newer schema (RLT_ENOTSUP), more objectives
 * or constraints than an experiment can have (RLT_ELIMIT). `lua` (may be NULL): a script with the
 * study's search space, to go on with. */
rlt_status rlt_optuna_import(const char *path, const char *study, rlt_store *store,
                             int64_t *experiment, rlt_notes *notes, rlt_buf *lua, rlt_err *err);
/* Writes the search trials of an experiment as a study into a new file, whole or not at all, as
 * Optuna 5.0.0 does (4.x reads it, too). study NULL: the experiment's name. Live trials are RUNNING
 * while `alive` (their driver runs), else WAITING. Refused: a file that exists (RLT_EINVAL), an
 * experiment without an objective (RLT_ENOTSUP). */
rlt_status rlt_optuna_export(rlt_store *store, int64_t experiment, bool alive, const char *path,
                             const char *study, rlt_notes *notes, rlt_err *err);

/* ---- Katib ---- */

enum { RLT_KATIB_SIZE_MAX = 1 << 20 }; /* bytes of a file */
/* An Experiment (kubeflow.org/v1beta1) as a script that `rltune run` takes. `file` is for
 * messages. RLT_ECONFIG: "file:line: what is wrong"; RLT_ENOTSUP: what has no counterpart at all
 * (architecture search, several Experiments in a file). */
rlt_status rlt_katib_convert(const char *text, size_t size, const char *file, rlt_notes *notes,
                             rlt_buf *lua, rlt_err *err);

/* ---- scripts ---- */

/* An experiment's table as a Lua script: `head` (may be NULL) as comments, then "return {...}".
 * {"$space"} objects become calls of space. Keys keep their order. */
void rlt_lua_write(const json_t *config, const char *head, rlt_buf *out);
#endif
