/* measure: what the machine itself can do: arithmetic, memory, disk. Thread: the caller's. */
#include "measure/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHAINS_F32 = 12, LANES_F32 = 16, CHAINS_F64 = 16, LANES_F64 = 8, ROUNDS = 5 };
typedef float lanes_f32 __attribute__((vector_size(LANES_F32 * sizeof(float))));
typedef double lanes_f64 __attribute__((vector_size(LANES_F64 * sizeof(double))));

double rlt_figure_percent(const rlt_figure *f) {
    return 100 * (f->less ? f->limit / f->value : f->value / f->limit);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double rlt_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof(double), by_value);
    return values[count / 2];
}

double rlt_thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- multiply-adds ---- */

static const int64_t rounds_f32 = 5000000, rounds_f64 = 4000000;

__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) static void
chains_f32(void *user, int index) {
    (void)user;
    (void)index;
    lanes_f32 sums[CHAINS_F32] = {0}, a, b;
    for (int i = 0; i < LANES_F32; i++) {
        a[i] = 0.999f;
        b[i] = 0.001f * (float)i;
    }
    volatile float seed = 1; /* chains that differ, in a way the compiler can't see through */
    for (int c = 0; c < CHAINS_F32; c++) {
        sums[c] += seed * (float)c;
    }
    for (int64_t r = 0; r < rounds_f32; r++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS_F32; c++) {
            sums[c] = sums[c] * a + b;
        }
    }
    volatile float sink = 0; /* keeps the chains alive */
    for (int c = 0; c < CHAINS_F32; c++) {
        sink = sink + sums[c][c % LANES_F32];
    }
}

__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) static void
chains_f64(void) {
    lanes_f64 sums[CHAINS_F64] = {0}, a, b;
    for (int i = 0; i < LANES_F64; i++) {
        a[i] = 0.999;
        b[i] = 0.001 * i;
    }
    volatile double seed = 1;
    for (int c = 0; c < CHAINS_F64; c++) {
        sums[c] += seed * c;
    }
    for (int64_t r = 0; r < rounds_f64; r++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS_F64; c++) {
            sums[c] = sums[c] * a + b;
        }
    }
    volatile double sink = 0;
    for (int c = 0; c < CHAINS_F64; c++) {
        sink = sink + sums[c][c % LANES_F64];
    }
}

double rlt_ceiling_f32(rlt_pool *pool) {
    int threads = rlt_pool_threads(pool);
    double (*clock)(void) = threads == 1 ? rlt_thread_seconds : rlt_clock_s;
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = clock();
        rlt_pool_run(pool, threads, chains_f32, NULL);
        best = fmin(best, clock() - start);
    }
    return 2.0 * CHAINS_F32 * LANES_F32 * (double)rounds_f32 * threads / best * 1e-9;
}

double rlt_ceiling_f64(void) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = rlt_thread_seconds();
        chains_f64();
        best = fmin(best, rlt_thread_seconds() - start);
    }
    return 2.0 * CHAINS_F64 * LANES_F64 * (double)rounds_f64 / best * 1e-9;
}

/* ---- memory ---- */

__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) static void
triad(float *restrict a, const float *restrict b, const float *restrict c, size_t count) {
    for (size_t i = 0; i < count; i++) {
        a[i] = b[i] + 0.5f * c[i];
    }
}

double rlt_ceiling_triad(double bytes) {
    size_t count = (size_t)(bytes / 12) + 16;
    float *a = rlt_alloc(3 * count * sizeof(float));
    double start = rlt_clock_s(), moved = 0;
    do {
        for (int i = 0; i < 64; i++) {
            triad(a, a + count, a + 2 * count, count);
        }
        moved += 64.0 * 12.0 * (double)count;
    } while (rlt_clock_s() - start < 0.2);
    double rate = moved / (rlt_clock_s() - start) * 1e-9;
    rlt_free(a);
    return rate;
}

double rlt_ceiling_memcpy(size_t size) {
    enum { PLACES = 4 };
    char *from = rlt_alloc(size), *to = rlt_alloc(size * PLACES);
    volatile char sink = 0;
    double start = rlt_clock_s(), moved = 0;
    for (int i = 0; i % 256 != 0 || rlt_clock_s() - start < 0.2; i++) {
        char *place = to + (size_t)(i % PLACES) * size;
        from[(size_t)i % size] = (char)i;
        memcpy(place, from, size);
        sink = (char)(sink + place[(size_t)i % size]);
        moved += (double)size;
    }
    double rate = moved / (rlt_clock_s() - start) * 1e-9;
    rlt_free(from);
    rlt_free(to);
    return rate;
}

/* ---- disk ---- */

static rlt_status fail_disk(const char *folder, rlt_err *err) {
    return rlt_fail(err, errno == ENOSPC ? RLT_EFULL : RLT_EIO,
                    "%s: could not measure the disk there: %s", folder, strerror(errno));
}

static rlt_status sequential(const char *folder, int fd, double *bytes_s, rlt_err *err) {
    enum { PIECE = 1 << 20, PIECES = 256 };
    char *piece = rlt_alloc(PIECE);
    memset(piece, 0x5a, PIECE);
    double start = rlt_clock_s();
    bool good = true;
    for (int i = 0; i < PIECES && good; i++) {
        good = write(fd, piece, PIECE) == PIECE;
    }
    good = good && fdatasync(fd) == 0;
    *bytes_s = (double)PIECE * PIECES / (rlt_clock_s() - start);
    rlt_free(piece);
    return good ? RLT_OK : fail_disk(folder, err);
}

/* Into a part of the file that is there already, as SQLite's log is. */
static rlt_status flushes(const char *folder, int fd, double *flush_s, rlt_err *err) {
    enum { WRITES = 100 };
    double samples[WRITES];
    char page[4096] = {1};
    for (int i = 0; i < WRITES; i++) {
        double start = rlt_clock_s();
        if (pwrite(fd, page, sizeof(page), (off_t)sizeof(page) * i) != sizeof(page) ||
            fdatasync(fd) != 0) {
            return fail_disk(folder, err);
        }
        samples[i] = rlt_clock_s() - start;
    }
    *flush_s = rlt_median(samples, WRITES);
    return RLT_OK;
}

rlt_status rlt_ceiling_disk(const char *folder, double *bytes_s, double *flush_s, rlt_err *err) {
    char path[512];
    snprintf(path, sizeof(path), "%s/rltune-disk.%d.tmp", folder, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail_disk(folder, err);
    }
    unlink(path);
    rlt_status status = sequential(folder, fd, bytes_s, err);
    status = status == RLT_OK ? flushes(folder, fd, flush_s, err) : status;
    close(fd);
    return status;
}
