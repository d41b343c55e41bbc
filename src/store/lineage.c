/* store: where a trial's weights come from: back through its exploits, then told from the start.
 * Thread: the store's. Owner: nothing is kept. */
#include "store/store_impl.h"

enum { PARTS_MAX = 100000 };

typedef struct lineage {
    rlt_lineage_part *parts; /* newest first; their texts are owned */
    int count, capacity;
} lineage;

static rlt_lineage_part *add_part(lineage *all) {
    if (all->count == all->capacity) {
        int capacity = 2 * all->capacity + 16;
        rlt_lineage_part *parts = rlt_alloc(sizeof *parts * (size_t)capacity);
        for (int i = 0; i < all->count; i++) {
            parts[i] = all->parts[i];
        }
        rlt_free(all->parts);
        all->parts = parts;
        all->capacity = capacity;
    }
    return &all->parts[all->count++];
}

/* The part that ends at *end steps of *trial, as far as decisions before *before know; then the
 * trial, step and decision that it started from. *before 0: from scratch. */
static rlt_status read_part(rlt_store *store, int64_t *trial, int64_t *end, int64_t *before,
                            lineage *all, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_LINEAGE, &stmt, err));
    store_bind_int(stmt, 1, *trial);
    store_bind_int(stmt, 2, *end);
    store_bind_int(stmt, 3, *before);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        int64_t steps = sqlite3_column_int64(stmt, 5);
        rlt_lineage_part *part = add_part(all);
        *part = (rlt_lineage_part){.number = sqlite3_column_int64(stmt, 0),
                                   .from = sqlite3_column_int64(stmt, 1),
                                   .to = *end < steps ? *end : steps,
                                   .params_json = store_column_dup(stmt, 6)};
        *trial = sqlite3_column_int64(stmt, 2);
        *end = sqlite3_column_int64(stmt, 3);
        *before = sqlite3_column_int64(stmt, 4);
    }
    sqlite3_reset(stmt);
    if (code == SQLITE_DONE) {
        return rlt_fail(err, RLT_ENOTFOUND, "%s: there is no trial %lld", store->shown,
                        (long long)*trial);
    }
    return code == SQLITE_ROW ? RLT_OK : store_fail(store, "read what a trial has copied", err);
}

/* Parts in which nothing was trained are left out, but for the last one. */
static rlt_status tell(const lineage *all, rlt_lineage_visit visit, void *user, rlt_err *err) {
    int64_t at = 0;
    for (int i = all->count - 1; i >= 0; i--) {
        rlt_lineage_part part = all->parts[i];
        part.at = at;
        at += part.to > part.from ? part.to - part.from : 0;
        if (part.to > part.from || i == 0) {
            RLT_TRY(visit(user, &part, err));
        }
    }
    return RLT_OK;
}

rlt_status rlt_store_lineage(rlt_store *store, int64_t trial, rlt_lineage_visit visit, void *user,
                             rlt_err *err) {
    lineage all = {0};
    int64_t end = INT64_MAX, before = INT64_MAX;
    RLT_TRY(store_refresh(store, err));
    rlt_status status;
    do {
        status = read_part(store, &trial, &end, &before, &all, err);
    } while (status == RLT_OK && before > 0 && all.count < PARTS_MAX);
    if (status == RLT_OK) {
        status = tell(&all, visit, user, err);
    }
    for (int i = 0; i < all.count; i++) {
        rlt_free((void *)all.parts[i].params_json);
    }
    rlt_free(all.parts);
    return status;
}
