/* exchange: the SQLite file of an Optuna study: opening and checked columns.
 * Why every column's type is looked at: SQLite keeps what it is given, whatever the schema says.
 * Sources: optuna/storages/_rdb/models.py of Optuna 2.4, 4.x and 5.0.0.
 * Thread: the caller's. Owner: the caller closes. */
#include "exchange/exchange_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static rlt_status fail_sql(const optuna_db *db, const char *action, rlt_err *err) {
    int code = sqlite3_errcode(db->db) & 0xff;
    bool foreign = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
    if (code == SQLITE_NOTADB) {
        return rlt_fail(
            err, RLT_ECORRUPT,
            "%s: is no SQLite database. A study in a journal file or on a server can be "
            "copied into one: optuna.copy_study(from_study_name=NAME, "
            "from_storage=STORAGE, to_storage='sqlite:///study.db')",
            db->path);
    }
    return rlt_fail(err,
                    foreign               ? RLT_ECORRUPT
                    : code == SQLITE_BUSY ? RLT_EBUSY
                                          : RLT_EIO,
                    "%s: could not %s: %s", db->path, action, sqlite3_errmsg(db->db));
}

rlt_status optuna_prepare(const optuna_db *db, const char *sql, sqlite3_stmt **stmt, rlt_err *err) {
    return sqlite3_prepare_v2(db->db, sql, -1, stmt, NULL) == SQLITE_OK
               ? RLT_OK
               : fail_sql(db, "read the study's tables", err);
}

