/* store, private: the connection, its open transaction, cached statements and owned experiments.
 * Thread: the one that the store belongs to. */
#ifndef RLT_STORE_IMPL_H
#define RLT_STORE_IMPL_H
#include "store/store.h"

#include <limits.h>
#include <sqlite3.h>

enum {
    STORE_APPLICATION_ID = 0x726c746e, /* "rltn", in the header of every rltune database */
    STORE_BUSY_MS = 5000,
    STORE_OWNED_MAX = 64,  /* experiments that one store may drive at once */
    STORE_NAMES_MAX = 256, /* interned metric names remembered; more are looked up */
    STORE_TRIALS_CACHED = 256,
    STORE_NAME_MAX = 127,
    STORE_REASON_MAX = 255,
    STORE_PATH_MAX = 511,
    STORE_TEXT_MAX = 4096,
    STORE_JSON_MAX = 4 << 20,     /* configs, scripts, facts, parameters */
    STORE_NUMBERS_MAX = 64 << 10, /* what led to a decision */
    STORE_ROW_MAX = 16 << 20
};

/* ---- schema.c, views.c ---- */
const char *const *store_migrations(int *count); /* the tables, version by version */
typedef struct store_view {
    const char *name, *query; /* an older file's view of that name is replaced */
} store_view;
extern const store_view store_views[]; /* in their newest form; up to a name NULL */

/* Every statement that is prepared once and kept: X(name, SQL), in statements.def. */
typedef enum {
#define X(name, sql) STMT_##name,
#include "store/statements.def"
#undef X
    STMT_COUNT
} store_stmt_id;

typedef enum {
    TX_NONE,
    TX_GROUP, /* between begin and commit, nothing written yet: no lock is held */
    TX_OPEN,  /* SQLite's transaction is open */
    TX_LOST   /* it was rolled back by an error; only rollback or a failing commit lead out */
} store_tx;

typedef struct store_owned {
    int64_t experiment, epoch;
    int64_t committed; /* the epoch that a rollback leads back to; 0: none, not owned then */
} store_owned;

struct rlt_store {
    sqlite3 *db;
    char path[PATH_MAX];
    char shown[160]; /* the path, or its tail, for messages */
    bool writable;
    bool immutable;   /* opened without WAL files, as nobody had it open */
    bool in_query;    /* a statement that came from outside is being prepared */
    int64_t clock_ms; /* what rows say as their time; 0: now */
    bool broken;      /* a flush failed: what is on the disk is unknown until it is opened again */
    int visits;       /* visiting functions now running */
    store_tx tx;
    bool group;     /* begin was called */
    bool important; /* the open transaction holds more than metric points */
    int lock_fd;    /* FILE-lock, or -1 */
    store_owned owned[STORE_OWNED_MAX];
    int owned_count;
    struct {
        int64_t trial, experiment;
    } trials[STORE_TRIALS_CACHED]; /* by trial % STORE_TRIALS_CACHED */
    struct {
        char name[STORE_NAME_MAX + 1];
        int64_t id;
    } names[STORE_NAMES_MAX];
    int name_count, name_last; /* name_last: where the last search ended */
    sqlite3_stmt *statements[STMT_COUNT];
};

/* ---- error.c ---- */
/* The status and message of SQLite's last error; `action` completes "could not ...". */
rlt_status store_fail(rlt_store *store, const char *action, rlt_err *err);
/* Whether FILE-wal or FILE-journal exists: somebody has the database open, or did not close it. */
bool store_has_log(const rlt_store *store);
/* RLT_ELIMIT if the text is longer than `max` bytes; RLT_EINVAL if it is NULL or empty. */
rlt_status store_check_text(const char *what, const char *text, size_t max, rlt_err *err);
rlt_status store_check_size(const char *what, const char *text, size_t max,
                            rlt_err *err); /* NULL is fine */

/* ---- open.c ---- */
/* Before a read: a reader that opened a file at rest sees the driver that has come since. */
rlt_status store_refresh(rlt_store *store, rlt_err *err);

/* ---- transaction.c ---- */
/* A write is: store_enter, statements, store_leave(status). enter opens the transaction when there
 * is none and checks the fence of every owned experiment; leave commits (or rolls back) when the
 * call is not part of a group. important: more than metric points. */
rlt_status store_enter(rlt_store *store, bool important, rlt_err *err);
rlt_status store_leave(rlt_store *store, rlt_status status, rlt_err *err);
/* For a write of several statements that failed after its first: nothing of the group is kept. */
rlt_status store_abandon(rlt_store *store, rlt_status status);
rlt_status store_stmt(rlt_store *store, store_stmt_id id, sqlite3_stmt **stmt, rlt_err *err);
/* Steps once, reading up to `count` integer columns of the row if there is one; then resets.
 * RLT_ENOTFOUND (err untouched): there was no row. */
rlt_status store_row(rlt_store *store, sqlite3_stmt *stmt, int64_t *values, int count,
                     const char *action, rlt_err *err);
/* The time that rows get. */
int64_t store_now(const rlt_store *store);
/* Steps a statement that gives no rows. */
rlt_status store_run(rlt_store *store, sqlite3_stmt *stmt, const char *action, rlt_err *err);
/* Bind the parameter `at` (from 1); text is borrowed until the statement has run. */
void store_bind_int(sqlite3_stmt *stmt, int at, int64_t value);
void store_bind_real(sqlite3_stmt *stmt, int at, double value);     /* NAN becomes NULL */
void store_bind_text(sqlite3_stmt *stmt, int at, const char *text); /* NULL becomes '' */
/* At most `max` bytes of the text, cut before a character that would not fit. */
void store_bind_cut(sqlite3_stmt *stmt, int at, const char *text, size_t max);
/* Columns of a row; never NULL, whatever the file says. */
void store_column_copy(sqlite3_stmt *stmt, int at, char *out, size_t size);
char *store_column_dup(sqlite3_stmt *stmt, int at);   /* release by rlt_free */
double store_column_real(sqlite3_stmt *stmt, int at); /* NULL becomes NAN */

/* ---- owner.c ---- */
/* RLT_ESTALE unless this store drives the experiment. */
rlt_status store_check_owner(rlt_store *store, int64_t experiment, rlt_err *err);
/* The same for the experiment of a trial; RLT_ENOTFOUND: no such trial. */
rlt_status store_check_trial(rlt_store *store, int64_t trial, rlt_err *err);
/* Takes the experiment's byte of FILE-lock; RLT_EBUSY (err untouched): somebody holds it. */
rlt_status store_lock(rlt_store *store, int64_t experiment, rlt_err *err);
void store_unlock(rlt_store *store, int64_t experiment);
void store_owned_add(rlt_store *store, int64_t experiment, int64_t epoch);
/* RLT_ESTALE if another driver has taken an owned experiment; part of store_enter. */
rlt_status store_check_fence(rlt_store *store, rlt_err *err);
void store_owned_commit(rlt_store *store);
void store_owned_rollback(rlt_store *store);
#endif
