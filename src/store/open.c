/* store: opening, checking and migrating a file. A file is changed only once it is known to be
 * empty or ours. A reader creates nothing: a database that nobody has open (no FILE-wal) is read
 * with SQLite's `immutable`, and opened again when FILE-wal appears.
 * The path is opened by SQLite alone: closing any other descriptor of the file would drop the POSIX
 * locks that SQLite holds on it in this process.
 * Thread: the caller's. Owner: the caller owns the store. */
#include "store/store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Queries from outside may read and compute, nothing else. */
static int authorise(void *user, int action, const char *a, const char *b, const char *c,
                     const char *d) {
    (void)a, (void)b, (void)c, (void)d;
    const rlt_store *store = user;
    bool reads = action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION ||
                 action == SQLITE_RECURSIVE;
    return !store->in_query || reads ? SQLITE_OK : SQLITE_DENY;
}

static rlt_status pragma(rlt_store *store, const char *sql, const char *action, rlt_err *err) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? RLT_OK
               : store_fail(store, action, err);
}

static rlt_status read_int(rlt_store *store, const char *sql, int64_t *value, rlt_err *err) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "read its header", err);
    }
    rlt_status status = store_row(store, stmt, value, 1, "read its header", err);
    sqlite3_finalize(stmt);
    return status;
}

static rlt_status fail_version(rlt_store *store, int64_t version, int newest, rlt_err *err) {
    return rlt_fail(err, RLT_ENOTSUP,
                    "%s: has schema version %lld, this rltune knows versions up to %d; it was left "
                    "as it is. Use the rltune that wrote it, or a newer one",
                    store->shown, (long long)version, newest);
}

/* *version: 0 for a file without content. */
static rlt_status check_ours(rlt_store *store, int64_t *version, rlt_err *err) {
    int newest;
    store_migrations(&newest);
    int64_t application = 0, objects = 0;
    RLT_TRY(read_int(store, "PRAGMA application_id", &application, err));
    RLT_TRY(read_int(store, "PRAGMA user_version", version, err));
    RLT_TRY(read_int(store, "SELECT count(*) FROM sqlite_schema", &objects, err));
    if (application == 0 && *version == 0 && objects == 0) {
        return store->writable
                   ? RLT_OK
                   : rlt_fail(err, RLT_ENOTFOUND,
                              "%s: holds nothing yet, as a run leaves it that was killed while it "
                              "began; `rltune run` with this --db begins again",
                              store->shown);
    }
    if (application != STORE_APPLICATION_ID) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: is an SQLite database, but not one of rltune (application_id %lld); "
                        "it was left as it is. Name another file with --db",
                        store->shown, (long long)application);
    }
    if (*version < 1 || *version > newest) {
        return fail_version(store, *version, newest, err);
    }
    return RLT_OK;
}

/* The same from one snapshot: another process may be creating the tables right now. */
static rlt_status check_snapshot(rlt_store *store, int64_t *version, rlt_err *err) {
    RLT_TRY(pragma(store, "BEGIN", "begin a transaction", err));
    rlt_status status = check_ours(store, version, err);
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static rlt_status create_views(rlt_store *store, const char *kind, rlt_err *err) {
    for (const store_view *view = store_views; view->name != NULL; view++) {
        rlt_buf sql = {0};
        rlt_buf_printf(&sql, "CREATE %s %s AS %s", kind, view->name, view->query);
        rlt_status status = pragma(store, sql.data, "create the views", err);
        rlt_buf_fini(&sql);
        RLT_TRY(status);
    }
    return RLT_OK;
}

static rlt_status drop_views(rlt_store *store, rlt_err *err) {
    for (const store_view *view = store_views; view->name != NULL; view++) {
        char sql[96];
        snprintf(sql, sizeof sql, "DROP VIEW IF EXISTS %s", view->name);
        RLT_TRY(pragma(store, sql, "create the views", err));
    }
    return RLT_OK;
}

static rlt_status apply(rlt_store *store, int from, int to, const char *const *migrations,
                        rlt_err *err) {
    char text[96];
    RLT_TRY(drop_views(store, err)); /* SQLite checks them when tables change */
    for (int i = from; i < to; i++) {
        RLT_TRY(pragma(store, migrations[i], "create the tables", err));
    }
    RLT_TRY(create_views(store, "VIEW", err));
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             STORE_APPLICATION_ID, to);
    return pragma(store, text, "write the schema version", err);
}

