/* A disk that lies in wait: an SQLite VFS between the store and the real files.
 * Power loss: at a random write or flush everything stops; of what was not flushed a random part of
 * the 512-byte sectors reaches the disk. Every acknowledged group with a decision must be there, as
 * must be all before it; groups of metric points alone may be lost, newest first (I1).
 * Failures: the n-th write or flush fails once, for every n of a workload. */
#include "tests/fault/store_fixture.h"

enum { FILES = 8, PENDING_MAX = 4096, SECTOR = 512, LOSSES = 60 };

typedef struct image {
    char path[192];
    unsigned char *durable; /* the content at the last flush */
    size_t size;
    bool flushed; /* at least once: its name is durable too */
    struct {
        sqlite3_int64 at;
        int size;
    } pending[PENDING_MAX]; /* writes since the last flush */
    int pending_count;
} image;

typedef struct disk_file {
    sqlite3_file base;
    image *image; /* NULL: a file that is not watched */
} disk_file;      /* the real sqlite3_file follows */

static struct {
    sqlite3_vfs *real;
    image images[FILES];
    int64_t countdown; /* of writes and flushes; the one that reaches 0 fails; < 0: never */
    bool power_loss;   /* from then on all fail */
    bool dead;
} disk;

static sqlite3_file *real_of(sqlite3_file *file) {
    return (sqlite3_file *)((disk_file *)file + 1);
}

static bool fails(void) {
    if (disk.dead) {
        return true;
    }
    if (disk.countdown < 0 || disk.countdown-- > 0) {
        return false;
    }
    disk.dead = disk.power_loss;
    return true;
}

static int disk_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at) {
    image *im = ((disk_file *)file)->image;
    if (im != NULL) {
        if (fails()) {
            return disk.dead ? SQLITE_IOERR_WRITE : SQLITE_FULL;
        }
        RLT_ASSERT(im->pending_count < PENDING_MAX);
        im->pending[im->pending_count].at = at;
        im->pending[im->pending_count++].size = size;
    }
    return real_of(file)->pMethods->xWrite(real_of(file), data, size, at);
}

