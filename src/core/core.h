/* core: status and error, arena, log, counter-based RNG, clock, strings, child processes.
 * Why: the few things that every module needs, and nothing that only one needs.
 * Threads: everything here is reentrant; the log sink is process wide. */
#ifndef RLT_CORE_H
#define RLT_CORE_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef enum rlt_status {
#define X(name, code, exit_code, text) RLT_##name = code,
#include "core/status.def"
#undef X
} rlt_status;

/* Caller-owned error: code plus one paragraph with place, bad value, what is allowed. */
typedef struct rlt_err {
    rlt_status code;
    char message[512];
} rlt_err;

const char *rlt_status_name(rlt_status status);
const char *rlt_status_text(rlt_status status);
int rlt_status_exit_code(rlt_status status);

/* Fills *err (may be NULL) and returns `code`, so that `return rlt_fail(err, RLT_EINVAL, ...)`. */
rlt_status rlt_fail(rlt_err *err, rlt_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define RLT_TRY(expr)                                                                              \
    do {                                                                                           \
        rlt_status rlt_try_status_ = (expr);                                                       \
        if (rlt_try_status_ != RLT_OK) {                                                           \
            return rlt_try_status_;                                                                \
        }                                                                                          \
    } while (0)
/* For functions with cleanup: needs a local `rlt_status status` and a label. */
#define RLT_TRY_GOTO(expr, label)                                                                  \
    do {                                                                                           \
        status = (expr);                                                                           \
        if (status != RLT_OK) {                                                                    \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

/* Programmer errors: on in every build. RLT_DASSERT: per element, debug builds only. */
void rlt_assert_fail(const char *expr, const char *file, int line) __attribute__((noreturn));
#define RLT_ASSERT(cond) ((cond) ? (void)0 : rlt_assert_fail(#cond, __FILE__, __LINE__))
#ifdef NDEBUG
#define RLT_DASSERT(cond) ((void)0)
#else
#define RLT_DASSERT(cond) RLT_ASSERT(cond)
#endif
#define RLT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Memory. Small allocations that fail abort (the process is the blast radius). rlt_alloc gives
 * zeroed memory, 64-byte aligned, released by rlt_free. The counter is the number of calls to
 * rlt_alloc so far in this process: tests assert that it stays flat while training. */
void *rlt_alloc(size_t size);
void rlt_free(void *memory);
uint64_t rlt_alloc_count(void);

/* Logging: one line on stderr (or the sink) with a stable id, e.g. "worker.restarted". */
typedef enum { RLT_LOG_DEBUG, RLT_LOG_INFO, RLT_LOG_WARN, RLT_LOG_ERROR } rlt_log_level;
typedef void (*rlt_log_sink)(void *user, rlt_log_level level, const char *id, const char *text);
void rlt_log_set(rlt_log_level min_level, rlt_log_sink sink, void *user);
void rlt_log_set_sink(rlt_log_sink sink, void *user); /* the level stays; NULL: stderr */
void rlt_log(rlt_log_level level, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Clock: monotonic for every deadline; wall clock for what a person reads (never for leases). */
uint64_t rlt_clock_ns(void);
double rlt_clock_s(void);
int64_t rlt_wall_ms(void);

/* Counter-based RNG: Philox4x32-10 (Salmon et al., SC'11; Random123). A draw is a pure function
 * of (seed, stream, substream, index), so streams need no storage beyond their index, checkpoint
 * trivially and are equal on every backend. */
typedef struct rlt_rng {
    uint64_t seed;
    uint32_t stream;    /* what for: one of RLT_STREAM_* */
    uint32_t substream; /* e.g. the global index of the environment */
    uint64_t index;     /* the next 32-bit word */
} rlt_rng;
enum {
    RLT_STREAM_ENV = 1,
    RLT_STREAM_ACTION,
    RLT_STREAM_INIT,
    RLT_STREAM_SHUFFLE,
    RLT_STREAM_SAMPLER,
    RLT_STREAM_EVAL,
    RLT_STREAM_TEST
};
rlt_rng rlt_rng_make(uint64_t seed, uint32_t stream, uint32_t substream);
/* The block of four words at (seed, stream, substream, block). */
void rlt_rng_block(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                   uint32_t out[4]);
uint32_t rlt_rng_u32(rlt_rng *rng);
uint64_t rlt_rng_u64(rlt_rng *rng);
float rlt_rng_f32(rlt_rng *rng);                            /* [0, 1), 24 bits */
double rlt_rng_f64(rlt_rng *rng);                           /* [0, 1), 53 bits */
float rlt_rng_uniform(rlt_rng *rng, float low, float high); /* [low, high) */
double rlt_rng_normal(rlt_rng *rng);                        /* Box-Muller, two draws each */
/* out[i] = rlt_rng_f64(rng) for i in 0 .. count - 1, each block of words made once */
void rlt_rng_fill_f64(rlt_rng *rng, double *out, size_t count);
/* out[i] = word i of the stream from `block` on: word w is out[w % 4] of rlt_rng_block(block + w /
 * 4). Many blocks at once, by the widest vector unit there is. */
void rlt_rng_fill_u32(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                      uint32_t *out, size_t count);
uint32_t rlt_rng_below(rlt_rng *rng, uint32_t bound);              /* [0, bound), unbiased */
uint64_t rlt_hash64(const void *data, size_t size, uint64_t seed); /* FNV-1a then mixed */

/* Strings. */
/* Edits from a to b: insert, delete, replace, swap neighbours (optimal string alignment); ASCII
 * case folded. */
int rlt_str_distance(const char *a, const char *b);
/* The nearest of `count` names within a distance that a typo explains, else the only one that
 * begins with `name` (of 4 bytes or more), or NULL. */
const char *rlt_str_nearest(const char *name, const char *const *names, size_t count);

/* Growable text, for messages and reports outside hot paths; data is always 0-terminated. */
typedef struct rlt_buf {
    char *data;
    size_t size, capacity;
} rlt_buf;
void rlt_buf_printf(rlt_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void rlt_buf_append(rlt_buf *buf, const void *data, size_t size);
void rlt_buf_fini(rlt_buf *buf);
/* Appends at most `columns` characters of `text`; what is no text (control characters, broken
 * UTF-8) becomes '?'. ASCII: so does all beyond ASCII. XML: markup is escaped. Returns the
 * characters appended; each counts as one column of a terminal. */
typedef enum { RLT_TEXT_ASCII, RLT_TEXT_UTF8, RLT_TEXT_XML } rlt_text_form;
int rlt_buf_text(rlt_buf *buf, const char *text, int columns, rlt_text_form form);
int rlt_str_columns(const char *text); /* what rlt_buf_text would append */

/* Whole files. read: at most `size_max` bytes, *data owned by the caller (rlt_free), and
 * 0-terminated. write: atomic (temporary, fsync, rename, fsync of the folder). */
rlt_status rlt_file_read(const char *path, size_t size_max, char **data, size_t *size,
                         rlt_err *err);
rlt_status rlt_file_write_atomic(const char *path, const void *data, size_t size, rlt_err *err);
/* The same from `count` parts, written one after the other: no joined copy is made. */
rlt_status rlt_file_write_atomic_parts(const char *path, const struct iovec *parts, size_t count,
                                       rlt_err *err);
rlt_status rlt_mkdirs(const char *path, rlt_err *err);

/* Fork-join threads for one learner. The caller's thread is one of them; the others wait on a futex
 * after a short spin. run calls task(user, i) once for every i in 0 .. tasks - 1 and returns when
 * all have returned; which thread takes which i is not fixed, so a task must depend on i alone. */
typedef struct rlt_pool rlt_pool;
typedef void (*rlt_pool_task)(void *user, int index);
rlt_status rlt_pool_create(int threads, rlt_pool **pool, rlt_err *err);
void rlt_pool_destroy(rlt_pool **pool);
int rlt_pool_threads(const rlt_pool *pool);                                   /* 1 for NULL */
void rlt_pool_run(rlt_pool *pool, int tasks, rlt_pool_task task, void *user); /* NULL: in order */

/* Child processes by fork+exec of this very binary. argv[0] is set by the callee; `fds` (count
 * fd_count) are inherited under the same numbers, all else is closed on exec. The child dies
 * with its parent (PR_SET_PDEATHSIG), so no orphan can remain (invariant I5). */
rlt_status rlt_process_spawn(char *const argv[], const int *fds, int fd_count, pid_t *pid,
                             rlt_err *err);
/* Called first thing in a child: arms PR_SET_PDEATHSIG, exits if the parent is gone already. */
void rlt_process_follow_parent(pid_t expected_parent);
#endif