/* One transaction for all that is missing; a second process waits for it and finds nothing left. */
static rlt_status migrate(rlt_store *store, rlt_err *err) {
    int newest;
    const char *const *migrations = store_migrations(&newest);
    RLT_TRY(pragma(store, "BEGIN IMMEDIATE", "begin a transaction", err));
    int64_t version = 0;
    rlt_status status = check_ours(store, &version, err);
    if (status == RLT_OK && version < newest) {
        status = apply(store, (int)version, newest, migrations, err);
    }
    if (status == RLT_OK) {
        status = pragma(store, "COMMIT", "create the tables", err);
    }
    if (!sqlite3_get_autocommit(store->db)) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

/* The switch to WAL needs the file alone for a moment, and its lock does not use the busy timeout
 * in every state; so it is tried again until that time is over. */
static rlt_status enter_wal(rlt_store *store, rlt_err *err) {
    uint64_t end = rlt_clock_ns() + (uint64_t)STORE_BUSY_MS * 1000000;
    int code;
    while ((code = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) !=
           SQLITE_OK) {
        if ((code & 0xff) != SQLITE_BUSY || rlt_clock_ns() > end) {
            return store_fail(store, "turn on its write-ahead log", err);
        }
        usleep(5000);
    }
    return RLT_OK;
}

/* A file may be hostile: no triggers, no attached files, no length without bound. Its schema may
 * call SQLite's own functions only, as none is added (json_valid in our checks needs a trusted
 * schema in SQLite 3.40). */
static rlt_status set_limits(rlt_store *store, rlt_err *err) {
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, STORE_ROW_MAX);
    sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    sqlite3_set_authorizer(store->db, authorise, store);
    /* json_each and json_tree are declared with their first use, which no query may do */
    return pragma(store,
                  "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON; "
                  "PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY; "
                  "SELECT 1 FROM json_each('[]'), json_tree('[]')",
                  "set it up", err);
}

static rlt_status set_up_writer(rlt_store *store, rlt_err *err) {
    int newest;
    int64_t version = 0;
    store_migrations(&newest);
    RLT_TRY(check_snapshot(store, &version, err));
    if (sqlite3_db_readonly(store->db, "main") == 1) {
        return rlt_fail(err, RLT_EIO,
                        "%s: the file cannot be written (its permissions, or a read-only disk); "
                        "name another file with --db or make it writable",
                        store->shown);
    }
    /* a new file's first page goes through SQLite's rollback journal, flushed: power may go */
    RLT_TRY(pragma(store, "PRAGMA synchronous = FULL", "set it up", err));
    RLT_TRY(enter_wal(store, err));
    if (version < newest) {
        RLT_TRY(migrate(store, err));
    }
    return pragma(store,
                  "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000; "
                  "PRAGMA journal_size_limit = 67108864",
                  "set it up", err);
}

/* Tables that version `before` has added; without rows. */
static const struct {
    int before;
    const char *sql;
} missing[] = {
    {3, "CREATE TEMP VIEW constraints AS SELECT 0 AS experiment, 0 AS position, '' AS metric "
        "WHERE 0;"
        "CREATE TEMP VIEW trial_values AS SELECT 0 AS trial, 0 AS position, 0.0 AS value WHERE 0;"
        "CREATE TEMP VIEW trial_constraints AS SELECT 0 AS trial, 0 AS position, 0.0 AS value "
        "WHERE 0"},
    {4, "CREATE TEMP VIEW trials AS SELECT *, CASE role WHEN 'search' THEN number END AS "
        "configuration, 0 AS replicate, NULL AS parent FROM main.trials;"
        "CREATE TEMP VIEW exploits AS SELECT 0 AS decision, 0 AS trial, 0 AS step, 0 AS source, "
        "0 AS source_step, '' AS params_json WHERE 0;"
        "CREATE TEMP VIEW queue AS SELECT 0 AS id, 0 AS experiment, '' AS params_json, "
        "'' AS origin, 0 AS created_ms, 0 AS trial WHERE 0"},
};