static int disk_sync(sqlite3_file *file, int flags) {
    (void)flags; /* the real flush is left out: only the test's disk can lose anything */
    image *im = ((disk_file *)file)->image;
    if (im == NULL) {
        return SQLITE_OK;
    }
    if (fails()) {
        return SQLITE_IOERR_FSYNC;
    }
    sqlite3_int64 size = 0;
    real_of(file)->pMethods->xFileSize(real_of(file), &size);
    im->durable = realloc(im->durable, (size_t)size + 1);
    im->size = (size_t)size;
    im->pending_count = 0;
    im->flushed = true;
    return size == 0 ? SQLITE_OK
                     : real_of(file)->pMethods->xRead(real_of(file), im->durable, (int)size, 0);
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return disk.dead ? SQLITE_IOERR_TRUNCATE
                     : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int disk_close(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int disk_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at) {
    return real_of(file)->pMethods->xRead(real_of(file), data, size, at);
}

static int disk_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int disk_lock(sqlite3_file *file, int kind) {
    return real_of(file)->pMethods->xLock(real_of(file), kind);
}

static int disk_unlock(sqlite3_file *file, int kind) {
    return real_of(file)->pMethods->xUnlock(real_of(file), kind);
}

static int disk_is_locked(sqlite3_file *file, int *out) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int disk_control(sqlite3_file *file, int what, void *arg) {
    return real_of(file)->pMethods->xFileControl(real_of(file), what, arg);
}

static int disk_sector(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int disk_traits(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int disk_shm_map(sqlite3_file *file, int at, int size, int extend, void volatile **out) {
    return real_of(file)->pMethods->xShmMap(real_of(file), at, size, extend, out);
}

static int disk_shm_lock(sqlite3_file *file, int at, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), at, count, flags);
}

static void disk_shm_barrier(sqlite3_file *file) {
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int disk_shm_unmap(sqlite3_file *file, int remove) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods disk_methods = {
    2,           disk_close,   disk_read,     disk_write,       disk_truncate,  disk_sync,
    disk_size,   disk_lock,    disk_unlock,   disk_is_locked,   disk_control,   disk_sector,
    disk_traits, disk_shm_map, disk_shm_lock, disk_shm_barrier, disk_shm_unmap, NULL,
    NULL};

static image *find_image(const char *path) {
    for (int i = 0; i < FILES; i++) {
        image *im = &disk.images[i];
        if (im->path[0] == 0) {
            snprintf(im->path, sizeof im->path, "%s", path);
        }
        if (strcmp(im->path, path) == 0) {
            return im;
        }
    }
    RLT_ASSERT(false);
}

static void forget(image *im) {
    free(im->durable);
    *im = (image){0};
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    (void)vfs;
    disk_file *made = (disk_file *)file;
    int code =
        disk.dead ? SQLITE_CANTOPEN : disk.real->xOpen(disk.real, path, real_of(file), flags, out);
    made->base.pMethods = code == SQLITE_OK ? &disk_methods : NULL;
    made->image = code == SQLITE_OK && path != NULL ? find_image(path) : NULL;
    return code;
}

/* The removal of a file is durable at once: the harder case for a journal that was needed. */
static int disk_delete(sqlite3_vfs *vfs, const char *path, int flush) {
    (void)vfs;
    if (fails()) {
        return SQLITE_IOERR_DELETE;
    }
    find_image(path)->flushed = false;
    find_image(path)->size = 0;
    find_image(path)->pending_count = 0;
    return disk.real->xDelete(disk.real, path, flush);
}

static void install(bool power_loss, int64_t countdown) {
    static sqlite3_vfs vfs;
    if (disk.real == NULL) {
        disk.real = sqlite3_vfs_find(NULL);
        vfs = *disk.real;
        vfs.zName = "rlt_disk";
        vfs.szOsFile += (int)sizeof(disk_file);
        vfs.xOpen = disk_open;
        vfs.xDelete = disk_delete;
    }
    for (int i = 0; i < FILES; i++) {
        forget(&disk.images[i]);
    }
    disk.power_loss = power_loss;
    disk.countdown = countdown;
    disk.dead = false;
    sqlite3_vfs_register(&vfs, 1);
}

static void uninstall(void) {
    sqlite3_vfs_register(disk.real, 1);
}

/* Sectors of unflushed writes that got through, from what the process had written. */
static void add_survivors(const image *im, const char *now, size_t now_size, char *out,
                          size_t *out_size, rlt_rng *rng) {
    for (int i = 0; i < im->pending_count; i++) {
        size_t at = (size_t)im->pending[i].at, end = at + (size_t)im->pending[i].size;
        for (; at < end && at < now_size; at += SECTOR - at % SECTOR) {
            size_t part = SECTOR - at % SECTOR;
            part = at + part > end ? end - at : part;
            if (at + part <= now_size && rlt_rng_below(rng, 3) != 0) {
                memcpy(out + at, now + at, part);
                *out_size = at + part > *out_size ? at + part : *out_size;
            }
        }
    }
}

/* Leaves on the real disk what the power loss left. */
static void lose_power(rlt_rng *rng) {
    for (int i = 0; i < FILES && disk.images[i].path[0] != 0; i++) {
        image *im = &disk.images[i];
        char *now = NULL;
        size_t now_size = 0, size = im->size;
        if (access(im->path, F_OK) == 0) {
            OK(rlt_file_read(im->path, 1 << 26, &now, &now_size, &err));
        }
        char *left = calloc(1, size + now_size + 1);
        if (size > 0) {
            memcpy(left, im->durable, size);
        }
        add_survivors(im, now, now_size, left, &size, rng);
        unlink(im->path);
        if (im->flushed || (now != NULL && rlt_rng_below(rng, 2) == 0)) {
            FILE *file = fopen(im->path, "wb");
            assert_non_null(file);
            assert_int_equal(fwrite(left, 1, size, file), size);
            fclose(file);
        }
        free(left);
        rlt_free(now);
    }
}

typedef struct history {
    int64_t groups;    /* acknowledged */
    int64_t important; /* the newest acknowledged one that holds a decision, plus one */
} history;

static rlt_status write_group(rlt_store *store, int64_t trial, int64_t group, bool important,
                              rlt_err *err) {
    RLT_TRY(rlt_store_begin(store, err));
    rlt_status status = RLT_OK;
    for (int i = 0; status == RLT_OK && i < 20; i++) {
        status = rlt_store_metric(store, trial, group * 20 + i, "loss", (double)group, err);
    }
    if (status == RLT_OK && important) {
        status = rlt_store_decision(store, trial, group, "a", "continue", "{}", "", err);
    }
    rlt_status committed = rlt_store_commit(store, status == RLT_OK ? err : NULL);
    return status != RLT_OK ? status : committed;
}

static rlt_status open_and_own(const place *at, rlt_store **store, int64_t *trial, rlt_err *err) {
    int64_t epoch;
    RLT_TRY(rlt_store_open(at->path, RLT_STORE_WRITE, store, err));
    if (*trial != 0) {
        return rlt_store_experiment_own(*store, 1, &epoch, err);
    }
    rlt_experiment_row row = {.name = "disk", .metric = "loss"};
    rlt_trial_row first = {.role = "search"};
    RLT_TRY(rlt_store_experiment_create(*store, &row, &first.experiment, err));
    return rlt_store_trial_create(*store, &first, trial, err);
}

/* Groups until `groups` are done or something fails; reopens now and then. */
static rlt_status workload(const place *at, int64_t groups, rlt_rng *rng, history *h,
                           rlt_err *err) {
    rlt_store *store = NULL;
    int64_t trial = 0;
    rlt_status status = open_and_own(at, &store, &trial, err);
    while (status == RLT_OK && h->groups < groups) {
        bool important = rlt_rng_below(rng, 2) == 0;
        status = write_group(store, trial, h->groups, important, err);
        if (status == RLT_OK) {
            h->groups++;
            h->important = important ? h->groups : h->important;
        }
        if (status == RLT_OK && rlt_rng_below(rng, 10) == 0) {
            rlt_store_close(&store);
            status = open_and_own(at, &store, &trial, err);
        }
    }
    rlt_store_close(&store);
    return status;
}

/* Sound, whole groups, without a gap, at least `least` of them and at most `most`. */
static void check_left(const place *at, int64_t least, int64_t most) {
    uninstall();
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    OK(rlt_store_check(store, &err));
    int64_t points = atoll(ask(store, "SELECT count(*) FROM metrics"));
    assert_int_equal(points % 20, 0);
    assert_true(points / 20 >= least && points / 20 <= most);
    assert_string_equal(ask(store,
                            "SELECT coalesce(max(step) + 1, 0) = count(*) AND total(value <> "
                            "step / 20) = 0 FROM metrics"),
                        "1");
    rlt_store_close(&store);
}

static void test_power_loss(void **state) {
    const place *at = *state;
    rlt_rng rng = test_rng();
    int losses = 0;
    int64_t lost = 0, kept = 0;
    for (int i = 0; i < LOSSES; i++) {
        history h = {0};
        rlt_err err = {0};
        install(true, rlt_rng_below(&rng, 600));
        rlt_status status = workload(at, 60, &rng, &h, &err);
        losses += status != RLT_OK;
        lose_power(&rng);
        check_left(at, h.important, h.groups + 1);
        rlt_store *store = open_store(at, RLT_STORE_READ);
        int64_t left = atoll(ask(store, "SELECT count(*) / 20 FROM metrics"));
        lost += h.groups > left ? h.groups - left : 0;
        kept += left;
        rlt_store_close(&store);
        clear_folder(at->folder);
    }
    printf("%d power losses: %lld groups kept, %lld of metric points alone lost\n", losses,
           (long long)kept, (long long)lost);
    assert_true(losses > LOSSES / 3 && kept > LOSSES);
}

static void test_every_write_and_flush_fails_once(void **state) {
    const place *at = *state;
    rlt_rng rng = test_rng();
    for (int64_t n = 0;; n++) {
        history h = {0};
        rlt_err err = {0};
        install(false, n);
        rlt_rng same = rng;
        rlt_status status = workload(at, 12, &same, &h, &err);
        bool happened = disk.countdown < 0;
        if (status != RLT_OK) {
            assert_true(status == RLT_EFULL || status == RLT_EIO);
            assert_non_null(strstr(err.message, at->path));
        }
        check_left(at, h.groups, h.groups + 1);
        clear_folder(at->folder);
        if (!happened) {
            assert_int_equal(status, RLT_OK);
            printf("%lld writes and flushes failed in turn\n", (long long)n);
            assert_true(n > 50);
            break;
        }
    }
    for (int i = 0; i < FILES; i++) {
        forget(&disk.images[i]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_power_loss),
        TEST(test_every_write_and_flush_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