rlt_status optuna_step(const optuna_db *db, sqlite3_stmt *stmt, bool *row, rlt_err *err) {
    int code = sqlite3_step(stmt);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? RLT_OK : fail_sql(db, "read the study", err);
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF; no zero bytes either. */
static bool is_utf8(const unsigned char *text, int size) {
    for (int i = 0; i < size;) {
        unsigned char c = text[i];
        int more = c < 0x80                ? 0
                   : c >= 0xc2 && c < 0xe0 ? 1
                   : c >= 0xe0 && c < 0xf0 ? 2
                   : c >= 0xf0 && c < 0xf5 ? 3
                                           : -1;
        if (c == 0 || more < 0 || i + more >= size) {
            return false;
        }
        for (int k = 1; k <= more; k++) {
            if ((text[i + k] & 0xc0) != 0x80) {
                return false;
            }
        }
        unsigned char next = more > 0 ? text[i + 1] : 0;
        if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) ||
            (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

rlt_status optuna_text(const optuna_db *db, sqlite3_stmt *stmt, int column, const char *what,
                       const char **text, rlt_err *err) {
    int type = sqlite3_column_type(stmt, column);
    *text = "";
    if (type == SQLITE_NULL) {
        return RLT_OK;
    }
    const unsigned char *found = type == SQLITE_TEXT ? sqlite3_column_text(stmt, column) : NULL;
    if (found == NULL || !is_utf8(found, sqlite3_column_bytes(stmt, column))) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: %s holds something that is no text", db->path,
                        what);
    }
    *text = (const char *)found;
    return RLT_OK;
}

rlt_status optuna_integer(const optuna_db *db, sqlite3_stmt *stmt, int column, const char *what,
                          int64_t low, int64_t *value, rlt_err *err) {
    *value = sqlite3_column_int64(stmt, column);
    return sqlite3_column_type(stmt, column) == SQLITE_INTEGER && *value >= low
               ? RLT_OK
               : rlt_fail(err, RLT_ECORRUPT, "%s: %s: an integer of at least %lld is expected",
                          db->path, what, (long long)low);
}

rlt_status optuna_real(const optuna_db *db, sqlite3_stmt *stmt, int column, const char *what,
                       bool typed, double *value, rlt_err *err) {
    static const char *const types[] = {"FINITE", "INF_POS", "INF_NEG", "NAN"};
    const double stands_for[] = {0, INFINITY, -INFINITY, NAN};
    int type = sqlite3_column_type(stmt, column);
    bool number = type == SQLITE_FLOAT || type == SQLITE_INTEGER;
    *value = number ? sqlite3_column_double(stmt, column) : NAN;
    if (!typed) {
        return number || type == SQLITE_NULL
                   ? RLT_OK
                   : rlt_fail(err, RLT_ECORRUPT, "%s: %s is no number", db->path, what);
    }
    const char *name;
    RLT_TRY(optuna_text(db, stmt, column + 1, what, &name, err));
    for (size_t i = 0; i < RLT_COUNT(types); i++) {
        if (strcmp(name, types[i]) == 0 && (i > 0 || number)) {
            *value = i > 0 ? stands_for[i] : *value;
            return RLT_OK;
        }
    }
    return rlt_fail(err, RLT_ECORRUPT,
                    "%s: %s is %s of type '%.20s'; a number of type FINITE, or INF_POS, INF_NEG, "
                    "NAN are expected",
                    db->path, what, number ? "a number" : "nothing", name);
}

/* ---- opening ---- */

static bool has_column(const optuna_db *db, const char *table, const char *column) {
    return sqlite3_table_column_metadata(db->db, NULL, table, column, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

static rlt_status check_tables(const optuna_db *db, rlt_err *err) {
    static const char *const needed[][2] = {{"studies", "study_name"},
                                            {"study_directions", "objective"},
                                            {"trials", "number"},
                                            {"trial_params", "distribution_json"},
                                            {"trial_values", "objective"},
                                            {"trial_intermediate_values", "intermediate_value"},
                                            {"trial_user_attributes", "value_json"},
                                            {"trial_system_attributes", "value_json"},
                                            {"study_user_attributes", "value_json"},
                                            {"study_system_attributes", "value_json"},
                                            {"version_info", "schema_version"}};
    bool any = has_column(db, "studies", "study_name");
    for (size_t i = 0; i < RLT_COUNT(needed); i++) {
        if (has_column(db, needed[i][0], needed[i][1])) {
            continue;
        }
        if (any) {
            return rlt_fail(err, RLT_ENOTSUP,
                            "%s: has no %s.%s: a study of an Optuna before 2.4, or a damaged one; "
                            "bring it up to date with: optuna storage upgrade --storage "
                            "sqlite:///%s",
                            db->path, needed[i][0], needed[i][1], db->path);
        }
        bool ours = has_column(db, "experiments", "config_json");
        return rlt_fail(err, RLT_ECORRUPT, "%s: holds no Optuna study (no table 'studies')%s",
                        db->path,
                        ours ? "; it is a database of rltune, which needs no import: --db" : "");
    }
    return RLT_OK;
}

static rlt_status check_version(const optuna_db *db, rlt_err *err) {
    sqlite3_stmt *stmt;
    bool row;
    int64_t version = 0;
    RLT_TRY(optuna_prepare(db, "SELECT schema_version FROM version_info", &stmt, err));
    rlt_status status = optuna_step(db, stmt, &row, err);
    if (status == RLT_OK && row) {
        version = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    RLT_TRY(status);
    return version <= OPTUNA_SCHEMA_VERSION
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTSUP,
                          "%s: schema %lld of Optuna is newer than what is known here (%d, of "
                          "Optuna 5.0.0)",
                          db->path, (long long)version, OPTUNA_SCHEMA_VERSION);
}

static rlt_status prepare_file(optuna_db *db, rlt_err *err) {
    if (sqlite3_open_v2(db->path, &db->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        return rlt_fail(err, RLT_EIO, "%s: could not open: %s", db->path,
                        db->db != NULL ? sqlite3_errmsg(db->db) : "no memory");
    }
    enum { BUSY_MS = 5000 };
    sqlite3_busy_timeout(db->db, BUSY_MS);
    sqlite3_limit(db->db, SQLITE_LIMIT_LENGTH, OPTUNA_TEXT_MAX);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    /* one state of the study, however long the reading takes */
    if (sqlite3_exec(db->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) !=
        SQLITE_OK) {
        return fail_sql(db, "open the study", err);
    }
    RLT_TRY(check_tables(db, err));
    RLT_TRY(check_version(db, err));
    db->has_value_type = has_column(db, "trial_values", "value_type");
    db->has_intermediate_type =
        has_column(db, "trial_intermediate_values", "intermediate_value_type");
    return RLT_OK;
}

rlt_status optuna_open(const char *path, optuna_db *db, rlt_err *err) {
    *db = (optuna_db){.path = path};
    if (access(path, F_OK) != 0) {
        return rlt_fail(err, errno == ENOENT ? RLT_ENOTFOUND : RLT_EIO,
                        "%s: %s; give the file of a study, which Optuna calls sqlite:///FILE", path,
                        strerror(errno));
    }
    rlt_status status = prepare_file(db, err);
    if (status != RLT_OK) {
        optuna_close(db);
    }
    return status;
}

void optuna_close(optuna_db *db) {
    sqlite3_close(db->db);
    db->db = NULL;
}