/* An older file, which a reader leaves as it is, looks to it as if it were migrated. */
static rlt_status set_up_reader(rlt_store *store, rlt_err *err) {
    int newest;
    int64_t version = 0;
    store_migrations(&newest);
    RLT_TRY(check_snapshot(store, &version, err));
    for (size_t i = 0; i < RLT_COUNT(missing); i++) {
        if (version < missing[i].before) {
            RLT_TRY(pragma(store, missing[i].sql, "read an older version", err));
        }
    }
    return version < newest ? create_views(store, "TEMP VIEW", err) : RLT_OK;
}

/* "file:" URI of the path, everything but letters, digits and -._/ escaped. */
static void write_uri(const rlt_store *store, rlt_buf *uri) {
    rlt_buf_printf(uri, "file:");
    for (const char *at = store->path; *at != 0; at++) {
        unsigned char c = (unsigned char)*at;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._/", c) != NULL;
        rlt_buf_printf(uri, plain ? "%c" : "%%%02x", c);
    }
    rlt_buf_printf(uri, "%s", store->immutable ? "?immutable=1" : "");
}

static rlt_status connect(rlt_store *store, rlt_err *err) {
    store->immutable = !store->writable && !store_has_log(store);
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE |
        (store->writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    rlt_buf uri = {0};
    write_uri(store, &uri);
    int code = sqlite3_open_v2(uri.data, &store->db, flags, NULL);
    rlt_buf_fini(&uri);
    RLT_ASSERT(store->db != NULL);
    if (code != SQLITE_OK) {
        return store_fail(store, "open it", err);
    }
    RLT_TRY(set_limits(store, err));
    return store->writable ? set_up_writer(store, err) : set_up_reader(store, err);
}

static void disconnect(rlt_store *store) {
    for (int i = 0; i < STMT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    int code = sqlite3_close(store->db);
    RLT_ASSERT(code == SQLITE_OK);
    store->db = NULL;
}

rlt_status store_refresh(rlt_store *store, rlt_err *err) {
    if (!store->immutable || store->visits > 0 || !store_has_log(store)) {
        return RLT_OK;
    }
    disconnect(store);
    return connect(store, err);
}

static rlt_status check_path(const char *path, rlt_store_mode mode, rlt_err *err) {
    if (path == NULL || path[0] == 0 || strlen(path) > PATH_MAX - 16) {
        return rlt_fail(err, RLT_EINVAL, "the path of the database is empty or too long");
    }
    struct stat info;
    if (stat(path, &info) == 0) {
        return S_ISREG(info.st_mode)
                   ? RLT_OK
                   : rlt_fail(err, RLT_EIO, "%s: is not a regular file; name another with --db",
                              path);
    }
    if (errno != ENOENT) {
        return rlt_fail(err, RLT_EIO, "%s: could not look at it: %s", path, strerror(errno));
    }
    return mode == RLT_STORE_WRITE
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTFOUND,
                          "%s: there is no database; `rltune run` creates one, --db names another",
                          path);
}

rlt_status rlt_store_open(const char *path, rlt_store_mode mode, rlt_store **store, rlt_err *err) {
    *store = NULL;
    RLT_TRY(check_path(path, mode, err));
    rlt_store *made = rlt_alloc(sizeof *made);
    size_t length = strlen(path), room = sizeof made->shown - 1;
    snprintf(made->path, sizeof made->path, "%s", path);
    snprintf(made->shown, sizeof made->shown, "%s", length > room ? path + length - room : path);
    made->writable = mode == RLT_STORE_WRITE;
    made->lock_fd = -1;
    rlt_status status = connect(made, err);
    if (status != RLT_OK) {
        rlt_store_close(&made);
        return status;
    }
    *store = made;
    return RLT_OK;
}

void rlt_store_close(rlt_store **store) {
    rlt_store *made = *store;
    if (made == NULL) {
        return;
    }
    RLT_ASSERT(made->visits == 0);
    disconnect(made); /* rolls back what is open */
    if (made->lock_fd >= 0) {
        close(made->lock_fd);
    }
    rlt_free(made);
    *store = NULL;
}
